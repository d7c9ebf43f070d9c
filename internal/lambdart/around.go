package lambdart

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/terminal"
)

// Around is what a function finds on Lambda outside its own folder: its layers and the
// SDK of its runtime. The zero value is nothing of it. Paths are absolute, but for
// Install, which is shown to people.
type Around struct {
	// Runtime is the function's runtime on Lambda, such as nodejs22.x. Empty means that
	// it is not known.
	Runtime string

	// Opt is the folder with what Lambda has in /opt. Empty means no layers.
	Opt string

	// Missing are the names of layers that the function has on Lambda and not in Opt.
	Missing []string

	// Packages are folders such as node_modules, in which the packages of Lambda's
	// runtime are looked for, in this order, if the function's own folder and its
	// layers do not have them. Folders that are not there may come.
	Packages []string

	// Install is the folder into which people install the packages of Lambda's runtime
	// that are nowhere else. It is looked into last. Empty means that there is none.
	Install string
}

// SetLayers changes Opt and Missing of the function's Around, for processes that start
// after the next Restart has begun.
func (f *Function) SetLayers(opt string, missing []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.c.Around.Opt, f.c.Around.Missing = opt, missing
}

// runtimeVersion is the major version of a Node.js runtime, or 0.
func (a *Around) runtimeVersion() int {
	number, _, _ := strings.Cut(strings.TrimPrefix(a.Runtime, "nodejs"), ".")
	n, err := strconv.Atoi(number)
	if err != nil || !strings.HasPrefix(a.Runtime, "nodejs") {
		return 0
	}
	return n
}

// lastWithV2 is the last Node.js runtime that has version 2 of the SDK; the next has
// version 3 (AWS docs, Lambda developer guide, "Runtime-included SDK versions").
const lastWithV2 = 16

// pythonSDK are the packages of Lambda's Python runtimes: the SDK and what it needs.
// (AWS docs, Lambda developer guide, "Runtime-included SDK versions", name boto3 and
// botocore; the others are what these two require.)
var pythonSDK = []string{"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3"}

// hasPackage reports whether Lambda's runtime has a package.
func (a *Around) hasPackage(kind Kind, name string) bool {
	switch version := a.runtimeVersion(); {
	case kind == Python:
		return slices.Contains(pythonSDK, name)
	case name == "aws-sdk":
		return version > 0 && version <= lastWithV2
	case version > 0 && version <= lastWithV2:
		return false
	}
	return strings.HasPrefix(name, "@aws-sdk/") || strings.HasPrefix(name, "@smithy/")
}

// forBootstrap is what the bootstraps are told.
func (a *Around) forBootstrap() ([]byte, error) {
	install := a.Install
	if install != "" {
		abs, err := filepath.Abs(install)
		if err != nil {
			return nil, fmt.Errorf("find the folder %s: %w", install, err)
		}
		install = abs
	}
	return json.Marshal(map[string]any{
		"runtime": a.Runtime, "version": a.runtimeVersion(), "lastWithV2": lastWithV2, "opt": a.Opt,
		"packages": append([]string{}, a.Packages...), "install": install, "pythonSDK": pythonSDK,
	})
}

// environment is what layers change in a function's environment, in which Lambda has
// the folders of layers last (AWS docs, Lambda developer guide, "Defined runtime
// environment variables").
func (a *Around) environment(env []string) (changed []string) {
	if a.Opt == "" {
		return nil
	}
	value := func(name string) string {
		for _, e := range slices.Backward(env) {
			if v, ok := strings.CutPrefix(e, name+"="); ok {
				return v
			}
		}
		return ""
	}
	add := func(name, folder string, before ...string) {
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			return
		}
		all := slices.DeleteFunc(append(before, value(name), folder), func(s string) bool { return s == "" })
		changed = append(changed, name+"="+strings.Join(all, string(os.PathListSeparator)))
	}
	add("PATH", filepath.Join(a.Opt, "bin"))
	if runtime.GOOS == "linux" {
		add("LD_LIBRARY_PATH", filepath.Join(a.Opt, "lib"), systemLibraries()...)
	}
	return changed
}

// systemLibraries are the folders that Lambda has before those of layers: a layer with
// a library of Amazon Linux does not replace the system's own.
func systemLibraries() (folders []string) {
	for _, pattern := range []string{"/lib64", "/usr/lib64", "/lib/*-linux-gnu", "/usr/lib/*-linux-gnu"} {
		found, _ := filepath.Glob(pattern)
		folders = append(folders, found...)
	}
	return folders
}

var sdkOfHandler = regexp.MustCompile(`["'](@(?:aws-sdk|smithy)/[a-z0-9-]+)`)

// missingPackage says what to do about a package that a handler does not find, or is
// empty if there is nothing to say that is not true of every package.
func (l *launch) missingPackage(name string) string {
	a := &l.around
	loads, folders := "loads", "nodejs/node_modules"
	if l.source.Kind == Python {
		loads, folders = "imports", "python"
	}
	switch {
	case a.hasPackage(l.source.Kind, name) && a.Install != "":
		if l.source.Kind == Python {
			return fmt.Sprintf("the handler %s imports %s, which Lambda's runtime has but this machine does not; %s -m pip install --target %s boto3", l.handler, name, terminal.Word(l.path), terminal.Word(filepath.Join(a.Install, "python")))
		}
		return fmt.Sprintf("the handler %s loads %s, which Lambda's runtime has but this machine does not; npm install --prefix %s %s", l.handler, name, terminal.Word(a.Install), strings.Join(l.sdkPackages(name), " "))
	case len(a.Missing) > 0:
		which := "the layer " + a.Missing[0] + ", which is not on this machine"
		if len(a.Missing) > 1 {
			which = "one of the layers " + strings.Join(a.Missing, ", ") + ", which are not on this machine"
		}
		return fmt.Sprintf("the handler %s %s %s, which may be in %s", l.handler, loads, name, which)
	case name == "aws-sdk" && l.source.Kind == Node && a.runtimeVersion() > lastWithV2:
		return fmt.Sprintf("the handler %s loads aws-sdk, which Lambda has up to nodejs%d.x and not in %s; npm install aws-sdk in %s, or load @aws-sdk/*", l.handler, lastWithV2, a.Runtime, l.dir)
	case a.Opt != "": // whose package it is is not known, and npm may have another one of that name
		return fmt.Sprintf("the handler %s %s %s, which is neither in %s nor in %s of its layers", l.handler, loads, name, l.dir, folders)
	}
	return ""
}

// sdkPackages are the packages of the SDK that the handler's file names, and name,
// sorted: one command installs them all.
func (l *launch) sdkPackages(name string) []string {
	packages := []string{name}
	files, _ := handlerFiles(l.dir, l.handler, Node)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for _, m := range sdkOfHandler.FindAllSubmatch(text, -1) {
			packages = append(packages, string(m[1]))
		}
		break
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}

// missingInOpt is the sentence for a file that the handler loads from its layers.
func (l *launch) missingInOpt(name string) string {
	switch a := &l.around; {
	case len(a.Missing) > 0:
		return fmt.Sprintf("the handler %s loads %s, which may be in a layer that is not on this machine: %s", l.handler, name, strings.Join(a.Missing, ", "))
	case a.Opt != "":
		return fmt.Sprintf("the handler %s loads %s, which none of its layers has", l.handler, name)
	}
	return fmt.Sprintf("the handler %s loads %s, and it has no layers", l.handler, name)
}
