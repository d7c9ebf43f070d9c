package sqlitestore_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/sqlitestore"
)

// The test program runs itself again as the other processes of a test.
const (
	childVariable = "WIREPOST_TEST_CHILD" // what the process is to do
	fileVariable  = "WIREPOST_TEST_FILE"
)

func TestMain(m *testing.M) {
	child, path := os.Getenv(childVariable), os.Getenv(fileVariable)
	var err error
	switch {
	case child == "":
		os.Exit(m.Run())
	case child == "nobody":
		err = asNobody(path)
	case child == "read-only mount":
		err = mountReadOnly(path)
	default:
		err = writeMany(path, child)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const (
	callersPerProcess = 4
	putsPerCaller     = 150
)

// writeMany opens the store and writes with several callers at once.
func writeMany(path, name string) error {
	ctx := context.Background()
	s, err := sqlitestore.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	errs := make(chan error, callersPerProcess)
	var all sync.WaitGroup
	for caller := range callersPerProcess {
		all.Go(func() {
			for n := range putsPerCaller {
				c := connection(fmt.Sprintf("%s-%d-%d", name, caller, n), "alice", "all")
				if err := s.Put(ctx, c); err != nil {
					errs <- err
					return
				}
				if err := s.Subscribe(ctx, c.ID, "process-"+name); err != nil {
					errs <- err
					return
				}
				if _, err := s.Connection(ctx, c.ID); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}

func child(t *testing.T, what, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childVariable+"="+what, fileVariable+"="+path)
	return cmd
}

func TestProcessesShareAFile(t *testing.T) {
	const processes = 4                            // three others and this one
	path := filepath.Join(t.TempDir(), "store.db") // which none of them finds
	var all sync.WaitGroup
	for p := range processes - 1 {
		all.Go(func() {
			cmd := child(t, strconv.Itoa(p), path)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("process %d: %v\n%s", p, err, out)
			}
		})
	}
	if err := writeMany(path, strconv.Itoa(processes-1)); err != nil {
		t.Error(err)
	}
	all.Wait()
	s := open(t, path, nil)
	count := func(a wirepost.Audience) (n int) {
		for _, err := range s.Connections(t.Context(), a, wirepost.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	const each = callersPerProcess * putsPerCaller
	for _, a := range []wirepost.Audience{wirepost.Everyone(), wirepost.ToTopic("all"), wirepost.ToUser("alice")} {
		if n := count(a); n != processes*each {
			t.Errorf("%s has %d connections, want %d", a, n, processes*each)
		}
	}
	for p := range processes {
		if n := count(wirepost.ToTopic(fmt.Sprintf("process-%d", p))); n != each {
			t.Errorf("process %d left %d subscriptions, want %d", p, n, each)
		}
	}
}

// asNobody opens the file as a user that has no rights to it, and says what
// happened. Root has all rights, so the tests of permissions need a process that
// gives them up.
func asNobody(path string) error {
	const nobody = 65534
	if os.Getuid() == 0 {
		if err := syscall.Setgroups(nil); err != nil {
			return err
		}
		if err := syscall.Setgid(nobody); err != nil {
			return err
		}
		if err := syscall.Setuid(nobody); err != nil {
			return err
		}
	}
	return openAndPut(path)
}

// openAndPut says what happens to a store.
func openAndPut(path string) error {
	s, err := sqlitestore.Open(context.Background(), path, nil)
	if err == nil {
		defer s.Close()
		err = s.Put(context.Background(), connection("c2", "alice"))
	}
	fmt.Println(err)
	return nil
}

func TestMissingPermissionsAreExplained(t *testing.T) {
	for _, c := range []struct {
		name      string
		dir, file os.FileMode
		problem   string
	}{
		{"an unreadable file", 0o755, 0o000, "this user may not read and write the file"},
		{"a read-only file", 0o755, 0o444, "read-only for this user"},
		{"a read-only directory without a file", 0o555, 0, "this user may not create the file"},
		{"a closed directory", 0o000, 0o600, "this user may not look at the file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Not t.TempDir, which is below directories that nobody may pass.
			top, err := os.MkdirTemp("", "wirepost")
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(top, "dir")
			path := filepath.Join(dir, "store.db")
			t.Cleanup(func() {
				os.Chmod(dir, 0o700)
				os.RemoveAll(top)
			})
			if c.name != "a read-only directory without a file" {
				s, err := sqlitestore.Open(t.Context(), filepath.Join(top, "store.db"), nil)
				if err != nil {
					t.Fatal(err)
				}
				s.Put(t.Context(), connection("c1", "alice"))
				s.Close()
			}
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(top, "store.db"), path); err == nil {
				if err := os.Chmod(path, c.file); err != nil {
					t.Fatal(err)
				}
			}
			for name, mode := range map[string]os.FileMode{top: 0o755, dir: c.dir} {
				if err := os.Chmod(name, mode); err != nil {
					t.Fatal(err)
				}
			}
			var stderr bytes.Buffer
			cmd := child(t, "nobody", path)
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.Bytes())
			}
			got := strings.TrimSpace(string(out))
			t.Log(got)
			for _, want := range []string{"store " + path + ": ", c.problem, "change the permissions"} {
				if !strings.Contains(got, want) {
					t.Errorf("error = %s, want one with %q", got, want)
				}
			}
		})
	}
}
