package sqlitestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// mountReadOnly opens the file in a namespace of its own in which its directory is
// read-only.
func mountReadOnly(path string) error {
	dir := filepath.Dir(path)
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		return err
	}
	if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return err
	}
	return openAndPut(path)
}

func TestAReadOnlyFileSystemIsNamed(t *testing.T) {
	for _, exists := range []bool{true, false} {
		dir := shortDir(t)
		path, want := filepath.Join(dir, "store.db"), "cannot create the file; name another file: read-only file system"
		if exists {
			open(t, path, nil).Close()
			want = "the file is on a read-only file system; name a file on another one"
		}
		cmd := child(t, "read-only mount", path)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, os.ErrPermission) || strings.Contains(string(out), syscall.EPERM.Error()) || strings.Contains(string(out), syscall.EACCES.Error()) {
			// Where users may not mount, as on some runners, the rest is tested without.
			t.Skipf("skipped: this user may not make a read-only mount: %v %s", err, out)
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%s", out)
		if !strings.Contains(string(out), want) {
			t.Errorf("it says %s, want %s", out, want)
		}
	}
}
