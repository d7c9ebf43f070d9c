//go:build unix

package gateway

import (
	"net"
	"syscall"
)

// rawConn returns the way past net's blocking calls, and the descriptor; or
// nil and -1 for a connection that has none: TLS, net.Pipe, and whatever a
// caller has wrapped, because a wrapper wants to see its reads and writes.
//
// The descriptor is valid until nc is closed, which only conn.finish does.
func rawConn(nc net.Conn) (raw syscall.RawConn, fd int32) {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil, -1
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, -1
	}
	if err := raw.Control(func(descriptor uintptr) { fd = int32(descriptor) }); err != nil {
		return nil, -1
	}
	return raw, fd
}

// writeNow writes what the socket takes at once. It goes around RawConn.Write,
// whose locks and poll descriptor are cold memory for each of many connections.
func writeNow(fd int, data []byte) (int, error) {
	for {
		n, err := syscall.Write(fd, data)
		if err == syscall.EINTR {
			continue
		}
		if err == syscall.EAGAIN || err == syscall.EWOULDBLOCK {
			return 0, nil
		}
		return max(n, 0), err
	}
}

// readRaw feeds the connection until there is nothing more to read, and reports
// false, or until an invocation is due and nothing else has arrived. It runs
// inside one call of RawConn.Read, which parks the goroutine whenever the
// callback reports false; a buffer is borrowed only while bytes are there.
//
// Nothing in the callback may close the connection: Close waits for it.
func (c *conn) readRaw() (more bool) {
	err := c.raw.Read(func(fd uintptr) bool {
		s := scratches.Get().(*scratch)
		defer scratches.Put(s)
		for {
			n, err := syscall.Read(int(fd), s.buffer[:])
			switch {
			case err == syscall.EINTR:
			case err == syscall.EAGAIN || err == syscall.EWOULDBLOCK:
				more = c.next != nil
				return more
			case err != nil || n <= 0:
				return true
			case !c.feed(s.buffer[:n], s):
				return true
			case n < len(s.buffer):
				// That was all, as another read would say too (epoll(7), on reads of
				// streams): what comes from here on wakes the goroutine.
				more = c.next != nil
				return more
			}
		}
	})
	return more && err == nil
}
