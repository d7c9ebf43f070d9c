//go:build unix

package atomicfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wirepost/wirepost/internal/atomicfile"
)

// full makes the disk full for files of more than some bytes until the test ends.
func full(t *testing.T, bytes uint64) (free func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	now := before
	now.Cur = bytes
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
		t.Fatal(err)
	}
	free = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(free)
	return free
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestAFileIsWholeOrAsItWas(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "api-id")
	for room := range uint64(7) {
		for _, old := range []string{"", "old"} {
			os.Remove(path)
			if old != "" {
				if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			free := full(t, room)
			err := atomicfile.Write(path, []byte("abcdef"), 0o600)
			free()
			got, _ := os.ReadFile(path)
			switch {
			case room >= 6 && (err != nil || string(got) != "abcdef"):
				t.Errorf("with room for %d bytes: %q, %v", room, got, err)
			case room < 6 && (!errors.Is(err, syscall.EFBIG) || !strings.HasPrefix(err.Error(), "write "+path+": ") || string(got) != old):
				t.Errorf("with room for %d bytes of 6: %q where %q was, %v", room, got, old, err)
			}
			if all := names(t, dir); room < 6 && old == "" && len(all) > 0 || len(all) > 1 {
				t.Errorf("with room for %d bytes the folder has %v", room, all)
			}
		}
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
}

func TestAFolderThatIsNotThereIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent", "f")
	if err := atomicfile.Write(path, nil, 0o600); !errors.Is(err, os.ErrNotExist) || err.Error() != "write "+path+": no such file or directory" {
		t.Error(err)
	}
	dir := t.TempDir()
	path = filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(path, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(path, nil, 0o600); err == nil || !strings.HasPrefix(err.Error(), "write "+path+": ") || len(names(t, dir)) != 1 {
		t.Errorf("%v; the folder has %v", err, names(t, dir))
	}
}

func TestWhatIsNoFileIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, dir} {
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		err = atomicfile.Write(path, []byte("x"), 0o600)
		after, stat := os.Stat(path)
		if err == nil || stat != nil || after.Mode() != before.Mode() || !strings.Contains(err.Error(), "is not a file") {
			t.Errorf("%s: %v; it was %v and is %v", path, err, before.Mode(), after.Mode())
		}
	}
}

func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	dir := t.TempDir()
	left, err := atomicfile.TempDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(left, "big"), filepath.Join(dir, ".new-7"), filepath.Join(dir, "api-id"), filepath.Join(dir, ".newer")} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := atomicfile.Clean(dir); err != nil {
		t.Fatal(err)
	}
	if all := names(t, dir); len(all) != 2 || all[0] != ".newer" || all[1] != "api-id" {
		t.Errorf("it has %v", all)
	}
	if err := atomicfile.Clean(filepath.Join(dir, "absent")); err != nil {
		t.Error(err)
	}
}
