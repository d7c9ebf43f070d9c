package inspector

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost/gateway"
)

// What a recorder keeps at most.
const (
	MaxRecords = 10_000
	MaxBytes   = 64 << 20
	// MaxText is where a payload, an answer and an invocation's log lines are cut.
	MaxText = 8 << 10

	// recentChanges is how far a reader of the stream may fall behind.
	recentChanges = 1 << 13
)

// Recorder keeps what it observes. Of more than it may keep the oldest goes first,
// but a failure stays as long as failures have not half of the room for themselves.
// All methods may be called concurrently.
type Recorder struct {
	mask *masker
	now  func() time.Time

	mu                   sync.Mutex
	seq                  uint64
	replays              int
	normal               queue
	failed               queue
	dropped              Dropped
	series               series
	changes              [recentChanges]*entry // the last changes, at their number modulo the size
	changed              uint64                // how many there were
	maxRecords, maxBytes int
}

// Dropped counts records that are kept no more.
type Dropped struct {
	Records  int `json:"records"`  // of any kind
	Failures int `json:"failures"` // of these, failures
}

// RecorderOptions may be nil.
type RecorderOptions struct {
	// Secrets are identity sources of authorizers: what they name is masked too.
	Secrets []string
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// NewRecorder makes an empty recorder.
func NewRecorder(o *RecorderOptions) *Recorder {
	if o == nil {
		o = &RecorderOptions{}
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	return newRecorder(newMasker(o.Secrets), now)
}

func newRecorder(mask *masker, now func() time.Time) *Recorder {
	return &Recorder{mask: mask, now: now, maxRecords: MaxRecords, maxBytes: MaxBytes}
}

// entry is a place in a recorder. Its record is nil once it was dropped.
type entry struct {
	prev, next *entry
	queue      *queue
	record     *Record
	size       int
}

// queue is a list of entries, the oldest first.
type queue struct {
	first, last *entry
	count, size int
}

func (q *queue) push(e *entry) {
	e.queue, e.prev, e.next = q, q.last, nil
	if q.last != nil {
		q.last.next = e
	} else {
		q.first = e
	}
	q.last = e
	q.count++
	q.size += e.size
}

func (q *queue) remove(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		q.last = e.prev
	}
	e.prev, e.next, e.queue = nil, nil, nil
	q.count--
	q.size -= e.size
}

// Observe implements gateway.Observer.
func (r *Recorder) Observe(o gateway.Observation) {
	record := &Record{Kind: string(o.Kind), Connection: o.ConnectionID, Route: o.RouteKey, Request: o.RequestID, Status: o.Status,
		Fault: o.Fault, Took: Millis(o.Took), Remote: o.Remote, Size: len(o.Payload)}
	if len(o.Payload) > 0 {
		record.Text = r.keep(o.Payload, &record.Masked)
	}
	if o.Reason != "" {
		record.Reason = r.keep([]byte(o.Reason), &record.Masked)
	}
	if o.Detail != "" {
		record.Detail = r.keepLine([]byte(o.Detail), &record.Masked)
	}
	if o.Target != "" {
		record.Target = cut(r.mask.target(o.Target), MaxText)
		record.Masked = record.Masked || record.Target != o.Target
	}
	record.settle()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(record)
}

// keep is the text of a payload as it is kept.
func (r *Recorder) keep(payload []byte, wasMasked *bool) string {
	return keepMasked(payload, r.mask.text, wasMasked)
}

// keepLine is keep for log lines and errors of functions.
func (r *Recorder) keepLine(line []byte, wasMasked *bool) string {
	return keepMasked(line, r.mask.line, wasMasked)
}

func keepMasked(payload []byte, mask func([]byte) []byte, wasMasked *bool) string {
	text := payload[:min(len(payload), MaxText)]
	kept := mask(text)
	*wasMasked = *wasMasked || len(kept) != len(text) || string(kept) != string(text)
	if !utf8.Valid(kept) { // a character was cut, or it is an error's text
		return strings.ToValidUTF8(string(kept), "\ufffd")
	}
	return string(kept)
}

// keepEvent is keep for an event: those of a handshake have secrets among their
// members, and those of a connection that an authorizer let in what it said.
func (r *Recorder) keepEvent(o *gateway.Observation, record *Record) {
	payload := o.Payload
	record.Size = len(payload)
	if o.RouteKey == "$connect" || record.Replay || bytes.Contains(payload[:min(len(payload), 256)], []byte(`,"authorizer":`)) {
		payload = r.mask.event(payload)
		record.Masked = string(payload) != string(o.Payload)
	}
	record.Text = r.keep(payload, &record.Masked)
}

type runningKey struct{}

// running is an invocation that a context belongs to.
type running struct {
	recorder *Recorder
	entry    *entry
}

// Invoke implements gateway.Observer.
func (r *Recorder) Invoke(ctx context.Context, o gateway.Observation) (context.Context, func([]byte, error)) {
	return r.invoke(ctx, &o, false)
}

// replay is Invoke for an event that somebody gives to a function again.
func (r *Recorder) replay(ctx context.Context, o gateway.Observation) (context.Context, func([]byte, error)) {
	r.mu.Lock()
	r.replays++
	o.RequestID = fmt.Sprintf("replay-%d", r.replays)
	r.mu.Unlock()
	return r.invoke(ctx, &o, true)
}

func (r *Recorder) invoke(ctx context.Context, o *gateway.Observation, replay bool) (context.Context, func([]byte, error)) {
	record := &Record{Kind: string(gateway.ObservedInvocation), Connection: o.ConnectionID, Route: o.RouteKey, Request: o.RequestID,
		Authorizer: o.Authorizer, Replay: replay}
	r.keepEvent(o, record)
	keepAnswer := r.keep
	if o.RouteKey == "$connect" { // authorizers repeat parts of their event
		keepAnswer = r.keepLine
	}
	return r.begin(ctx, record, keepAnswer)
}

// begin keeps the record of an invocation that begins now. The result ends it.
func (r *Recorder) begin(ctx context.Context, record *Record, keepAnswer func([]byte, *bool) string) (context.Context, func([]byte, error)) {
	record.Running = true
	began := time.Now()
	r.mu.Lock()
	e := r.add(record)
	r.mu.Unlock()
	ended := func(answer []byte, err error) {
		took := time.Since(began)
		kept, wasMasked := "", false
		if len(answer) > 0 {
			kept = keepAnswer(answer, &wasMasked)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.series.second(r.now()).invoked(took)
		r.update(e, func(n *Record) {
			n.Running, n.Took = false, Millis(took)
			n.Answer, n.AnswerSize, n.Status = kept, len(answer), statusOf(answer)
			n.Masked = n.Masked || wasMasked
			if err != nil {
				n.Error = r.keepLine([]byte(err.Error()), &n.Masked)
			}
		})
	}
	return context.WithValue(ctx, runningKey{}, &running{r, e}), ended
}

// Log adds a line to the invocation that the context belongs to, which may be over.
// It reports whether there was one.
func Log(ctx context.Context, line string) bool {
	at, ok := ctx.Value(runningKey{}).(*running)
	if !ok {
		return false
	}
	r := at.recorder
	var wasMasked bool
	line = r.keepLine([]byte(strings.TrimRight(line, "\r\n")), &wasMasked)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.update(at.entry, func(n *Record) {
		n.Masked = n.Masked || wasMasked
		if n.lineBytes+len(line) > MaxText {
			n.LinesDropped++
			return
		}
		// An older version of the record keeps its own length of the same list.
		n.Lines = append(n.Lines, line)
		n.lineBytes += len(line) + 16
	})
	return true
}

// add keeps a record. The caller holds mu.
func (r *Recorder) add(record *Record) *entry {
	now := r.now()
	if record.At.IsZero() {
		record.At = Time{now.Add(-time.Duration(record.Took))} // when it began
	}
	r.seq++
	record.Seq = r.seq
	s := r.series.second(now)
	switch gateway.ObservationKind(record.Kind) {
	case gateway.ObservedMessage:
		s.in++
	case gateway.ObservedFrame:
		s.out++
	case gateway.ObservedPost:
		if record.Status == http.StatusOK {
			s.out++
		}
	}
	if record.Failed {
		s.failures++
	}
	e := &entry{record: record, size: record.size()}
	if record.Failed {
		r.failed.push(e)
	} else {
		r.normal.push(e)
	}
	r.change(e)
	r.evict()
	return e
}

// update makes another version of a record, unless it was dropped. The caller holds
// mu.
func (r *Recorder) update(e *entry, change func(*Record)) {
	if e.record == nil {
		return
	}
	next := *e.record
	change(&next)
	next.settle()
	if next.Failed && !e.record.Failed {
		r.series.second(r.now()).failures++
	}
	q := e.queue
	e.record = &next
	q.size -= e.size
	e.size = next.size()
	q.size += e.size
	if next.Failed && q == &r.normal {
		q.remove(e)
		r.failed.push(e)
	}
	r.change(e)
	r.evict()
}

func (r *Recorder) change(e *entry) {
	r.changes[r.changed%recentChanges] = e
	r.changed++
}

// evict drops what is too much.
func (r *Recorder) evict() {
	for r.normal.count+r.failed.count > r.maxRecords || r.normal.size+r.failed.size > r.maxBytes {
		q := &r.normal
		if q.first == nil || r.failed.count > r.maxRecords/2 || r.failed.size > r.maxBytes/2 {
			q = &r.failed
			r.dropped.Failures++
		}
		r.dropped.Records++
		e := q.first
		q.remove(e)
		e.record = nil
	}
}

// Clear forgets everything but the plots.
func (r *Recorder) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range []*queue{&r.normal, &r.failed} {
		for q.first != nil {
			e := q.first
			q.remove(e)
			e.record = nil
		}
	}
	r.dropped = Dropped{}
	clear(r.changes[:])
}

// all are the records, the oldest first.
func (r *Recorder) all() []*Record {
	records, _ := r.since()
	return records
}

// since is all, and the number of the next change.
func (r *Recorder) since() ([]*Record, uint64) {
	r.mu.Lock()
	records := make([]*Record, 0, r.normal.count+r.failed.count)
	for _, q := range []*queue{&r.normal, &r.failed} {
		for e := q.first; e != nil; e = e.next {
			records = append(records, e.record)
		}
	}
	changed := r.changed
	r.mu.Unlock()
	slices.SortFunc(records, func(a, b *Record) int { return cmp.Compare(a.Seq, b.Seq) })
	return records, changed
}

// recent are the records that have changed since a number, the newest n of them at
// most, in order; how many changes were left out; and the number to go on from.
func (r *Recorder) recent(from uint64, n int) (records []*Record, skipped uint64, next uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from > r.changed { // of another run
		from = r.changed
	}
	seen := map[*entry]bool{}
	i := r.changed
	for ; i > from && r.changed-i < recentChanges && len(records) < n; i-- {
		e := r.changes[(i-1)%recentChanges]
		if e == nil || e.record == nil || seen[e] {
			continue
		}
		seen[e] = true
		records = append(records, e.record)
	}
	slices.SortFunc(records, func(a, b *Record) int { return cmp.Compare(a.Seq, b.Seq) })
	return records, i - from, r.changed
}

// state is what a tick of the stream says of the recorder.
type state struct {
	Now     Time    `json:"now"`
	Kept    int     `json:"kept"`
	Bytes   int     `json:"bytes"`
	Dropped Dropped `json:"dropped"`
	Seconds []point `json:"seconds"`
}

// state has the last n seconds, the one that has not ended included.
func (r *Recorder) state(n int) state {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	s := state{Now: Time{now}, Kept: r.normal.count + r.failed.count, Bytes: r.normal.size + r.failed.size, Dropped: r.dropped}
	for unix := now.Unix() - int64(n) + 1; unix <= now.Unix(); unix++ {
		s.Seconds = append(s.Seconds, r.series.buckets[unix%seconds].point(unix))
	}
	return s
}

// find chooses records: the newest n that match before a Seq (0: all), the newest
// first, and how many match in all.
func find(records []*Record, f *filter, before uint64, n int) (found []*Record, total int) {
	for i := len(records) - 1; i >= 0; i-- {
		r := records[i]
		if !f.matches(r) {
			continue
		}
		total++
		if len(found) < n && (before == 0 || r.Seq < before) {
			found = append(found, r)
		}
	}
	return found, total
}

// Records are what is kept, the oldest first. They must not be changed.
func (r *Recorder) Records() []*Record { return r.all() }
