//go:build unix

package sqlitestore

import "syscall"

// The bits of access(2).
const (
	accessRead   = 4
	accessWrite  = 2
	accessSearch = 1
)

// The longest absolute path that SQLite opens (MAX_PATHNAME in os_unix.c) and the longest
// name that file systems take, in bytes.
const (
	longestPath = 512
	longestName = 255
)

// access asks the system what this user may do with something that exists. To open it
// instead, and to close it, would drop the locks that this process has on it.
func access(path string, how uint32) error { return syscall.Access(path, how) }
