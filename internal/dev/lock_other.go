//go:build !unix

package dev

// lockFolder does nothing where there is no flock: the port and the store still
// keep two runs apart.
func lockFolder(Folder) (note func(string), unlock func(), err error) {
	return func(string) {}, func() {}, nil
}
