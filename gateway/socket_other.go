//go:build !unix

package gateway

import (
	"net"
	"syscall"
)

// rawConn returns nil and -1: here every connection uses net's own calls, a small
// read buffer of its own, and the queue for each write.
func rawConn(net.Conn) (syscall.RawConn, int32) { return nil, -1 }

func writeNow(int, []byte) (int, error) { return 0, nil }

func (c *conn) readRaw() (more bool) { return c.readPlain() }
