//go:build unix

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// ports remembers which ones tests of this process may use again after they were
// closed.
var ports struct {
	sync.Mutex
	next int
}

// reservePort is a port of 127.0.0.1 that no other test takes between two uses: it is
// below the range from which the system gives out free ports (Linux: 32768), and its
// neighbour stays free for a control address.
func reservePort() (int, error) {
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		if ports.next == 0 || ports.next > 32000 {
			ports.next = 20000 + 2*rand.IntN(6000) // another process may do the same
		}
		port := ports.next
		ports.next += 2
		if isFree(port) && isFree(port+1) {
			return port, nil
		}
	}
	return 0, errors.New("there is no port to reserve")
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}
