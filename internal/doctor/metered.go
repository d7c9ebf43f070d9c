package doctor

import (
	"errors"
	"net"
)

// What a server may send to the doctor's own client: the header of its answer with the
// certificates before it, and then each message. API Gateway's have 128 KiB at most.
const (
	maxHandshake = 256 << 10
	maxMessage   = 1 << 20
)

var errTooMuch = errors.New("the server sends more than API Gateway ever does")

// meteredConn is a connection that has an end after some bytes: the WebSocket library
// keeps a header line, and a message, of any length.
type meteredConn struct {
	net.Conn
	left int
}

func (c *meteredConn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}
