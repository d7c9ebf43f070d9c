package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// rpmArch is what RPM calls the processors.
var rpmArch = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// packageVersion is the version as dpkg and rpm write it: there 0.2.0~dev comes before
// 0.2.0.
func (r *release) packageVersion() string { return strings.ReplaceAll(r.version, "-", "~") }

func (r *release) debName(arch string) string {
	return fmt.Sprintf("wirepost_%s_%s.deb", r.packageVersion(), arch)
}

func (r *release) rpmName(arch string) string {
	return fmt.Sprintf("wirepost-%s-1.%s.rpm", r.packageVersion(), rpmArch[arch])
}

// packageFiles are those of a package. The one for zsh depends on the family.
func packageFiles(zsh string) ([]string, error) {
	pages, err := manualPages()
	files := []string{
		"/usr/bin/wirepost",
		"/usr/share/bash-completion/completions/wirepost",
		"/usr/share/fish/vendor_completions.d/wirepost.fish",
		"/usr/share/zsh/" + zsh + "/_wirepost",
		"/usr/share/doc/wirepost/README.md",
		"/usr/share/doc/wirepost/CHANGELOG.md",
		"/usr/share/doc/wirepost/copyright",
	}
	for _, page := range pages {
		files = append(files, "/usr/share/man/man1/"+page+".gz")
	}
	slices.Sort(files)
	return files, err
}

// inRoot gives a check an empty folder to install into.
func inRoot(check func(root string) error) error {
	root, err := os.MkdirTemp("", "wirepost-root-")
	if err != nil {
		return err
	}
	return errors.Join(check(root), os.RemoveAll(root))
}

// installed are the files below a root, but for what the package manager has there.
func installed(root string) (files []string, err error) {
	err = filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(at, root)
		if name == "/var" || name == "/etc" {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			files = append(files, name)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// isInstalled says whether a root has the files of the package and no others, and whether
// its command is that of the archive and starts.
func (r *release) isInstalled(ctx context.Context, root, arch, zsh string) error {
	have, err := installed(root)
	if err != nil {
		return err
	}
	want, err := packageFiles(zsh)
	if err != nil {
		return err
	}
	if !slices.Equal(have, want) {
		return fmt.Errorf("installed are\n%s\nand not\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	a, err := r.archive(platform{"linux", arch})
	if err != nil {
		return err
	}
	command, err := os.ReadFile(filepath.Join(root, "usr/bin/wirepost"))
	if err != nil {
		return err
	}
	if !bytes.Equal(command, a.files["wirepost"].content) {
		return fmt.Errorf("its command is not that of %s", a.name)
	}
	return r.saysItsVersion(ctx, arch, filepath.Join(root, "usr/bin/wirepost"))
}

func debsInstall(ctx context.Context, r *release) error {
	var wrong []error
	for _, arch := range []string{"amd64", "arm64"} {
		err := inRoot(func(root string) error { return r.debInstalls(ctx, arch, root) })
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", r.debName(arch), err))
		}
	}
	return errors.Join(wrong...)
}

// debInstalls reads what a package says of itself, and installs and removes it by dpkg.
func (r *release) debInstalls(ctx context.Context, arch, root string) error {
	deb := r.path(r.debName(arch))
	for _, field := range [][2]string{{"Package", "wirepost"}, {"Version", r.packageVersion()}, {"Architecture", arch}, {"Depends", ""}, {"Homepage", "https://github.com/wirepost/wirepost"}} {
		got, err := run(ctx, "dpkg-deb", "--field", deb, field[0])
		if err != nil {
			return err
		}
		if got := strings.TrimSpace(got); got != field[1] {
			return fmt.Errorf("its field %s is %q: want %q", field[0], got, field[1])
		}
	}
	admin := filepath.Join(root, "var/lib/dpkg")
	if err := errors.Join(os.MkdirAll(filepath.Join(admin, "updates"), 0o755), os.MkdirAll(filepath.Join(admin, "info"), 0o755), os.WriteFile(filepath.Join(admin, "status"), nil, 0o644)); err != nil {
		return err
	}
	dpkg := []string{"--root=" + root, "--log=/dev/null", "--force-architecture", "--force-bad-path"}
	if _, err := run(ctx, "dpkg", append(dpkg, "--install", deb)...); err != nil {
		return err
	}
	if err := r.isInstalled(ctx, root, arch, "vendor-completions"); err != nil {
		return err
	}
	if _, err := run(ctx, "dpkg", append(dpkg, "--purge", "wirepost:"+arch)...); err != nil {
		return err
	}
	left, err := installed(root)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("a removal left %s", strings.Join(left, " "))
	}
	return err
}

func rpmsInstall(ctx context.Context, r *release) error {
	var wrong []error
	for _, arch := range []string{"amd64", "arm64"} {
		err := inRoot(func(root string) error { return r.rpmInstalls(ctx, arch, root) })
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", r.rpmName(arch), err))
		}
	}
	return errors.Join(wrong...)
}

// rpmInstalls reads what a package says of itself, and installs it by rpm.
func (r *release) rpmInstalls(ctx context.Context, arch, root string) error {
	rpm := r.path(r.rpmName(arch))
	want := strings.Join([]string{"wirepost", r.packageVersion(), "1", rpmArch[arch], "Apache-2.0"}, " ")
	got, err := run(ctx, "rpm", "-qp", "--queryformat", "%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{LICENSE}", rpm)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("it says that it is %q: want %q", got, want)
	}
	files, err := packageFiles("site-functions")
	if err != nil {
		return err
	}
	listed, err := run(ctx, "rpm", "-qpl", rpm)
	if err != nil {
		return err
	}
	for _, name := range files {
		if !slices.Contains(strings.Fields(listed), name) {
			return fmt.Errorf("its list lacks %s", name)
		}
	}
	if _, err := run(ctx, "rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--install", "--nodeps", "--ignorearch", "--ignoreos", "--nosignature", rpm); err != nil {
		return err
	}
	return r.isInstalled(ctx, root, arch, "site-functions")
}
