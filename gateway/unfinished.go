package gateway

import (
	"fmt"
	"strings"
)

// Unfinished counts what keeps a Server from ending.
type Unfinished struct {
	Connections int // that have not closed
	Requests    int // handshakes, management calls and requests for the page that are not answered
	Invocations int // that have not returned, and those of $disconnect that have not begun
}

// String is such as "1 connection, 2 requests and 3 invocations", or "nothing".
func (u Unfinished) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{u.Connections, "connection"}, {u.Requests, "request"}, {u.Invocations, "invocation"}} {
		switch part.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+part.what)
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", part.n, part.what))
		}
	}
	switch last := len(parts) - 1; last {
	case -1:
		return "nothing"
	case 0:
		return parts[0]
	default:
		return strings.Join(parts[:last], ", ") + " and " + parts[last]
	}
}

// UnfinishedError is Shutdown's error when its context ended first. It wraps the
// context's error.
type UnfinishedError struct {
	Unfinished // what was still open then, and has been ended
	err        error
}

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("shut the gateway down: %v had not ended: %v", e.Unfinished, e.err)
}

func (e *UnfinishedError) Unwrap() error { return e.err }

// Unfinished is what Shutdown has to wait for, or waits for.
func (s *Server) Unfinished() Unfinished {
	e, err := s.ready()
	if err != nil {
		return Unfinished{}
	}
	return e.unfinished()
}

func (e *engine) unfinished() Unfinished {
	u := Unfinished{Requests: int(e.requestsOpen.Load()), Invocations: len(e.slots) + int(e.disconnectsWaiting.Load())}
	e.table.each(func(*conn) { u.Connections++ })
	return u
}
