package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

const downloads = "https://github.com/wirepost/wirepost/releases/download/"

// tapsLead looks at what Homebrew and Scoop would install by.
func tapsLead(ctx context.Context, r *release) error {
	return errors.Join(caskLeads(ctx, r), manifestLeads(r))
}

// url is where an archive can be downloaded once its version is published.
func (r *release) url(archive string) string { return downloads + "v" + r.version + "/" + archive }

// caskLeads lets Ruby read the cask, which is a program, and holds the sum and the URL of
// each platform against the archive.
func caskLeads(ctx context.Context, r *release) error {
	name := r.path("homebrew/Casks/wirepost.rb")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if _, err := run(ctx, "ruby", "-c", name); err != nil {
		return err
	}
	cask := strings.ReplaceAll(string(text), "#{version}", r.version)
	for _, line := range []string{`cask "wirepost" do`, `version "` + r.version + `"`, `binary "wirepost`, `manpage "`, `bash_completion "`, `zsh_completion "`, `fish_completion "`} {
		if !strings.Contains(cask, line) {
			return fmt.Errorf("the cask has no line with %s", line)
		}
	}
	pairs := map[string]string{}
	for _, m := range regexp.MustCompile(`sha256 "([0-9a-f]{64})"\s+url "([^"]+)"`).FindAllStringSubmatch(cask, -1) {
		pairs[m[2]] = m[1]
	}
	for _, m := range regexp.MustCompile(`url "([^"]+)"[^\n]*\n\s*sha256 "([0-9a-f]{64})"`).FindAllStringSubmatch(cask, -1) {
		pairs[m[1]] = m[2]
	}
	for _, p := range platforms {
		archive := r.archiveName(p)
		if p.os == "windows" {
			continue
		}
		if pairs[r.url(archive)] != r.sums[archive] || r.sums[archive] == "" {
			return fmt.Errorf("the cask does not have %s with the sum of checksums.txt", r.url(archive))
		}
		if err := caskFiles(r, p, cask); err != nil {
			return err
		}
	}
	return nil
}

// caskFiles says whether the archive for a platform has each file that the cask installs.
func caskFiles(r *release, p platform, cask string) error {
	a, err := r.archive(p)
	if err != nil {
		return err
	}
	for _, m := range regexp.MustCompile(`(?m)^ +(?:binary|manpage|\w+_completion) "([^"]+)"`).FindAllStringSubmatch(cask, -1) {
		if _, ok := a.files[m[1]]; !ok {
			return fmt.Errorf("the cask installs %s, which is not in %s", m[1], a.name)
		}
	}
	return nil
}

// manifestLeads does the same for Windows.
func manifestLeads(r *release) error {
	text, err := os.ReadFile(r.path("scoop/wirepost.json"))
	if err != nil {
		return err
	}
	var manifest struct {
		Version      string
		License      string
		Architecture map[string]struct {
			URL, Hash string
			Bin       any
		}
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return fmt.Errorf("read Scoop's manifest: %w", err)
	}
	if manifest.Version != r.version || manifest.License != "Apache-2.0" {
		return fmt.Errorf("the manifest for Scoop is of version %q with the licence %q", manifest.Version, manifest.License)
	}
	for name, arch := range map[string]string{"64bit": "amd64", "arm64": "arm64"} {
		archive := r.archiveName(platform{"windows", arch})
		if has := manifest.Architecture[name]; has.URL != r.url(archive) || has.Hash != r.sums[archive] || !strings.Contains(fmt.Sprint(has.Bin), "wirepost.exe") {
			return fmt.Errorf("the manifest for Scoop has for %s %+v: want %s with the sum of checksums.txt and wirepost.exe", name, has, r.url(archive))
		}
	}
	return nil
}
