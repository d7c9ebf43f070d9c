package sqlitestore_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/sqlitestore"
)

// things are what may be in the place of a file, by what an error calls them.
var things = map[string]func(t *testing.T, path string) error{
	"a directory":              func(_ *testing.T, path string) error { return os.Mkdir(path, 0o700) },
	"a link to elsewhere":      func(_ *testing.T, path string) error { return os.Symlink("elsewhere", path) },
	"a link to missing/nobody": func(_ *testing.T, path string) error { return os.Symlink("missing/nobody", path) },
	"a socket": func(t *testing.T, path string) error {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	},
	"a named pipe": func(_ *testing.T, path string) error { return syscall.Mkfifo(path, 0o600) },
}

// shortDir is a directory with a path that a socket can have.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	dir, err = filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// wantRefused is the error of a store that cannot be opened, which leaves nothing behind.
func wantRefused(t *testing.T, dir, path string, parts ...string) {
	t.Helper()
	before := list(t, dir)
	s, err := sqlitestore.Open(t.Context(), path, nil)
	if err == nil {
		s.Close()
		t.Fatalf("%s was opened", path)
	}
	wantSentence(t, err, append(parts, "open store "+path+": ")...)
	if after := list(t, dir); after != before {
		t.Errorf("there was %s, and now there is %s", before, after)
	}
}

func list(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func TestWhatIsInThePlaceOfAFileOfSQLitesIsNamed(t *testing.T) {
	for what, put := range things {
		for _, suffix := range []string{"-wal", "-shm", "-journal"} {
			for _, exists := range []bool{false, true} {
				name := "new"
				if exists {
					name = "existing"
				}
				t.Run(what+" "+suffix+" "+name, func(t *testing.T) {
					dir := shortDir(t)
					path := filepath.Join(dir, "x.db")
					if err := os.WriteFile(filepath.Join(dir, "elsewhere"), nil, 0o600); err != nil {
						t.Fatal(err)
					}
					if exists {
						open(t, path, nil).Close()
					}
					if err := put(t, path+suffix); err != nil {
						t.Fatal(err)
					}
					wantRefused(t, dir, path, path+suffix+" is "+what+", ", "remove it")
				})
			}
		}
	}
}

func TestTheFilesOfSQLiteAreNextToWhatALinkLeadsTo(t *testing.T) {
	dir := shortDir(t)
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	real, link := filepath.Join(dir, "real", "y.db"), filepath.Join(dir, "x.db")
	open(t, real, nil).Close()
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	open(t, link, nil).Close()
	// What has only the name of one does no harm.
	if err := os.Mkdir(link+"-wal", 0o700); err != nil {
		t.Fatal(err)
	}
	open(t, link, nil).Close()
	if err := os.Mkdir(real+"-shm", 0o700); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dir, link, real+"-shm is a directory, ", "remove it")
}

func TestWhatIsInThePlaceOfTheFileIsNamed(t *testing.T) {
	for what, put := range things {
		if strings.HasPrefix(what, "a link") || what == "a directory" {
			continue
		}
		t.Run(what, func(t *testing.T) {
			dir := shortDir(t)
			path := filepath.Join(dir, "x.db")
			if err := put(t, path); err != nil {
				t.Fatal(err)
			}
			wantRefused(t, dir, path, "it is not a regular file but "+what, "name another one")
		})
	}
	_, err := sqlitestore.Open(t.Context(), os.DevNull, nil)
	wantSentence(t, err, "it is not a regular file but a device", "name another one")
}

func TestALinkThatLeadsNowhereIsNamedWithItsTarget(t *testing.T) {
	dir := shortDir(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	for link, target := range map[string]string{"dangling.db": "nowhere/y.db", "missing.db": "y.db", "loop.db": "loop.db", "folder": "nowhere"} {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("plain"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, parts := range map[string][]string{
		"dangling.db":   {"it is a link to nowhere/y.db, which is missing", "remove the link"},
		"missing.db":    {"it is a link to y.db, which is missing", "remove the link"},
		"loop.db":       {"a link on the way leads to itself", "remove it"},
		"folder/x.db":   {"the directory " + at("folder") + " is a link to nowhere, which is missing", "create that"},
		"plain/x.db":    {at("plain") + " is a file and not a directory", "name another file"},
		"plain/a/b/c/x": {at("plain") + " is a file and not a directory", "name another file"},
	} {
		t.Run(name, func(t *testing.T) { wantRefused(t, dir, at(name), parts...) })
	}
}

func TestNothingIsNamedAfterWhatAShellExpands(t *testing.T) {
	dir := shortDir(t)
	t.Chdir(dir)
	t.Setenv("HOME", "/home/me")
	for url, parts := range map[string][]string{
		"sqlite:~/x.db":             {"begins with ~, which a shell expands only at the start of a word; write " + filepath.Join("/home/me", "x.db")},
		"sqlite://~/x.db":           {"begins with ~, ", filepath.Join("/home/me", "x.db")},
		"sqlite:~":                  {"begins with ~, ", "write the whole path"},
		"sqlite:~/":                 {"begins with ~, ", "write the whole path"},
		"sqlite:~alice/x.db":        {"begins with ~alice, ", "write the whole path"},
		"sqlite:./~/x.db":           {"the path has ~ in it", "write the whole path"},
		"sqlite:" + dir + "/~/x.db": {"the path has ~ in it", "write the whole path"},
		"sqlite:~/.wirepost/x.db":   {"begins with ~, ", filepath.Join("/home/me", ".wirepost", "x.db")},
		"sqlite:$HOME/x.db":         {"the path has $HOME in it", "write the whole path"},
		"sqlite:${HOME}/x.db":       {"the path has ${HOME} in it", "write the whole path"},
		"sqlite:$HOME/a/x.db":       {"the path has $HOME in it", "write the whole path"},
		"sqlite:store-${STAGE}.db":  {"the path has store-${STAGE}.db in it", "write the whole path"},
		"sqlite:new/":               {"ends with a slash", "name a file in it"},
	} {
		t.Run(url, func(t *testing.T) {
			s, err := wirepost.OpenStore(t.Context(), url)
			if err == nil {
				s.Close()
				t.Error("it was opened")
			} else {
				wantSentence(t, err, parts...)
			}
			if made := list(t, dir); made != dir {
				t.Fatalf("there is %s", made)
			}
		})
	}
	_, err := sqlitestore.Open(t.Context(), "~/x.db", nil)
	wantSentence(t, err, "open store ~/x.db: the path begins with ~, ")
}

func TestNamesThatAreThereOrMeantAreTaken(t *testing.T) {
	dir := shortDir(t)
	t.Chdir(dir)
	for _, name := range []string{"~", "$stage"} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, url := range []string{"sqlite:./~/x.db", "sqlite:$stage/x.db", "sqlite:~x.db", "sqlite:a~/x.db", "sqlite:cost$.db", "sqlite:$"} {
		s, err := wirepost.OpenStore(t.Context(), url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		s.Close()
		if _, err := os.Stat(filepath.Join(dir, strings.TrimPrefix(url, "sqlite:"))); err != nil {
			t.Error(err)
		}
	}
}

func TestAPathThatIsTooLongForSQLiteIsExplained(t *testing.T) {
	dir := shortDir(t)
	long := dir
	for len(long)+1+100 < 400 {
		long = filepath.Join(long, strings.Repeat("d", 100))
	}
	if err := os.MkdirAll(long, 0o700); err != nil {
		t.Fatal(err)
	}
	fits := filepath.Join(long, strings.Repeat("x", 504-len(long)-1))
	open(t, fits, nil).Close()
	wantRefused(t, dir, fits+"x", "the path is too long: SQLite opens 504 bytes at most", "name another file")
	open(t, filepath.Join(dir, strings.Repeat("x", 247)), nil).Close()
	wantRefused(t, dir, filepath.Join(dir, strings.Repeat("x", 248)), "the path is too long", "247 in the last part", "name another file")
}

func TestWhatAUserMayNotUseIsNamed(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(dir, path string) error
		says    func(dir, path string) string
	}{
		{"an unreadable log", func(_, path string) error { return os.WriteFile(path+"-wal", nil, 0o000) },
			func(_, path string) string {
				return "this user may not read and write " + path + "-wal, which SQLite keeps next to the file; change the permissions"
			}},
		{"an unreadable memory", func(_, path string) error { return os.WriteFile(path+"-shm", nil, 0o000) },
			func(_, path string) string {
				return "this user may not read and write " + path + "-shm, which SQLite keeps next to the file; change the permissions"
			}},
		{"a read-only memory", func(_, path string) error { return os.WriteFile(path+"-shm", nil, 0o444) },
			func(_, path string) string {
				return path + "-shm, which SQLite keeps next to the file, is read-only for this user; change the permissions"
			}},
		{"a read-only directory", func(dir, _ string) error { return os.Chmod(dir, 0o555) },
			func(dir, _ string) string {
				return "the directory " + dir + ", in which SQLite keeps store.db-wal and -shm, is read-only for this user; change the permissions"
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := shortDir(t) // not t.TempDir, which is below directories that nobody may pass
			path := filepath.Join(dir, "store.db")
			open(t, path, nil).Close()
			for name, mode := range map[string]os.FileMode{path: 0o666, dir: 0o777} {
				if err := os.Chmod(name, mode); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.prepare(dir, path); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(dir, 0o700)
			out, err := child(t, "nobody", path).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
			if want := c.says(dir, path); !strings.Contains(string(out), want) {
				t.Errorf("it says %s, want %s", out, want)
			}
		})
	}
}
