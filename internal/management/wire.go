package management

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// wire is a connection below TLS. It counts what leaves, so that it is certain whether
// anything of a request did, and can be looked at without waiting.
type wire struct {
	net.Conn
	left atomic.Int64 // bytes that the system took

	raw     syscall.RawConn // nil: a connection in memory
	looking bool            // reads do not wait
	read    func(fd uintptr) bool
	now     struct { // of a read that does not wait
		p       []byte
		n       int
		nothing bool
		err     error
	}

	secure bool
	record records
}

func newWire(c net.Conn) *wire {
	w := &wire{Conn: c}
	if sc, ok := c.(syscall.Conn); ok {
		w.raw, _ = sc.SyscallConn()
	}
	w.read = func(fd uintptr) bool {
		w.now.n, w.now.nothing, w.now.err = readNow(fd, w.now.p)
		return true
	}
	return w
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.left.Add(int64(n))
	return n, err
}

func (w *wire) Read(p []byte) (n int, err error) {
	if w.looking {
		n, err = w.readNow(p)
	} else {
		n, err = w.Conn.Read(p)
	}
	if w.secure {
		w.record.pass(p[:n])
	}
	return n, err
}

// errNothing is what a look finds on a connection that is as it was left. crypto/tls
// goes on after an error that is temporary.
var errNothing error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "nothing has come" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

func (w *wire) readNow(p []byte) (int, error) {
	if w.raw == nil { // which has no descriptor to ask
		w.SetReadDeadline(time.Now().Add(time.Microsecond))
		defer w.SetReadDeadline(time.Time{})
		n, err := w.Conn.Read(p)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errNothing
		}
		return n, err
	}
	w.now.p = p
	err := w.raw.Read(w.read)
	w.now.p = nil
	switch {
	case err != nil:
		return 0, err
	case w.now.nothing:
		return 0, errNothing
	case w.now.err != nil:
		return 0, w.now.err
	case w.now.n == 0:
		return 0, io.EOF
	}
	return w.now.n, nil
}

// records follows the records of TLS in what is read: crypto/tls does not say that it
// keeps a part of one.
type records struct {
	header [5]byte
	have   int // bytes of the header
	body   int // bytes of the record to come
}

func (r *records) pass(p []byte) {
	for len(p) > 0 {
		if r.body > 0 {
			n := min(r.body, len(p))
			r.body -= n
			p = p[n:]
			continue
		}
		n := copy(r.header[r.have:], p)
		p = p[n:]
		if r.have += n; r.have == len(r.header) {
			r.have, r.body = 0, int(r.header[3])<<8|int(r.header[4])
		}
	}
}

// within reports whether a record has begun and not ended.
func (r *records) within() bool { return r.have > 0 || r.body > 0 }
