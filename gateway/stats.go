package gateway

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Stats is what a Server has done and holds, for programs that export it. Counts are
// since the Server began and never fall.
type Stats struct {
	Connections int // that can be posted to
	// What waits for clients that do not read, and how many those are.
	QueuedBytes, QueuedConnections int

	MessagesIn, BytesIn   int64 // messages from clients
	MessagesOut, BytesOut int64 // posts, answers and error frames that a connection took
	// Unrouted are messages that no route was for; they are in MessagesIn.
	Unrouted int64

	// Routes has a row for each configured route key, in order.
	Routes []RouteStats
	// Calls counts management calls by kind and status, in order. Status 0 is one
	// that was not answered, which only a fault makes.
	Calls []CallStats
	// What was refused because there was too much of it: handshakes, messages and
	// management calls over the rates, and posts to a full queue.
	ThrottledConnects, ThrottledMessages, ThrottledCalls, QueueFull int64
}

// RouteStats is one route key's part of Stats.
type RouteStats struct {
	Key      string
	Messages int64 // messages that selected it
	Failed   int64 // invocations that ended with an error
	// Invocations counts by duration: Buckets[i] are those that took at most
	// InvocationBounds[i], not counting those of the buckets before.
	Invocations int64
	Sum         time.Duration
	Buckets     []int64
}

// CallStats counts the management calls of one kind with one status.
type CallStats struct {
	Kind   CallKind
	Status int
	Count  int64
}

// InvocationBounds are the upper bounds of RouteStats.Buckets. What takes longer than
// the last is in none of them.
func InvocationBounds() []time.Duration { return slices.Clone(invocationBounds[:]) }

var invocationBounds = [...]time.Duration{
	time.Millisecond / 2, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond,
	5 * time.Second, 10 * time.Second, 29 * time.Second,
}

// OpenConnection is a connection as Server.Connections lists it.
type OpenConnection struct {
	ID                        string
	SourceIP, UserAgent       string
	ConnectedAt, LastActiveAt time.Time
	QueuedBytes               int // that wait because the client does not read
	MessagesIn, BytesIn       int64
	MessagesOut, BytesOut     int64
}

// counters are of an engine. A message costs two or three additions: what leaves is
// counted by its connection, under the lock that a send holds anyway.
type counters struct {
	unrouted                                       atomic.Int64
	connectsThrottled, messagesThrottled           atomic.Int64
	callsThrottled, queueFull                      atomic.Int64
	calls                                          [3][600]atomic.Int64 // by callKinds and status
	mu                                             sync.Mutex           // held while adding up
	endedIn, endedInBytes, endedOut, endedOutBytes int64                // of connections that are over
}

var callKinds = [...]CallKind{CallPost, CallGet, CallDelete}

func (n *counters) call(kind CallKind, status int) {
	if i := slices.Index(callKinds[:], kind); i >= 0 && status < len(n.calls[i]) {
		n.calls[i][status].Add(1)
	}
}

// routeCounters are of a route.
type routeCounters struct {
	messages, failed, invocations, sum atomic.Int64
	buckets                            [len(invocationBounds)]atomic.Int64
}

func (n *routeCounters) invoked(took time.Duration, err error) {
	if n == nil {
		return // the authorizer
	}
	n.invocations.Add(1)
	n.sum.Add(int64(took))
	if err != nil {
		n.failed.Add(1)
	}
	if i, _ := slices.BinarySearch(invocationBounds[:], took); i < len(n.buckets) {
		n.buckets[i].Add(1)
	}
}

// retireCounts takes the counts of a connection that nothing is sent to any more.
// The caller does not hold c.mu.
func (e *engine) retireCounts(c *conn) {
	n := &e.counters
	n.mu.Lock()
	defer n.mu.Unlock()
	c.mu.Lock()
	n.endedOut += c.sent
	n.endedOutBytes += c.sentBytes
	c.sent, c.sentBytes = 0, 0
	c.mu.Unlock()
	n.endedIn += c.received.Swap(0)
	n.endedInBytes += c.receivedBytes.Swap(0)
}

// Stats adds up what the Server has done. It visits every connection: ask a few times
// a second at most.
func (s *Server) Stats() Stats {
	e, err := s.ready()
	if err != nil {
		return Stats{}
	}
	n := &e.counters
	t := Stats{
		Connections:       int(e.table.open.Load()),
		Unrouted:          n.unrouted.Load(),
		ThrottledConnects: n.connectsThrottled.Load(), ThrottledMessages: n.messagesThrottled.Load(),
		ThrottledCalls: n.callsThrottled.Load(), QueueFull: n.queueFull.Load(),
	}
	n.mu.Lock()
	t.MessagesIn, t.BytesIn, t.MessagesOut, t.BytesOut = n.endedIn, n.endedInBytes, n.endedOut, n.endedOutBytes
	e.table.each(func(c *conn) {
		c.mu.Lock()
		t.MessagesOut += c.sent
		t.BytesOut += c.sentBytes
		if c.out.queued > 0 {
			t.QueuedBytes += c.out.queued
			t.QueuedConnections++
		}
		c.mu.Unlock()
		t.MessagesIn += c.received.Load()
		t.BytesIn += c.receivedBytes.Load()
	})
	n.mu.Unlock()
	for _, r := range e.all {
		row := RouteStats{Key: r.key, Messages: r.counters.messages.Load(), Failed: r.counters.failed.Load(),
			Invocations: r.counters.invocations.Load(), Sum: time.Duration(r.counters.sum.Load()), Buckets: make([]int64, len(invocationBounds))}
		for i := range row.Buckets {
			row.Buckets[i] = r.counters.buckets[i].Load()
		}
		t.Routes = append(t.Routes, row)
	}
	for i, kind := range callKinds {
		for status := range n.calls[i] {
			if count := n.calls[i][status].Load(); count > 0 {
				t.Calls = append(t.Calls, CallStats{kind, status, count})
			}
		}
	}
	return t
}

// Connections lists the connections that can be posted to, the oldest first. It
// visits every connection, as Stats does.
func (s *Server) Connections() []OpenConnection {
	e, err := s.ready()
	if err != nil {
		return nil
	}
	all := make([]OpenConnection, 0, e.table.open.Load())
	e.table.each(func(c *conn) {
		if c.closing.Load() {
			return
		}
		c.mu.Lock()
		queued, sent, sentBytes := c.out.queued, c.sent, c.sentBytes
		c.mu.Unlock()
		all = append(all, OpenConnection{
			ID: c.id, SourceIP: c.sourceIP, UserAgent: c.userAgent,
			ConnectedAt: time.UnixMilli(c.connectedAt), LastActiveAt: time.UnixMilli(c.activeAt.Load()), QueuedBytes: queued,
			MessagesIn: c.received.Load(), BytesIn: c.receivedBytes.Load(), MessagesOut: sent, BytesOut: sentBytes,
		})
	})
	slices.SortFunc(all, func(a, b OpenConnection) int {
		return cmp.Or(a.ConnectedAt.Compare(b.ConnectedAt), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// countCall counts a management call and tells the observer of it.
func (e *engine) countCall(call *Call, out outcome, began time.Time) {
	e.counters.call(call.Kind, out.status)
	switch {
	case out.status != http.StatusTooManyRequests || out.fault:
	case out.errorType == limitExceeded.errorType:
		e.counters.queueFull.Add(1)
	default:
		e.counters.callsThrottled.Add(1)
	}
	if e.observer != nil && call.Kind != "" {
		e.observer.Observe(Observation{Kind: ObservationKind(call.Kind), ConnectionID: call.ConnectionID, Status: out.status,
			Reason: out.errorType, Detail: out.why, Fault: out.fault, Payload: call.Payload, Took: time.Since(began)})
	}
}
