package wirepost

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// chaosTab is a reader: it does what a client of the protocol does.
type chaosTab struct {
	c      *streamChaos
	user   string
	reload atomic.Bool // it is to come back on another connection
	id     string      // of its connection now
	at     int         // how many it had

	mu      sync.Mutex
	state   streamClient
	heard   time.Time
	changed chan struct{}
	held    []streamPieceFrame // that came behind a gap
	lossy   bool               // a post to this connection was answered and did not arrive
	resumed bool               // this connection has the answer to a resume
}

// take is a frame that came on a connection.
func (b *chaosTab) take(id string, body []byte) {
	var f streamPieceFrame
	if json.Unmarshal(body, &f) != nil || f.ID != "chaos" {
		b.c.fault("a frame is %s", body)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = time.Now()
	b.piece(f)
	b.wake()
}

func (b *chaosTab) wake() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

func (b *chaosTab) lose(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lossy = b.lossy || id == b.id
}

// hole notes a gap that rule and order should have prevented. The caller holds mu.
func (b *chaosTab) hole(at int64) {
	if b.resumed && !b.lossy {
		b.c.fault("a hole: %s has %d after its resume, and gets %d", b.id, utf16Len(b.state.text), at)
	}
}

// piece takes a piece. The caller holds mu.
func (b *chaosTab) piece(f streamPieceFrame) {
	have := utf16Len(b.state.text)
	switch {
	case b.state.end != "":
		return
	case f.At > have && b.c.breaks.gapUnnoticed, f.At < have && b.c.breaks.overlapTwice:
		b.state.text += f.Text
		if f.End {
			b.state.end = "end"
		}
		return
	}
	if f.At > have {
		b.hole(f.At)
		b.state.gap = true
		b.held = append(b.held, f)
		return
	}
	b.state.take(f)
	held := b.held
	b.held = nil
	for _, f := range held {
		if f.At > utf16Len(b.state.text) {
			b.held = append(b.held, f)
		} else {
			b.state.take(f)
		}
	}
	if b.state.gap = len(b.held) > 0; b.state.gap {
		b.hole(b.held[0].At)
	}
}

// connect makes a connection, whose frames come to the tab from now on.
func (b *chaosTab) connect(t *testing.T) Connection {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at++
	b.lossy, b.resumed, b.held, b.state.gap = false, false, nil, false
	b.id = fmt.Sprintf("%s-%d", b.user, b.at)
	row := Connection{ID: b.id, Endpoint: testIdentity, User: "u", Topics: []string{"t"}, ConnectedAt: time.Now().Truncate(time.Millisecond), ExpiresAt: time.Now().Add(2 * time.Hour)}
	if err := b.c.shared.Put(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.c.byID[b.id], b.c.rows[b.id] = b, row
	return row
}

// opens notes that the $connect of a connection has returned.
func (c *streamChaos) opens(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[id] = true
}

// cut ends the connection. Its row stays, as often as not.
func (b *chaosTab) cut(t *testing.T, row Connection) {
	b.c.mu.Lock()
	delete(b.c.byID, row.ID)
	forget := b.c.random.IntN(2) == 0
	b.c.mu.Unlock()
	if forget {
		b.c.shared.Delete(t.Context(), row.Key())
	}
}

// run reads the stream to its end. It resumes after a cut, at a gap, and when it hears
// nothing for 15 s.
func (b *chaosTab) run(t *testing.T, row Connection) {
	resume, began := false, time.Now()
	for wait := 15 * time.Second; ; wait = 15 * time.Second {
		b.mu.Lock()
		end, gap, quiet := b.state.end, b.state.gap, time.Since(b.heard)
		b.mu.Unlock()
		switch {
		case end == streamSlow, end == streamExpired:
			b.mu.Lock()
			b.state.end = ""
			b.mu.Unlock()
			resume = true
		case end != "":
			return
		case time.Since(began) > 15*time.Minute:
			b.c.fault("%s was never told of the end", b.user)
			return
		case b.reload.Swap(false):
			b.cut(t, row)
			sleep(t.Context(), b.c.span(200*time.Millisecond))
			row, resume = b.connect(t), true
		case b.c.hits(0.7):
			b.cut(t, row)
			sleep(t.Context(), b.c.span(4*time.Second))
			row, resume = b.connect(t), true
		}
		if resume || gap || quiet >= 15*time.Second {
			if resume = !b.resume(t, row); resume || gap {
				wait = 300*time.Millisecond + b.c.span(time.Second)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-b.changed:
			timer.Stop()
			if b.hasGap() { // live pieces run ahead of the log
				sleep(t.Context(), 500*time.Millisecond)
			}
		case <-timer.C:
		}
	}
}

func (b *chaosTab) hasGap() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state.gap
}

// resume asks for what is missing, and reports whether it was answered.
func (b *chaosTab) resume(t *testing.T, row Connection) bool {
	for {
		b.mu.Lock()
		at := utf16Len(b.state.text)
		b.mu.Unlock()
		b.c.opens(row.ID)
		f := tell(t, b.c.mux, row, fmt.Sprintf(`{"action":"resume","stream":"chaos","at":%d}`, at))
		if f.Type != "ack" {
			if f.Code == "unknown-stream" || f.Code == "forbidden" || f.Code == "bad-position" {
				b.c.mu.Lock()
				begun := b.c.kept > 0
				b.c.mu.Unlock()
				if begun || f.Code != "unknown-stream" {
					b.c.fault("a resume at %d is answered %s", at, f.Code)
				}
			}
			return false
		}
		b.mu.Lock()
		b.heard = time.Now()
		b.resumed = !f.More || b.resumed
		b.piece(streamPieceFrame{At: *f.At, Text: f.Text, End: f.End, Error: f.streamAnswer.Error})
		b.mu.Unlock()
		if !f.More {
			return true
		}
	}
}
