package sqlitestore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/sqlitestore"
)

func TestTheURLNamesAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct{ url, file, problem string }{
		{"sqlite:store.db", "store.db", ""},
		{"sqlite:.wirepost/store.db", ".wirepost/store.db", ""},
		{"sqlite:./with space & 100%#.db", "with space & 100%#.db", ""},
		{"sqlite://" + filepath.Join(t.TempDir(), "absolute.db"), "", ""},
		{"sqlite:", "", "write sqlite:PATH"},
		{"sqlite://store.db", "", "write sqlite:store.db"},
		{"sqlite:store.db?mode=ro", "", "takes no options; write sqlite:store.db"},
		{"sqlite::memory:", "", "mem:"},
	} {
		t.Run(c.url, func(t *testing.T) {
			s, err := wirepost.OpenStore(t.Context(), c.url)
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Fatalf("OpenStore: error = %v, want one with %q", err, c.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Put(t.Context(), connection("c1", "alice")); err != nil {
				t.Error(err)
			}
			if c.file != "" {
				if _, err := os.Stat(c.file); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestOnlyTheOwnerMayReadTheFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	s := open(t, filepath.Join(dir, "store.db"), nil)
	if err := s.Put(t.Context(), connection("c1", "alice")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"": 0o700, "store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := fi.Mode().Perm(); got != want {
			t.Errorf("mode of %q = %v, want %v", name, got, want)
		}
	}
}

func TestAFileThatCannotBeAStoreIsExplained(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, content string) {
		if err := os.WriteFile(at(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("text.db", strings.Repeat("this is not a database\n", 100))
	write("short.db", "x")
	run(t, at("foreign.db"), "CREATE TABLE notes (text)")
	run(t, at("marked.db"), "PRAGMA application_id = 7")
	for name, change := range map[string]string{
		"newer.db":   "PRAGMA user_version = 99",
		"strange.db": "PRAGMA user_version = 0",
	} {
		s, err := sqlitestore.Open(t.Context(), at(name), nil)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		run(t, at(name), change)
	}
	if err := os.Mkdir(at("directory.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, problem, cure string }{
		{"text.db", "it is not an SQLite file", "name another file"},
		{"short.db", "it is not an SQLite file", "name another file"},
		{"foreign.db", "of another application", "name another file"},
		{"marked.db", "of another application", "name another file"},
		{"newer.db", "file version 99", "update wirepost"},
		{"strange.db", "version 0 does not exist", "name another file"},
		{"directory.db", "it is a directory", "name a file in it"},
		{"missing/dir/store.db", "the directory " + at("missing") + " is missing", "create it"},
		{"text.db/store.db", "not a directory", "name another file"},
	} {
		t.Run(c.file, func(t *testing.T) {
			before, _ := os.ReadFile(at(c.file))
			s, err := sqlitestore.Open(t.Context(), at(c.file), nil)
			if err == nil {
				s.Close()
				t.Fatal("Open: no error")
			}
			wantSentence(t, err, "open store "+at(c.file)+": ", c.problem, c.cure)
			if after, _ := os.ReadFile(at(c.file)); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestADamagedFileIsExplained(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := sqlitestore.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		if err := s.Put(t.Context(), connection(fmt.Sprintf("c%d", n), "alice", "a", "b")); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); err == nil || len(b) < 20*4096 {
		t.Fatalf("the file has %d bytes, and its log is there: %v", len(b), err == nil)
	}
	for i := 4096; i < len(b); i++ { // everything but the page of the schema
		b[i] = 0x5a
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, nil)
	_, err = s.Connection(t.Context(), "c1")
	if err == nil {
		_, err = s.Connection(t.Context(), "c299")
	}
	wantSentence(t, err, path, "the file is damaged", "remove it")
}

func TestAWriteWaitsForALockedFileAsLongAsItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, nil)
	unlock := lock(t, path, "BEGIN IMMEDIATE")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := s.Put(ctx, connection("c1", "alice"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put: error = %v, want context.DeadlineExceeded", err)
	}
	wantSentence(t, err, "put connection c1: store "+path, "another program keeps the file locked", "deadline exceeded")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("Put took %v", took)
	}
	// Reads do not wait for a writer.
	if _, err := s.Connection(t.Context(), "c1"); !errors.Is(err, wirepost.ErrNotFound) {
		t.Errorf("Connection: error = %v, want ErrNotFound", err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Put(t.Context(), connection("c2", "alice")) }()
	unlock()
	if err := <-done; err != nil {
		t.Errorf("Put after the lock was released: %v", err)
	}
	// Nobody waited for the first one any more when its turn came.
	if _, err := s.Connection(t.Context(), "c1"); !errors.Is(err, wirepost.ErrNotFound) {
		t.Errorf("Connection of the put that was given up: error = %v, want ErrNotFound", err)
	}
}

func TestAFileThatStaysLockedIsExplained(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for five seconds")
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, nil)
	unlock := lock(t, path, "BEGIN IMMEDIATE")
	defer unlock()
	err := s.Put(t.Context(), connection("c1", "alice"))
	wantSentence(t, err, "put connection c1: store "+path, "another program has kept the file locked for 5s", "end that program")
}

func TestOpeningALockedFileEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	run(t, path, "PRAGMA user_version = 0") // an empty file, which Open has to write
	unlock := lock(t, path, "BEGIN EXCLUSIVE")
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s, err := sqlitestore.Open(ctx, path, nil)
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open: error = %v, want context.DeadlineExceeded", err)
	}
}

func TestACauseIsKept(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store.db"), nil)
	cause := errors.New("the function is about to end")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := s.Put(ctx, connection("c1", "")); !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
		t.Errorf("Put: error = %v, want the cause and context.Canceled", err)
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantSentence(t, s.Put(t.Context(), connection("c1", "")), path, "the store is closed", "put connection c1")
	_, err := s.Connection(t.Context(), "c1")
	wantSentence(t, err, path, "the store is closed", "find connection c1")
}

func TestCloseAnswersEverybodyAndEndsItsGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		s, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), nil)
		if err != nil {
			t.Fatal(err)
		}
		answers := make(chan error)
		for n := range 50 {
			go func() { answers <- s.Put(t.Context(), connection(fmt.Sprintf("c%d", n), "alice")) }()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for range 50 {
			if err := <-answers; err != nil && !strings.Contains(err.Error(), "the store is closed") {
				t.Error(err)
			}
		}
	}
	// Goroutines that have been told to end need a moment, but no sleep of ours.
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestAFailedOpenLeavesNothingBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "foreign.db")
	run(t, path, "CREATE TABLE notes (text)")
	before := runtime.NumGoroutine()
	for range 20 {
		if _, err := sqlitestore.Open(t.Context(), path, nil); err == nil {
			t.Fatal("Open: no error")
		}
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
}

func TestWhatAStoreWroteIsThereWhenItIsOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, nil)
	if err := s.Put(t.Context(), connection("c1", "alice", "a")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, path, nil)
	c, err := s.Connection(t.Context(), "c1")
	if err != nil || c.User != "alice" || len(c.Topics) != 1 {
		t.Errorf("Connection = %+v, %v", c, err)
	}
}

func TestTheLogOfAStreamThatIsOverLeavesTheFile(t *testing.T) {
	var now moved
	now.set(time.Now())
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, &sqlitestore.Options{Now: now.get})
	for _, topic := range []string{"$stream/short", "lobby", "$stream/long"} {
		keep := time.Hour
		if topic == "$stream/long" {
			keep = 3 * time.Hour
		}
		if _, err := s.Append(t.Context(), topic, []wirepost.LogEntry{{Data: []byte("{}"), ID: "1", Keep: keep}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	now.set(now.get().Add(2 * time.Hour))
	for range 2 { // a write is answered before its purge
		if err := s.Put(t.Context(), connection("c1", "alice", "a")); err != nil {
			t.Fatal(err)
		}
	}
	db := database(t, path)
	defer db.Close()
	var left string
	if err := db.QueryRow("SELECT group_concat(topic, ' ') FROM (SELECT topic FROM epochs ORDER BY topic)").Scan(&left); err != nil || left != "$stream/long lobby" {
		t.Errorf("the logs of %q are in the file, %v", left, err)
	}
}

func TestExpiredRowsLeaveTheFileAMinuteLater(t *testing.T) {
	start := time.Now()
	var now moved
	now.set(start)
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := sqlitestore.Open(t.Context(), path, &sqlitestore.Options{Now: now.get, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 700 {
		c := connection(fmt.Sprintf("old-%d", n), "alice", "a", "b")
		c.ExpiresAt = start.Add(30 * time.Second)
		if err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	put := func(id string) {
		t.Helper()
		if err := s.Put(t.Context(), connection(id, "bob", "b")); err != nil {
			t.Fatal(err)
		}
	}
	// A write is answered before its purge; the answer of the next one is behind it.
	left := func(rows, subscriptions int) {
		t.Helper()
		put("new")
		db := database(t, path)
		defer db.Close()
		var r, s int
		if err := db.QueryRow("SELECT (SELECT count(*) FROM connections), (SELECT count(*) FROM subscriptions)").Scan(&r, &s); err != nil {
			t.Fatal(err)
		}
		if r != rows || s != subscriptions {
			t.Errorf("%d rows and %d subscriptions are in the file, want %d and %d", r, s, rows, subscriptions)
		}
	}
	now.set(start.Add(59 * time.Second))
	left(701, 1401) // dead, but it is not time yet
	now.set(start.Add(time.Minute))
	put("new") // removes a part
	put("new") // and the rest
	left(1, 1)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// moved is a clock that a test sets while the store reads it.
type moved struct{ t atomic.Pointer[time.Time] }

func (m *moved) set(t time.Time) { m.t.Store(&t) }
func (m *moved) get() time.Time  { return *m.t.Load() }

func wantSentence(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	t.Log(err)
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error = %v, want one with %q", err, p)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error = %q, want one line", err)
	}
}

func database(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

func run(t *testing.T, path, statement string) {
	t.Helper()
	db := database(t, path)
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// lock is another program that holds the file until unlock is called.
func lock(t *testing.T, path, begin string) (unlock func()) {
	t.Helper()
	db := database(t, path)
	if _, err := db.Exec(begin); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := db.Exec("ROLLBACK"); err != nil {
			t.Error(err)
		}
		db.Close()
	}
}

func TestAStoreOfAnOlderVersionIsBroughtUpToDateWithItsRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	c := connection("c1", "alice", "lobby")
	for range 2 {
		s, err := sqlitestore.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Connection(t.Context(), "c1"); err == nil && (got.User != "alice" || got.Claims != "" || len(got.Topics) != 1) {
			t.Errorf("the row of the older version is %+v", got)
		}
		c.Claims = "claims"
		if err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Connection(t.Context(), "c1"); err != nil || got.Claims != "claims" {
			t.Errorf("the claims are %q, %v", got.Claims, err)
		}
		s.Close()
		run(t, path, "DROP TABLE members; DROP TABLE sessions; DROP TABLE sweeps; ALTER TABLE subscriptions DROP COLUMN mark; DROP TABLE epochs; DROP TABLE messages; ALTER TABLE connections DROP COLUMN claims; PRAGMA user_version = 1")
	}
}
