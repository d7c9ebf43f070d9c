//go:build !unix

package gateway

import (
	"net"
	"syscall"
)

// rawConn returns nil: here every connection uses net's own calls, a small
// read buffer of its own, and the queue for each write.
func rawConn(net.Conn) syscall.RawConn { return nil }

func writeNow(syscall.RawConn, []byte) (int, error) { return 0, nil }

func (c *conn) readRaw() { c.readPlain() }
