package app

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// elf is the beginning of a program for Linux.
func elf(machine byte) string {
	header := make([]byte, 64)
	copy(header, "\x7fELF\x02\x01\x01")
	header[16], header[18] = 2, machine
	return string(header)
}

// own and foreign are programs for Linux on this processor and on another one, which is
// called other.
func programs() (own, foreign, other string) {
	if runtime.GOARCH == "arm64" {
		return elf(0xb7), elf(0x3e), "linux/amd64"
	}
	return elf(0x3e), elf(0xb7), "linux/arm64"
}

func TestTheProgramThatTheHandlerNamesIsBuiltAndNoOther(t *testing.T) {
	const main, lib, module = "package main\n", "package lib\n", "module m\n"
	_, foreign, _ := programs()
	for _, c := range []struct {
		name, format string
		files        map[string]string
		f            Function
		want         Launch
	}{
		{"the first of two", "serverless.yml", map[string]string{"go.mod": module, "connect/main.go": main, "message/main.go": main}, Function{Runtime: "go1.x", Handler: "bin/connect", Code: Code{Path: "."}}, Launch{Kind: LaunchGo, Path: "connect"}},
		{"the second of two", "serverless.yml", map[string]string{"go.mod": module, "connect/main.go": main, "message/main.go": main}, Function{Runtime: "go1.x", Handler: "bin/message", Code: Code{Path: "."}}, Launch{Kind: LaunchGo, Path: "message"}},
		{"and not the one of the folder itself", "serverless.yml", map[string]string{"go.mod": module, "main.go": main, "cmd/connect/main.go": main}, Function{Runtime: "go1.x", Handler: "bin/connect", Code: Code{Path: "."}}, Launch{Kind: LaunchGo, Path: "cmd/connect"}},
		{"the one with more of the path", "serverless.yml", map[string]string{"go.mod": module, "http/connect/main.go": main, "ws/connect/main.go": main}, Function{Runtime: "go1.x", Handler: "bin/ws/connect", Code: Code{Path: "."}}, Launch{Kind: LaunchGo, Path: "ws/connect"}},
		{"the one of this service", "serverless.yml", map[string]string{"go.mod": module, "a/connect/main.go": main, "b/connect/main.go": main}, Function{Runtime: "go1.x", Handler: "bin/connect", Code: Code{Path: "b"}}, Launch{Kind: LaunchGo, Path: "b/connect"}},
		{"one of the module outside the service", "serverless.yml", map[string]string{"go.mod": module, "deploy/serverless.yml": "", "cmd/connect/main.go": main}, Function{Runtime: "go1.x", Handler: "bin/connect", Code: Code{Path: "deploy"}}, Launch{Kind: LaunchGo, Path: "cmd/connect"}},
		{"the file that the handler is", "serverless.yml", map[string]string{"go.mod": module, "functions/connect/main.go": main, "x/connect/main.go": main}, Function{Runtime: "provided.al2", Handler: "functions/connect/main.go", Code: Code{Path: "."}}, Launch{Kind: LaunchGo, Path: "functions/connect"}},
		{"a library has the name too", "serverless.yml", map[string]string{"go.mod": module, "connect/lib.go": lib, "cmd/connect/main.go": main}, Function{Runtime: "go1.x", Handler: "bin/connect", Code: Code{Path: "."}}, Launch{Kind: LaunchGo, Path: "cmd/connect"}},
		{"main of the folder itself", "serverless.yml", map[string]string{"go.mod": module, "main.go": main}, Function{Runtime: "go1.x", Handler: "bin/main", Code: Code{Path: "."}}, Launch{Kind: LaunchGo, Path: "."}},
		{"the folder that SAM builds", "SAM", map[string]string{"fn/go.mod": module, "fn/main.go": main}, Function{Runtime: "go1.x", Handler: "hello-world", Code: Code{Path: "fn"}}, Launch{Kind: LaunchGo, Path: "fn"}},
		{"the source of a program for another processor", "SAM", map[string]string{"fn/main.go": main, "fn/bootstrap": foreign}, Function{Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: "fn"}}, Launch{Kind: LaunchGo, Path: "fn"}},
		{"next to a zip file that has another one", "serverless.yml", map[string]string{"go.mod": module, "connect/main.go": main, "bin/connect.zip!": "x"}, Function{Runtime: "go1.x", Handler: "bin/connect", Code: Code{Path: "bin/connect.zip"}}, Launch{Kind: LaunchGo, Path: "connect"}},
		{"of a zip file that is not built yet", "serverless.yml", map[string]string{"go.mod": module, "cmd/connect/main.go": main, "cmd/message/main.go": main}, Function{Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: "bin/connect.zip"}}, Launch{Kind: LaunchGo, Path: "cmd/connect"}},
		{"of one with a usual name in a folder of its own", "CloudFormation", map[string]string{"go.mod": module, "cmd/connect/main.go": main, "cmd/message/main.go": main}, Function{Runtime: "provided.al2", Handler: "bootstrap", Code: Code{Path: "dist/message/bootstrap.zip"}}, Launch{Kind: LaunchGo, Path: "cmd/message"}},
		{"of a program next to its source that is not built yet", "Terraform", map[string]string{"go.mod": module, "fn/connect/main.go": main}, Function{Runtime: "go1.x", Handler: "main", Code: Code{Path: "fn/connect/main"}}, Launch{Kind: LaunchGo, Path: "fn/connect"}},
		{"that the handler names, of a zip file for all", "serverless.yml", map[string]string{"go.mod": module, "cmd/connect/main.go": main, "cmd/message/main.go": main}, Function{Runtime: "go1.x", Handler: "bin/message", Code: Code{Path: "bin/all.zip"}}, Launch{Kind: LaunchGo, Path: "cmd/message"}},
		{"of a folder that is not built yet", "CloudFormation", map[string]string{"go.mod": module, "cmd/connect/main.go": main}, Function{Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: "build/connect"}}, Launch{Kind: LaunchGo, Path: "cmd/connect"}},
		{"of a program for another processor, by its folder", "CloudFormation", map[string]string{"go.mod": module, "cmd/connect/main.go": main, "build/connect/bootstrap": foreign}, Function{Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: "build/connect"}}, Launch{Kind: LaunchGo, Path: "cmd/connect"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			place(t, c.files)
			c.f.LogicalID = "F"
			c.f.Decide(c.format, ".")
			if c.f.Unrunnable != nil {
				t.Fatal(c.f.Unrunnable)
			}
			got := *c.f.Launch
			got.Path = filepath.Clean(got.Path)
			if here, err := filepath.Rel(".", got.Path); err == nil {
				got.Path = here
			}
			if got != c.want {
				t.Errorf("launch %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestAProgramThatCannotBeRunOrBuiltIsASentence(t *testing.T) {
	const main, module = "package main\n", "module m\n"
	here := runtime.GOOS + "/" + runtime.GOARCH
	_, foreign, other := programs()
	for _, c := range []struct {
		name      string
		files     map[string]string
		f         Function
		why, then string
	}{
		{"another program than the named one", map[string]string{"go.mod": module, "main.go": main}, Function{Runtime: "go1.x", Handler: "bin/connect", Code: Code{Path: "."}}, "there is no bin/connect in the template's folder", "build it first, or give --function F=FOLDER with the program or --function F=go:FOLDER with its source"},
		{"several that it may be", map[string]string{"go.mod": module, "a/connect/main.go": main, "b/connect/main.go": main}, Function{Runtime: "go1.x", Handler: "bin/connect", Code: Code{Path: "."}}, "there is no bin/connect in the template's folder, and it may be built from a/connect or b/connect", "give --function F=go:FOLDER of the one that is meant"},
		{"for another processor", map[string]string{"fn/bootstrap": foreign}, Function{Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: "fn"}}, "its program bootstrap is one for " + other + ", and this machine is " + here, "build it for " + here + ", or give --function F=go:FOLDER with its source"},
		{"for another processor, in a layer", map[string]string{"fn/run.sh": "", "layer/bootstrap": foreign}, Function{Runtime: "provided.al2023", Handler: "run", Code: Code{Path: "fn"}, Layers: []Layer{{LogicalID: "L", Content: "layer"}}}, "its program bootstrap in the layer L is one for " + other + ", and this machine is " + here, "build the layer for " + here + ", or give --function F=FOLDER with the program"},
		{"without a module", map[string]string{"connect/main.go": main}, Function{Runtime: "go1.x", Handler: "bin/connect", Code: Code{Path: "."}}, "there is no bin/connect in the template's folder, and the package main in connect is in no Go module", "run 'go mod init NAME' and 'go mod tidy' in the folder of the project, or build it first, or give --function F=FOLDER with the program or --function F=go:FOLDER with its source"},
		{"what Makefile builds of another folder", map[string]string{"src/Makefile": "", "src/go.mod": module, "src/cmd/fn/main.go": main}, Function{Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: "src"}}, "there is no bootstrap in src", "build it, as with 'make', or give --function F=FOLDER with the program or --function F=go:FOLDER with its source"},
		{"not built yet, by one of two with its name", map[string]string{"go.mod": module, "a/connect/main.go": main, "b/connect/main.go": main}, Function{Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: "bin/connect.zip"}}, "its code bin/connect.zip is not there", "'wirepost package --output bin/connect.zip PACKAGE' builds it from a Go package, or give --function F=FOLDER with its code"},
		{"not built yet, by a package with another name", map[string]string{"go.mod": module, "infra/main.go": main}, Function{Runtime: "provided.al2023", Handler: "bootstrap", Code: Code{Path: "bin/connect.zip"}}, "its code bin/connect.zip is not there", "'wirepost package --output bin/connect.zip PACKAGE' builds it from a Go package, or give --function F=FOLDER with its code"},
	} {
		t.Run(c.name, func(t *testing.T) {
			place(t, c.files)
			c.f.LogicalID = "F"
			c.f.Decide("serverless.yml", ".")
			if u := c.f.Unrunnable; u == nil || u.Why != c.why || u.Fix != c.then {
				t.Errorf("launch %+v, unrunnable %+v\nwant why %s\nwant fix %s", c.f.Launch, u, c.why, c.then)
			}
		})
	}
}

func TestAProgramThatIsOlderThanItsSourceIsToldOf(t *testing.T) {
	own, _, _ := programs()
	place(t, map[string]string{"go.mod": "module m\n", "bin/connect": own, "connect/main.go": "package main\n", "connect/main_test.go": "package main\n", "message/main.go": "package main\n"})
	built := time.Now().Add(-time.Hour)
	at := func(name string, when time.Time) {
		if err := os.Chtimes(name, when, when); err != nil {
			t.Fatal(err)
		}
	}
	newer := func() string {
		f := Function{LogicalID: "F", Runtime: "go1.x", Handler: "bin/connect", Code: Code{Path: "."}}
		f.Decide("serverless.yml", ".")
		if f.Launch == nil || f.Launch.Kind != LaunchProgram || f.Launch.Path != "bin/connect" {
			t.Fatalf("launch %+v, unrunnable %v, want the program", f.Launch, f.Unrunnable)
		}
		return f.Launch.Newer
	}
	at("bin/connect", built)
	at("connect/main.go", built.Add(time.Second))
	if got := newer(); got != "" {
		t.Errorf("written together with the program, %s is newer", got)
	}
	at("connect/main.go", built.Add(time.Minute))
	if got := newer(); got != "connect/main.go" {
		t.Errorf("newer is %q, want connect/main.go", got)
	}
}

func FuzzMachineOf(f *testing.F) {
	own, foreign, _ := programs()
	for _, header := range []string{own, foreign, "\xcf\xfa\xed\xfe\x07\x00\x00\x01", "\xca\xfe\xba\xbe", "MZ", "#!/bin/sh\n", "\x7fELF\x02\x02"} {
		f.Add([]byte(header))
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		system, processor := machineOf(append(header, make([]byte, 20)...)[:20])
		if system == "" && processor != "" {
			t.Errorf("a program for %s of no system", processor)
		}
	})
}
