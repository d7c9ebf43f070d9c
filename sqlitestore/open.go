// Package sqlitestore keeps a [wirepost.Store] in one SQLite file, for programs
// on one machine. It hides the schema, its migrations, and the one writer that
// puts many writes into one transaction.
//
// Importing it links the scheme "sqlite" into [wirepost.OpenStore]:
//
//	import _ "github.com/wirepost/wirepost/sqlitestore"
//
//	store, err := wirepost.OpenStore(ctx, "sqlite:.wirepost/store.db")
//
// Several processes may have the file open. It must be on a local disk: the
// write-ahead log that they share does not work over a network.
package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

func init() {
	wirepost.RegisterStore("sqlite", func(ctx context.Context, rawURL string) (wirepost.Store, error) {
		path, err := pathFromURL(rawURL)
		if err != nil {
			return nil, err
		}
		s, err := Open(ctx, path, nil)
		if err != nil {
			return nil, err // not a nil *Store in an interface
		}
		return s, nil
	})
}

const (
	// busyTimeout is how long a write waits while another process writes.
	busyTimeout = 5 * time.Second
	// readers is how many reads run at once; more wait their turn.
	readers = 4
	// smallestFile is the size in bytes of the smallest file of one page. SQLite
	// takes what is shorter for empty, and would overwrite it.
	smallestFile = 512
)

// Options are optional.
type Options struct {
	// Now is the store's clock, which decides what has expired. Default time.Now.
	Now func() time.Time
	// Logger gets what no caller can be told: that expired rows could not be
	// removed. Default: discarded.
	Logger *slog.Logger
}

// Store is a [wirepost.Store] in an SQLite file.
//
// A write that has returned without an error survives the end of the process.
// It survives a power failure as well, except for those of the last moments:
// the file is then as it was some moments before, and whole.
//
// Rows that expired are removed from the file while others are written.
type Store struct {
	path   string
	now    func() time.Time
	logger *slog.Logger

	db      *sql.DB // the readers
	reads   reads
	writer  *writer
	ops     chan *op
	locking atomic.Bool // the writer waits for its turn at the file

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
	writing   sync.WaitGroup
}

var _ wirepost.Store = (*Store)(nil)

// Open opens the store in a file, and makes the file if it is not there. A
// directory that is made for it is readable by its owner only, and so is the
// file: it holds user names. Only the last directory of the path is made, and none that
// is named ~ or after a variable: nothing expands those here.
//
// SQLite keeps files of its own next to it, with -wal, -shm or -journal at the end of
// the name. An error names the one of these files, the link or the directory that is
// not as it should be.
//
// The context bounds the opening, not the store's life. The caller must call
// Close.
func Open(ctx context.Context, path string, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Store{
		path:    path,
		now:     o.Now,
		logger:  o.Logger,
		ops:     make(chan *op),
		closing: make(chan struct{}),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	switch s.path {
	case "":
		return errors.New("the path is empty; give a file name")
	case ":memory:":
		return errors.New("a file is needed; for a store in memory use wirepost.NewMemStore or mem: as the URL")
	}
	if err := checkPath(s.path); err != nil {
		return err
	}
	abs, err := filepath.Abs(s.path)
	if err != nil {
		return err
	}
	if err := checkSideFiles(abs); err != nil {
		return err
	}
	if err := createFile(abs); err != nil {
		return err
	}
	w, err := openWriter(ctx, s, dsn(abs))
	if err != nil {
		return s.explain(ctx, err)
	}
	s.db, err = sql.Open("sqlite", dsn(abs)+"&_query_only=1")
	if err == nil {
		s.db.SetMaxOpenConns(readers)
		s.db.SetMaxIdleConns(readers)
		err = s.reads.prepare(ctx, s.db)
	}
	if err != nil {
		w.close()
		if s.db != nil {
			s.reads.close()
			s.db.Close()
		}
		return s.explain(ctx, err)
	}
	s.writer = w
	s.writing.Go(func() { w.run(s.ops, s.closing) }) // ends when Close closes s.closing
	return nil
}

// made panics if the store is not one of Open's: it has nothing to ask.
func (s *Store) made() {
	if s == nil || s.db == nil {
		panic("sqlitestore: this Store was not made by Open")
	}
}

// Close waits for the writes that have begun, and closes the file. Every call
// after it fails.
func (s *Store) Close() error {
	if s == nil || s.db == nil {
		return nil
	}
	s.closeOnce.Do(func() {
		close(s.closing)
		s.writing.Wait()
		// The last to close the file puts the write-ahead log into it, and a reader
		// may not do that.
		s.reads.close()
		if err := cmp.Or(s.db.Close(), s.writer.close()); err != nil {
			s.closeErr = fmt.Errorf("close store %s: %w", s.path, err)
		}
	})
	return s.closeErr
}

// pathFromURL is what follows "sqlite:". It is taken as it is, so that a path
// needs no escaping.
func pathFromURL(raw string) (string, error) {
	path, ok := strings.CutPrefix(raw, "sqlite:")
	switch {
	case !ok || path == "":
		return "", fmt.Errorf("open store %q: no file is named; write sqlite:PATH", raw)
	}
	if err := checkPath(strings.TrimPrefix(path, "//")); err != nil {
		return "", fmt.Errorf("open store %q: %w", raw, err)
	}
	switch {
	case strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///"):
		return "", fmt.Errorf("open store %q: a path has no host; write sqlite:%s", raw, path[2:])
	case strings.Contains(path, "?"):
		return "", fmt.Errorf("open store %q: the URL takes no options; write sqlite:%s", raw, path[:strings.Index(path, "?")])
	}
	clean := filepath.Clean(path)
	if strings.HasPrefix(clean, "~") { // it was ./~, which is meant
		clean = "." + string(filepath.Separator) + clean
	}
	return clean, nil
}

// dsn names the file to the driver in such a way that no character of the path
// is an option. The file must exist: only createFile makes one. Of the options
// none reads the file: the driver applies them without heed to the context.
func dsn(abs string) string {
	path := filepath.ToSlash(abs)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/store.db
	}
	u := url.URL{Scheme: "file", Path: path}
	return fmt.Sprintf("%s?mode=rw&_txlock=immediate&_busy_timeout=%d", u.String(), busyTimeout.Milliseconds())
}

// useWAL lets readers read while somebody writes. The mode is kept in the file.
func useWAL(ctx context.Context, c *sql.Conn) error {
	// The change needs the file for itself, and SQLite does not wait for that.
	for deadline := time.Now().Add(busyTimeout); ; {
		var mode string
		err := c.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		if err == nil && mode != "wal" {
			return fmt.Errorf("its file system has no write-ahead log (the journal mode stays %q); put the file on a local disk", mode)
		}
		if code(err)&0xff != sqlite3.SQLITE_BUSY || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}

// explain adds to an error of SQLite what has happened and what to do.
func (s *Store) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return s.ended(ctx)
	}
	say := func(what string) error { return fmt.Errorf("%s: %w", what, err) }
	if code(err) == sqlite3.SQLITE_IOERR_SHMSIZE { // what SQLite says where a full disk has no room for its index
		return say("the disk is full; free some space")
	}
	if sentence := s.reason(code(err)); sentence != "" {
		return say(sentence)
	}
	switch code(err) & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return say(fmt.Sprintf("another program has kept the file locked for %v; end that program, or try again", busyTimeout))
	case sqlite3.SQLITE_NOTADB:
		return say("it is not an SQLite file; name another file, or remove this one")
	case sqlite3.SQLITE_CORRUPT:
		return say("the file is damaged; remove it (it fills again as clients connect), or restore a copy")
	case sqlite3.SQLITE_READONLY:
		return say("the file or its directory is read-only for this user; change the permissions, or name another file")
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return say("this user may not read and write the file, or not its directory; change the permissions, or name another file")
	case sqlite3.SQLITE_FULL:
		return say("the disk is full; free some space")
	case sqlite3.SQLITE_IOERR:
		return say("the disk or file system reports an error; check it, or name another file")
	}
	return err
}

// ended is the error of a call whose context has ended.
func (s *Store) ended(ctx context.Context) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); !errors.Is(cause, err) && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	if s.locking.Load() {
		return fmt.Errorf("another program keeps the file locked: %w", err)
	}
	return err
}
