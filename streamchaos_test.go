package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// chaosSeeds is how many runs the chaos of streams makes. They take fake time.
var chaosSeeds = flag.Int("chaos-seeds", 5, "how many seeds of the chaos are run")

// streamBreaks take something away that the promise needs, for the test that finds out
// whether the chaos notices.
type streamBreaks struct {
	lateListing   bool // a listing does not show who resumed since the one before it
	rowAfterLog   bool // resume writes the row after it has read the log
	anyWriter     bool // nobody sees that another has begun before
	failedIsTaken bool // a post that failed counts as taken
	cancelUnread  bool // the writer does not read what is behind its own entries
	noLastListing bool // readers are not listed after the end was appended
	noLease       bool // an idle writer appends nothing
	endNotKept    bool // the end is not appended
	failedIsKept  bool // an append that failed counts as done
	overlapTwice  bool // a client takes what it has
	gapUnnoticed  bool // a client takes what comes behind a gap
	youngIsGone   bool // nobody knows that a connection is young
}

// streamChaos is a stream with its writers and readers while everything goes wrong that
// may.
type streamChaos struct {
	seed   uint64
	breaks streamBreaks
	shared *MemStore
	mux    *Mux

	mu      sync.Mutex
	random  *rand.Rand
	calm    bool // nothing goes wrong any more
	dead    bool // the writer's process has ended
	kept    int  // entries of the stream that were appended
	ended   bool // the end is in the log
	tabs    []*chaosTab
	byID    map[string]*chaosTab
	rows    map[string]Connection
	open    map[string]bool // connections that have taken a post or sent a message
	pressed time.Time       // when the cancel was in the log
	stopped time.Time       // when the writer's Context ended by it
	faults  []string
}

func (c *streamChaos) float() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.Float64()
}

func (c *streamChaos) isDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// hits says whether a fault comes, of so many in a hundred.
func (c *streamChaos) hits(percent float64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.calm && c.random.Float64()*100 < percent
}

func (c *streamChaos) span(most time.Duration) time.Duration {
	return time.Duration(c.float() * float64(most))
}

func (c *streamChaos) dice(n int) int { return int(c.float() * float64(n)) }

func (c *streamChaos) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// chaosView is the store as one process sees it.
type chaosView struct {
	*MemStore
	c      *streamChaos
	writer bool

	mu    sync.Mutex
	own   map[string]bool // begins of this process
	shown map[string]bool // by the listing before
}

var errChaos = errors.New("the store does not answer")

// trouble is what comes before a call takes effect.
func (v *chaosView) trouble(ctx context.Context) error {
	if !sleep(ctx, v.c.span(60*time.Millisecond)) {
		return ctx.Err()
	}
	v.c.mu.Lock()
	dead := v.c.dead && v.writer
	v.c.mu.Unlock()
	if dead || v.c.hits(8) {
		return errChaos
	}
	return nil
}

func (v *chaosView) Append(ctx context.Context, topic string, entries []LogEntry, o *AppendOptions) (Position, error) {
	var e streamEntryFrame
	json.Unmarshal(entries[len(entries)-1].Data, &e)
	err := v.trouble(ctx)
	switch ends := e.End || e.Error != ""; {
	case err != nil && v.c.breaks.failedIsKept && e.isPiece(), v.c.breaks.noLease && e.Lease != "", v.c.breaks.endNotKept && ends:
		return Position{}, nil
	case err != nil:
		return Position{}, err
	}
	if e.Begin != "" {
		v.mu.Lock()
		v.own[e.Begin] = true
		v.mu.Unlock()
	}
	at, err := v.MemStore.Append(ctx, topic, entries, o)
	v.c.mu.Lock()
	v.c.kept++
	v.c.mu.Unlock()
	if err == nil && (e.End || e.Error != "") {
		v.c.mu.Lock()
		v.c.ended = true
		v.c.mu.Unlock()
	}
	if v.c.hits(8) {
		return Position{}, fmt.Errorf("%w: %w", errChaos, ErrUnknown)
	}
	return at, err
}

func (v *chaosView) Read(ctx context.Context, topic string, after Position, limit ReadLimit) (Replay, error) {
	if err := v.trouble(ctx); err != nil {
		return Replay{}, err
	}
	r, err := v.MemStore.Read(ctx, topic, after, limit)
	if v.writer && err == nil {
		kept := r.Messages[:0:0]
		for _, m := range r.Messages {
			var e streamEntryFrame
			json.Unmarshal(m.Data, &e)
			v.mu.Lock()
			hidden := v.c.breaks.cancelUnread && e.Cancel || v.c.breaks.anyWriter && e.Begin != "" && !v.own[e.Begin]
			v.mu.Unlock()
			if !hidden {
				kept = append(kept, m)
			}
		}
		r.Messages = kept
	}
	return r, err
}

func (v *chaosView) Subscribe(ctx context.Context, id, topic string) error {
	if err := v.trouble(ctx); err != nil {
		return err
	}
	if v.c.breaks.rowAfterLog {
		time.AfterFunc(1500*time.Millisecond, func() { v.MemStore.Subscribe(context.Background(), id, topic) })
		return nil
	}
	return v.MemStore.Subscribe(ctx, id, topic)
}

func (v *chaosView) Connections(ctx context.Context, a Audience, o ListOptions) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		if err := v.trouble(ctx); err != nil {
			yield(Listed{}, err)
			return
		}
		v.c.mu.Lock()
		skip := v.c.breaks.noLastListing && v.c.ended
		v.c.mu.Unlock()
		now := map[string]bool{}
		for l, err := range v.MemStore.Connections(ctx, a, o) {
			now[l.ID] = true
			v.mu.Lock()
			late := v.c.breaks.lateListing && isReserved(a.Name) && !v.shown[l.ID]
			v.mu.Unlock()
			if v.c.breaks.youngIsGone {
				l.ConnectedAt = l.ConnectedAt.Add(-time.Hour)
			}
			if !skip && !late && !yield(l, err) {
				return
			}
		}
		if isReserved(a.Name) {
			v.mu.Lock()
			v.shown = now
			v.mu.Unlock()
		}
	}
}

// RoundTrip is the management API as the writers see it.
func (c *streamChaos) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	answer := func(status int) (*http.Response, error) {
		if status != 200 && c.breaks.failedIsTaken {
			status = 200
		}
		return &http.Response{StatusCode: status, Header: http.Header{"X-Amzn-Requestid": {"r"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}, Body: http.NoBody, Request: r}, nil
	}
	if !sleep(r.Context(), 5*time.Millisecond+c.span(40*time.Millisecond)) {
		return nil, r.Context().Err()
	}
	c.mu.Lock()
	dead, tab, row, open := c.dead, c.byID[id], c.rows[id], c.open[id]
	c.mu.Unlock()
	if dead {
		return nil, errors.New("connection reset by peer")
	}
	switch young := time.Since(row.ConnectedAt) < 25*time.Second; {
	case tab == nil: // it was cut
		return answer(410)
	case c.hits(5):
		return answer(429)
	case young && !open && c.hits(25): // its $connect has not returned
		return answer(410)
	case young && open && c.hits(0.2): // and nobody knows why: only a resume mends it
		tab.lose(id)
		return answer(410)
	case c.hits(3):
		return answer(500) // without effect
	}
	c.opens(id)
	if c.hits(2) { // a post that was answered 200 is not a message that arrived
		tab.lose(id)
	} else {
		tab.take(id, body)
	}
	switch {
	case c.hits(3):
		return answer(500)
	case c.hits(3):
		return nil, errors.New("connection reset by peer")
	}
	return answer(200)
}

// process is a publisher of one process.
func (c *streamChaos) process(writer bool) *Publisher {
	v := &chaosView{MemStore: c.shared, c: c, writer: writer, own: map[string]bool{}, shown: map[string]bool{}}
	return NewPublisher(v, &PublisherOptions{Transport: c, Random: c.float})
}

// run is the life of a stream. It returns what was written, and how the stream ended.
func (c *streamChaos) run(t *testing.T) (text, end string) {
	c.random = rand.New(rand.NewPCG(c.seed, 11))
	c.shared, c.byID, c.rows = at(t, "http://localhost:1/dev", 0), map[string]*chaosTab{}, map[string]Connection{}
	c.open = map[string]bool{}
	c.mux = speaking(c.process(false), nil)
	var readers sync.WaitGroup
	for i := range 1 + c.dice(3) {
		tab := &chaosTab{c: c, user: fmt.Sprint("tab", i), heard: time.Now(), changed: make(chan struct{}, 1)}
		row := tab.connect(t)
		c.tabs = append(c.tabs, tab)
		readers.Go(func() {
			sleep(t.Context(), c.span(100*time.Millisecond))
			tab.run(t, row)
		})
	}
	to := []Audience{ToConnection("tab0-1"), ToUser("u"), ToTopic("t")}[c.dice(3)]
	o := &StreamOptions{ID: "chaos", User: "u", Unread: time.Minute}
	plan := c.dice(4) // 0: the writer dies; 1: a reader stops it
	s := c.process(true).Stream(t.Context(), to, o)
	if c.dice(3) == 0 { // an asynchronous event comes twice
		readers.Go(func() {
			sleep(t.Context(), 3*time.Second+c.span(5*time.Second))
			other := c.process(true).Stream(t.Context(), to, o)
			fmt.Fprint(other, strings.Repeat("ANOTHER ", 10))
			other.Close()
		})
	}
	length := 3*time.Second + c.span(20*time.Second)
	event := time.Second + c.span(length)
	readers.Go(func() { c.happens(t, plan, event, s) })
	if c.dice(2) == 0 { // somebody comes back just before the end
		late := c.tabs[c.dice(len(c.tabs))]
		readers.Go(func() {
			sleep(t.Context(), length-c.span(1200*time.Millisecond))
			late.reload.Store(true)
			late.wake()
		})
	}
	text, err := c.write(t, s, length, plan)
	switch {
	case errors.Is(err, ErrStreamCancelled):
		end = streamCancelled
		c.mu.Lock()
		c.stopped = time.Now()
		c.mu.Unlock()
	case c.isDead():
		end = streamLost
	case err != nil:
		c.fault("the stream ended with %v", err)
	default:
		end = "end"
	}
	if end != streamLost {
		c.mu.Lock()
		c.calm = c.random.Uint64N(2) == 0
		c.mu.Unlock()
	}
	closed := s.Close()
	if closed == nil {
		c.told()
	}
	c.mu.Lock()
	c.calm = true
	c.mu.Unlock()
	if closed != nil && end == "end" && !c.isDead() {
		if !errors.Is(closed, ErrStreamCancelled) {
			c.fault("Close: %v", closed)
		}
		end = streamCancelled
	}
	readers.Wait()
	return text, end
}

// told looks whether each reader who has resumed has the end, as Close has promised.
func (c *streamChaos) told() {
	for _, tab := range c.tabs {
		tab.mu.Lock()
		waits := tab.resumed && !tab.lossy && tab.state.end == ""
		id := tab.id
		tab.mu.Unlock()
		c.mu.Lock()
		if waits && c.byID[id] != nil {
			c.faults = append(c.faults, fmt.Sprintf("Close has returned, and %s has no end", id))
		}
		c.mu.Unlock()
	}
}

// write writes words until the time is over or the stream ends.
func (c *streamChaos) write(t *testing.T, s *Stream, length time.Duration, plan int) (text string, err error) {
	for i, start := 0, time.Now(); time.Since(start) < length || plan == 1 && time.Since(start) < 2*time.Minute; i++ {
		word := fmt.Sprintf("%d-é😀 ", i)
		if c.float() < 0.002 {
			word = strings.Repeat(word, 3000)
		}
		if _, err := s.Write([]byte(word)); err != nil {
			return text, err
		}
		text += word
		c.mu.Lock()
		dead := c.dead
		c.mu.Unlock()
		if dead {
			return text, nil
		}
		pause := c.span(20 * time.Millisecond)
		if c.float() < 0.002 {
			pause = 20 * time.Second // the model thinks
		}
		sleep(s.Context(), pause)
	}
	return text, nil
}

// happens is what happens to the stream in the middle.
func (c *streamChaos) happens(t *testing.T, plan int, after time.Duration, s *Stream) {
	sleep(t.Context(), after)
	switch plan {
	case 0:
		c.mu.Lock()
		c.dead = true
		c.mu.Unlock()
		s.stop()
	case 1:
		row := connected(t, c.shared, Connection{ID: "button", User: "u"})
		for {
			if f := tell(t, c.mux, row, `{"action":"cancel","stream":"chaos"}`); f.Type == "ack" {
				break
			}
			sleep(t.Context(), 100*time.Millisecond)
		}
		c.mu.Lock()
		c.pressed = time.Now()
		c.mu.Unlock()
	}
}

// streamCount is what the chaos has shown.
type streamCount struct{ lost, twice, disorder, cancelled, late, other int }

// judge compares what each reader has with what was written.
func (c *streamChaos) judge(text, end string) (n streamCount) {
	for _, tab := range c.tabs {
		got := tab.state.text
		prefix := strings.HasPrefix(text, got)
		switch {
		case strings.Contains(got, "ANOTHER") || !prefix && len(got) <= len(text):
			n.disorder++
		case !prefix:
			n.twice += max(1, int(utf16Len(got)-utf16Len(text)))
		case len(got) < len(text) && end != streamLost && !c.dead:
			n.lost += int(utf16Len(text) - utf16Len(got))
		}
		if told := tab.state.end; told != end && !(c.dead && (told == "end" && got == text || told == streamLost)) {
			n.other++
			c.faults = append(c.faults, fmt.Sprintf("%s ended with %q, the stream with %q", tab.user, tab.state.end, end))
		}
	}
	if end == streamCancelled && !c.pressed.IsZero() {
		// A call of the store that fails is made again at the next tick.
		if c.stopped.Sub(c.pressed) <= 1500*time.Millisecond {
			n.cancelled++
		} else if n.late++; c.stopped.Sub(c.pressed) > 8*time.Second {
			n.other++
			c.faults = append(c.faults, fmt.Sprintf("it was cancelled %v after", c.stopped.Sub(c.pressed)))
		}
	}
	if end == "end" && !c.pressed.IsZero() {
		n.other++
		c.faults = append(c.faults, "a cancel was not heeded")
	}
	n.other += len(c.faults)
	return n
}

func runStreamChaos(t *testing.T, seed uint64, breaks streamBreaks) (n streamCount, c *streamChaos) {
	synctest.Test(t, func(t *testing.T) {
		c = &streamChaos{seed: seed, breaks: breaks}
		text, end := c.run(t)
		n = c.judge(text, end)
	})
	return n, c
}

// The writer, its log, the protocol and readers in one bubble of fake time, where
// everything goes wrong that may. However it goes, every reader has each character once
// and in order, or is told "lost" and has a prefix.
func TestInChaosEveryReaderOfAStreamHasEachCharacterOnce(t *testing.T) {
	var total streamCount
	for seed := range uint64(*chaosSeeds) {
		n, c := runStreamChaos(t, seed, streamBreaks{})
		if n.lost+n.twice+n.disorder+n.other > 0 {
			t.Errorf("seed %d: %+v %q", seed, n, c.faults)
		}
		total.lost, total.twice, total.disorder = total.lost+n.lost, total.twice+n.twice, total.disorder+n.disorder
		total.cancelled, total.late = total.cancelled+n.cancelled, total.late+n.late
	}
	fmt.Printf("stream: %d seeds, %d characters lost, %d twice, %d out of order, %d cancelled in time\n", *chaosSeeds, total.lost, total.twice, total.disorder, total.cancelled)
	if total.late > 0 {
		t.Logf("%d were cancelled later, because calls of the store had failed", total.late)
	}
}
