//go:build unix

package gateway

import (
	"net"
	"sync"
	"syscall"
)

// rawConn returns the way past net's blocking calls, or nil for a connection
// that has none: TLS, net.Pipe, and whatever a caller has wrapped, because a
// wrapper wants to see its reads and writes.
func rawConn(nc net.Conn) syscall.RawConn {
	switch nc := nc.(type) {
	case *net.TCPConn:
		if raw, err := nc.SyscallConn(); err == nil {
			return raw
		}
	case *net.UnixConn:
		if raw, err := nc.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// writeOperation is one non-blocking write. It is pooled, because the closure
// that RawConn.Write wants would be garbage of every send.
type writeOperation struct {
	data []byte
	n    int
	err  error
	run  func(fd uintptr) bool
}

var writeOperations = sync.Pool{New: func() any {
	o := new(writeOperation)
	o.run = func(fd uintptr) bool {
		o.n, o.err = retryWrite(int(fd), o.data)
		return true // never wait
	}
	return o
}}

func retryWrite(fd int, data []byte) (int, error) {
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

// writeNow writes what the socket takes at once.
func writeNow(raw syscall.RawConn, data []byte) (n int, err error) {
	o := writeOperations.Get().(*writeOperation)
	o.data, o.n, o.err = data, 0, nil
	err = raw.Write(o.run)
	if err == nil {
		err = o.err
	}
	n = o.n
	o.data = nil
	writeOperations.Put(o)
	return n, err
}

// readRaw feeds the connection until there is nothing more to read. It runs
// inside one call of RawConn.Read, which parks the goroutine whenever the
// callback reports false; a buffer is borrowed only while bytes are there.
//
// Nothing in the callback may close the connection: Close waits for it.
func (c *conn) readRaw() {
	_ = c.raw.Read(func(fd uintptr) bool {
		s := scratches.Get().(*scratch)
		defer scratches.Put(s)
		for {
			n, err := syscall.Read(int(fd), s.buffer[:])
			switch {
			case err == syscall.EINTR:
			case err == syscall.EAGAIN || err == syscall.EWOULDBLOCK:
				return false
			case err != nil || n <= 0:
				return true
			case !c.feed(s.buffer[:n], s):
				return true
			}
		}
	})
}
