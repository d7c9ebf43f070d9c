//go:build unix

package gateway

import (
	"io"
	"net"
	"syscall"
)

// peek waits for the first byte of a connection and leaves it there, so that a
// plain one stays the *net.TCPConn whose descriptor the gateway writes to.
func peek(nc net.Conn) (first byte, same net.Conn, err error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return readFirst(nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return readFirst(nc)
	}
	var b [1]byte
	var n int
	var readErr error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, _, readErr = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
			if readErr != syscall.EINTR {
				break
			}
		}
		return readErr != syscall.EAGAIN && readErr != syscall.EWOULDBLOCK
	})
	switch {
	case err != nil:
		return 0, nil, err
	case readErr != nil:
		return 0, nil, readErr
	case n == 0:
		return 0, nil, io.EOF
	}
	return b[0], nc, nil
}
