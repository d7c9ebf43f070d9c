//go:build unix

package lambdart

import (
	"net"
	"syscall"
)

// writeNow writes what a socket takes at once, and returns how much that is. Any error
// comes again.
func writeNow(nc net.Conn, b []byte) (n int) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Write(func(fd uintptr) bool {
		for {
			written, err := syscall.Write(int(fd), b)
			if err != syscall.EINTR {
				n = max(written, 0)
				return true
			}
		}
	})
	return n
}
