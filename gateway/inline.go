package gateway

import (
	"sync"
	"time"
)

// inlineLimit is how long a function may run in the goroutine that reads its
// connection before the reading is given to another.
const inlineLimit = time.Millisecond

// inline watches invocations that run where their connection is read. Starting a
// goroutine for each would wake a second thread each time, which costs more than
// most functions of a test take. But messages of a connection must not wait for
// each other (AWS docs: responses are not in order), so one that takes longer
// than inlineLimit loses the reading to a new goroutine.
//
// One timer serves all: one for each invocation would wake the poller instead.
type inline struct {
	mu      sync.Mutex
	running []*inlineRun
	timer   *time.Timer
	armed   bool
}

// inlineRun is one invocation that runs inline.
type inlineRun struct {
	conn  *conn
	since time.Time
	index int // in running; -1 when it is not there
}

// run invokes, and reports whether the caller is still the one to read.
func (i *inline) run(c *conn, invoke func()) bool {
	r := &inlineRun{conn: c, since: time.Now()}
	i.mu.Lock()
	r.index = len(i.running)
	i.running = append(i.running, r)
	if !i.armed {
		i.armed = true
		if i.timer == nil {
			i.timer = time.AfterFunc(inlineLimit, i.tick)
		} else {
			i.timer.Reset(inlineLimit)
		}
	}
	i.mu.Unlock()

	invoke()

	i.mu.Lock()
	defer i.mu.Unlock()
	if r.index < 0 {
		return false
	}
	i.remove(r)
	return true
}

// remove takes r out of running. The caller holds mu.
func (i *inline) remove(r *inlineRun) {
	last := i.running[len(i.running)-1]
	i.running[r.index], last.index = last, r.index
	i.running[len(i.running)-1] = nil
	i.running = i.running[:len(i.running)-1]
	r.index = -1
}

// tick gives away the reading of connections whose functions take long.
func (i *inline) tick() {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	for n := len(i.running) - 1; n >= 0; n-- {
		if r := i.running[n]; now.Sub(r.since) >= inlineLimit {
			i.remove(r)
			go r.conn.read() // ends with the connection, as run would have
		}
	}
	if i.armed = len(i.running) > 0; i.armed {
		i.timer.Reset(inlineLimit)
	}
}
