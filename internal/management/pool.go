package management

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// idleAfter is how long a connection may have lain idle by the wall clock and
// still be trusted. A Lambda is frozen between invocations: its timers stand
// still while the other side closes what it holds.
const idleAfter = 5 * time.Second

// pool is the transport of a client that was given none and cannot be lean: as many
// connections as posts in flight, over HTTP/1.1 or HTTP/2.
func (c *Client) pool(connections int) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTime, KeepAlive: keepAlive}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err == nil {
				c.connected.Store(true)
				if c.opened != nil {
					c.opened.Add(1)
				}
			}
			return conn, err
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(connections)},
		TLSHandshakeTimeout:    handshakeTime,
		MaxIdleConns:           0,
		MaxIdleConnsPerHost:    connections,
		MaxConnsPerHost:        connections,
		IdleConnTimeout:        55 * time.Second,
		ResponseHeaderTimeout:  answerTime,
		MaxResponseHeaderBytes: maxHead,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		ReadBufferSize:         2 << 10,
		WriteBufferSize:        2 << 10,
	}
}

// thaw closes idle connections that the wall clock says are too old to trust. Of
// many posts that begin at once after a freeze, none passes before that is done.
func (c *Client) thaw(now time.Time) {
	wall := now.Round(0).UnixNano() // the monotonic clock stands still in a frozen process
	if last := c.lastUse.Load(); last != 0 && wall-last <= int64(idleAfter) {
		c.lastUse.Store(wall)
		return
	}
	c.thawing.Lock()
	defer c.thawing.Unlock()
	if last := c.lastUse.Load(); last != 0 && wall-last > int64(idleAfter) {
		c.Close()
	}
	c.lastUse.Store(wall)
}

// Close closes the idle connections of the pool. The client can be used afterwards.
func (c *Client) Close() {
	if c.lean != nil {
		c.lean.conns.close()
		return
	}
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}
