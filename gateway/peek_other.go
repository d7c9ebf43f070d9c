//go:build !unix

package gateway

import "net"

func peek(nc net.Conn) (first byte, same net.Conn, err error) { return readFirst(nc) }
