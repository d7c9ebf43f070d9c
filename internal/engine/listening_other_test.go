//go:build !linux

package engine

import "testing"

type listeningAddress struct {
	host string
	port int
}

func listeningAt(t *testing.T, _ int) []listeningAddress {
	t.Helper()
	t.Skip("skipped: only Linux has /proc")
	return nil
}
