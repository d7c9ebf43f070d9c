package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// bill is what an SPDX document in JSON says of the modules of Go.
type bill struct {
	Version  string `json:"spdxVersion"`
	Packages []struct {
		Name    string `json:"name"`
		Version string `json:"versionInfo"`
		Refs    []struct {
			Type    string `json:"referenceType"`
			Locator string `json:"referenceLocator"`
		} `json:"externalRefs"`
	} `json:"packages"`
}

// billsAreTrue holds each bill of materials against what Go has written into the command
// that it is of: the same modules in the same versions, and the same Go.
func billsAreTrue(_ context.Context, r *release) error {
	var wrong []error
	for _, p := range platforms {
		a, err := r.archive(p)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if err := billIsTrue(r.path(a.name+".sbom.json"), a.files[p.command()].content); err != nil {
			wrong = append(wrong, fmt.Errorf("%s.sbom.json: %w", a.name, err))
		}
	}
	return errors.Join(wrong...)
}

func billIsTrue(name string, command []byte) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var b bill
	if err := json.Unmarshal(text, &b); err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	if !strings.HasPrefix(b.Version, "SPDX-2.") {
		return fmt.Errorf("it is no SPDX document of version 2: %q", b.Version)
	}
	listed := map[string]string{}
	for _, p := range b.Packages {
		for _, ref := range p.Refs {
			if ref.Type == "purl" && strings.HasPrefix(ref.Locator, "pkg:golang/") {
				listed[p.Name] = p.Version
			}
		}
	}
	info, err := buildinfo.Read(bytes.NewReader(command))
	if err != nil {
		return fmt.Errorf("read how the command was built: %w", err)
	}
	linked := map[string]string{"stdlib": info.GoVersion}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		linked[m.Path] = m.Version
	}
	if _, ok := listed[info.Main.Path]; !ok {
		return fmt.Errorf("it lacks the module %s itself", info.Main.Path)
	}
	delete(listed, info.Main.Path) // whose version depends on the state of the clone
	if !maps.Equal(listed, linked) {
		return fmt.Errorf("it lists %d modules, and the command has %d: %s", len(listed), len(linked), difference(listed, linked))
	}
	return nil
}

// difference names what one of two lists of modules has and the other not.
func difference(listed, linked map[string]string) string {
	var names []string
	for name, version := range linked {
		if listed[name] != version {
			names = append(names, "lacks "+name+"@"+version)
		}
	}
	for name, version := range listed {
		if linked[name] != version {
			names = append(names, "has "+name+"@"+version)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
