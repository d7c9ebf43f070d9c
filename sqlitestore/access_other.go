//go:build !unix

package sqlitestore

const (
	accessRead = 1 << iota
	accessWrite
	accessSearch
)

// Other systems have limits of their own.
const (
	longestPath = 1 << 15
	longestName = 255
)

// access cannot be asked here: what SQLite says has to do.
func access(string, uint32) error { return nil }
