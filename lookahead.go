package wirepost

import (
	"context"
	"iter"
	"sync"
)

// lookAheadRows is how many connections of an audience are read before it is their
// turn: enough for a page of any store to arrive meanwhile, and all that a publish
// keeps in memory of its audience.
const lookAheadRows = 1024

// lookAhead is a listing that is read ahead of its use, by one goroutine for another.
// A reader that is far enough ahead sleeps until half of that is used: it is woken
// once for hundreds of connections.
type lookAhead struct {
	mu       sync.Mutex
	rows     []listedOrError
	complete bool // all was read
	ended    bool // nothing is read any more

	some, room chan struct{} // wake the user and the reader
}

type listedOrError struct {
	Listed
	err error
}

func newLookAhead() *lookAhead {
	return &lookAhead{some: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// read reads a listing until it or the context ends.
func (a *lookAhead) read(ctx context.Context, listing iter.Seq2[Listed, error]) {
	complete := false
	defer func() { a.end(complete) }()
	for l, err := range listing {
		a.mu.Lock()
		a.rows = append(a.rows, listedOrError{l, err})
		n := len(a.rows)
		a.mu.Unlock()
		if n == 1 {
			wake(a.some)
		}
		for n >= lookAheadRows {
			select {
			case <-a.room:
			case <-ctx.Done():
				return
			}
			a.mu.Lock()
			n = len(a.rows)
			a.mu.Unlock()
		}
	}
	complete = ctx.Err() == nil
}

// end says that nothing is read any more.
func (a *lookAhead) end(complete bool) {
	a.mu.Lock()
	a.complete, a.ended = complete, true
	a.mu.Unlock()
	wake(a.some)
}

// next waits for the next row. It reports false at the end, and whether that is the
// end of the listing.
func (a *lookAhead) next() (l listedOrError, more, complete bool) {
	for {
		a.mu.Lock()
		if n := len(a.rows); n > 0 {
			l, a.rows = a.rows[0], a.rows[1:]
			a.mu.Unlock()
			if n == lookAheadRows/2 {
				wake(a.room)
			}
			return l, true, false
		}
		ended, complete := a.ended, a.complete
		a.mu.Unlock()
		if ended {
			return l, false, complete
		}
		<-a.some
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
