package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// How long a command may take to end when Ctrl-C comes: one that has nothing open, and
// one that has started processes, which have to be ended.
const (
	interruptTime = 500 * time.Millisecond
	processesTime = shutdownTime + 2*time.Second
)

// progress is what an interrupt has to know of a command: nobody can interrupt the
// reading of a file that does not answer, such as a pipe that nobody writes into or a
// file of a server that is gone.
type progress struct {
	doing atomic.Pointer[string] // what may hang; nil: nothing
	grace atomic.Int64           // a time.Duration; zero: interruptTime
	ready chan struct{}          // closed when it ends by itself, in its own time
	once  sync.Once
}

// step names what begins and might hang, such as "reading FILE".
func (p *progress) step(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	p.doing.Store(&s)
}

// holds says that processes have to be ended.
func (p *progress) holds() { p.grace.Store(int64(processesTime)) }

// runs says that the start is over: what is to be ended is, with its own limits.
func (p *progress) runs() { p.once.Do(func() { close(p.ready) }) }

// interruptible runs a command until it ends, or hangs when ctx has ended. Then it
// returns status and leaves the command behind: the process is to end.
func (c *command) interruptible(ctx context.Context, do func() int, status func() int) int {
	ended := make(chan int, 1)
	go func() { ended <- do() }() // left behind if it hangs
	select {
	case s := <-ended:
		return s
	case <-c.ready:
		return <-ended
	case <-ctx.Done():
	}
	for waited := time.Duration(0); ; {
		grace := max(time.Duration(c.grace.Load()), interruptTime) - waited
		if grace <= 0 {
			return status()
		}
		t := time.NewTimer(grace)
		select {
		case s := <-ended:
			t.Stop()
			return s
		case <-c.ready:
			t.Stop()
			return <-ended
		case <-t.C:
			waited += grace // it may have started processes meanwhile
		}
	}
}

// hung is what is said of a command that is left behind.
func (c *command) hung() string {
	if doing := c.doing.Load(); doing != nil {
		return "interrupted while " + *doing + ", which did not end"
	}
	return "interrupted"
}

// notStarted is failWith for what dev could not start with. That Ctrl-C came first is
// no failure.
func (c *command) notStarted(ctx context.Context, err error) int {
	if ctx.Err() != nil {
		fmt.Fprintln(c.stderr, "wirepost: hint: interrupted before it had started")
		return exitDone
	}
	return c.failWith(err)
}
