package sqlitestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"
)

// sideFiles are what SQLite adds to the name of the file for its own files: the
// write-ahead log, the memory that processes share, and the journal of a file that is
// not yet in WAL mode (https://www.sqlite.org/tempfiles.html).
var sideFiles = []string{"-wal", "-shm", "-journal"}

// checkPath refuses what would make a file or a directory that nobody means.
func checkPath(path string) error {
	first, rest, more := strings.Cut(filepath.ToSlash(path), "/")
	switch {
	case first == "~" || strings.HasPrefix(first, "~") && more:
		write := "the whole path"
		if home, err := os.UserHomeDir(); err == nil && first == "~" && rest != "" {
			write = filepath.Join(home, rest)
		}
		return fmt.Errorf("the path begins with %s, which a shell expands only at the start of a word; write %s", first, write)
	case strings.HasSuffix(filepath.ToSlash(path), "/"):
		return errors.New("the path ends with a slash and so names a directory; name a file in it")
	}
	return nil
}

// unexpanded is a part of a path that would have to be made and that a shell should have
// expanded: ~, $NAME or ${NAME}. What is there is meant.
func unexpanded(abs string) string {
	for ; ; abs = filepath.Dir(abs) {
		if _, err := os.Lstat(abs); err == nil || abs == filepath.Dir(abs) {
			return ""
		}
		part := filepath.Base(abs)
		if part == "~" || strings.Contains(part, "${") || strings.HasPrefix(part, "$") && len(part) > 1 {
			return part
		}
	}
}

// creating is held while a new file is open here. The first close of a file in a
// process drops all locks that the process has on it
// (https://www.sqlite.org/howtocorrupt.html, §2.2), so nobody in this process may
// have it open in SQLite at that time; and the one that comes later finds it existing
// and does not open it here.
var creating sync.Mutex

// createFile makes an empty file, which SQLite takes for an empty database, and
// its directory. SQLite gives the mode of the file to the two that it adds.
func createFile(abs string) error {
	creating.Lock()
	defer creating.Unlock()
	fi, err := os.Stat(abs)
	switch {
	case err == nil && fi.IsDir():
		return errors.New("it is a directory; name a file in it")
	case err == nil && !fi.Mode().IsRegular():
		return fmt.Errorf("it is not a regular file but %s; name another one", kind(abs, fi.Mode()))
	case err == nil && fi.Size() > 0 && fi.Size() < smallestFile:
		return errors.New("it is not an SQLite file; name another file, or remove this one")
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s is a file and not a directory; name another file: %w", fileAbove(abs), syscall.ENOTDIR)
	case errors.Is(err, syscall.ELOOP):
		return fmt.Errorf("a link on the way leads to itself; remove it, or name another file: %w", syscall.ELOOP)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return tooLong(abs)
	case !errors.Is(err, fs.ErrNotExist):
		return cannot("look at the file", err)
	}
	if target, err := os.Readlink(abs); err == nil {
		return fmt.Errorf("it is a link to %s, which is missing; remove the link, or name the file itself", target)
	}
	if part := unexpanded(abs); part != "" {
		return fmt.Errorf("the path has %s in it, which nothing has expanded; write the whole path", part)
	}
	if err := createDirectory(filepath.Dir(abs)); err != nil {
		return err
	}
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was faster
	}
	if err != nil {
		return cannot("create the file", err)
	}
	return f.Close()
}

// createDirectory makes a directory if it is missing, and none above it.
func createDirectory(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			target, _ := os.Readlink(dir)
			return fmt.Errorf("the directory %s is a link to %s, which is missing; create that, or name another file: %w", dir, target, fs.ErrNotExist)
		}
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the directory %s is missing; create it, or name another file: %w", filepath.Dir(dir), fs.ErrNotExist)
	}
	return cannot("create the directory "+dir, err)
}

// fileAbove is what stands in the place of a directory of a path.
func fileAbove(path string) string {
	for dir := filepath.Dir(path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if fi, err := os.Stat(dir); err == nil && !fi.IsDir() {
			return dir
		}
	}
	return path
}

func tooLong(abs string) error {
	added := len("-journal")
	return fmt.Errorf("the path is too long: SQLite opens %d bytes at most, %d in the last part, and this has %d and %d; name another file: %w",
		longestPath-added, longestName-added, len(abs), len(filepath.Base(abs)), syscall.ENAMETOOLONG)
}

// checkSideFiles looks whether something else is in the place of the files that SQLite
// keeps next to a file. It opens none of them: a close would drop the locks of this
// process.
func checkSideFiles(abs string) error {
	if fi, err := os.Stat(abs); err == nil && fi.Mode().IsRegular() {
		// SQLite keeps them where a link leads.
		if real, err := filepath.EvalSymlinks(abs); err == nil {
			abs = real
		}
	}
	if journal := abs + "-journal"; len(journal) > longestPath || len(filepath.Base(journal)) > longestName {
		return tooLong(abs)
	}
	for _, suffix := range sideFiles {
		if fi, err := os.Lstat(abs + suffix); err == nil && !fi.Mode().IsRegular() {
			return fmt.Errorf("%s is %s, and SQLite keeps a file of its own there; remove it, or name another file", abs+suffix, kind(abs+suffix, fi.Mode()))
		}
	}
	return nil
}

// kind is what something is that is not a regular file.
func kind(path string, mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeSymlink != 0:
		if target, err := os.Readlink(path); err == nil {
			return "a link to " + target
		}
		return "a link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// reason is what the file, those next to it and their directory have to do with an error
// of SQLite, whose own words are the same for many causes; empty if they are as they
// should be, or the error is about something else.
func (s *Store) reason(code int) string {
	switch code & 0xff {
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_IOERR:
	default:
		return ""
	}
	abs, err := filepath.Abs(s.path)
	if err != nil {
		return ""
	}
	if err := checkSideFiles(abs); err != nil {
		return err.Error()
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	if why := denied("the file", abs, accessRead|accessWrite); why != "" {
		return why
	}
	for _, suffix := range sideFiles {
		if why := denied(abs+suffix+", which SQLite keeps next to the file,", abs+suffix, accessRead|accessWrite); why != "" {
			return why
		}
	}
	if why := denied("the directory "+filepath.Dir(abs)+", in which SQLite keeps "+filepath.Base(abs)+"-wal and -shm,", filepath.Dir(abs), accessWrite|accessSearch); why != "" {
		return why
	}
	switch code {
	case sqlite3.SQLITE_READONLY_DBMOVED:
		return "the file was moved or removed while it was open; start this program again"
	case sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMMAP, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMLOCK:
		return "its file system lets programs share no memory (in " + abs + "-shm), like those of networks and some mounts of containers; put the file on a local disk"
	}
	return ""
}

// denied says what keeps this user from using something that is there.
func denied(what, path string, how uint32) string {
	switch err := access(path, how); {
	case errors.Is(err, syscall.EROFS):
		return what + " is on a read-only file system; name a file on another one"
	case !errors.Is(err, fs.ErrPermission):
		return ""
	case access(path, how&^accessWrite) == nil:
		return what + " is read-only for this user; change the permissions, or name another file"
	}
	return "this user may not read and write " + strings.TrimSuffix(what, ",") + "; change the permissions, or name another file"
}

// cannot leaves out of an error of package os the path, which is named already.
func cannot(what string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("this user may not %s; change the permissions, or name another file: %w", what, err)
	}
	return fmt.Errorf("cannot %s; name another file: %w", what, err)
}
