package client

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"time"
)

const (
	// silence is after how long a running stream that says nothing is asked for.
	silence = 15 * time.Second
	// gapTime is how long a piece that is missing is waited for, before the log is asked.
	gapTime = 500 * time.Millisecond
	// maxHeldPieces is how many pieces are kept behind one that is missing; the log has others.
	maxHeldPieces = 1000
	// earlyTime and earlyBytes bound the pieces of streams that have no name here yet.
	earlyTime  = 30 * time.Second
	earlyBytes = 64 << 10
)

// Piece is a piece of an answer that comes in pieces.
type Piece struct {
	Stream string            `json:"id"` // its ID
	At     int64             `json:"at"` // how many UTF-16 code units of text, or values, are before it
	Text   string            `json:"text,omitempty"`
	Items  []json.RawMessage `json:"items,omitempty"`
	End    bool              `json:"end,omitempty"`   // it is the last one
	Error  string            `json:"error,omitempty"` // the code of a stream that ends otherwise
}

// Stream is an answer that is read, by [Client.Ask] or [Client.Resume]. Its methods may be
// called concurrently.
type Stream struct {
	// ID and Key name the stream for as long as it is kept; Key is the secret of an asker
	// without a user. A program that keeps them resumes after a restart.
	ID, Key string

	c         *Client
	at        int64
	pieces    []Piece
	held      []Piece
	over      bool
	err       error
	more      chan struct{} // holds one: there are pieces, or the end
	timer     *time.Timer
	asking    bool
	again     bool
	cancelled bool
}

// asked is an answer to a frame.
type asked struct {
	a   answer
	err error
}

// Ask sends {"action": action} with fields to a route that answers with a stream
// ([wirepost.Mux.HandleLong]), and returns the stream when the function has named it. The
// error is that of [Client.Request], or a *Refusal "no-stream".
func (c *Client) Ask(ctx context.Context, action string, fields map[string]any) (*Stream, error) {
	c.mu.Lock()
	c.asks++
	c.mu.Unlock()
	a, err := c.exchange(ctx, action, fields)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asks--; err != nil {
		return nil, err
	}
	if a.Stream == "" {
		return nil, &Refusal{Code: "no-stream", Text: "the route has answered without a stream"}
	}
	return c.reads(a.Stream, a.Key, 0), nil
}

// Resume reads a stream from a place on, such as after a restart of the program.
func (c *Client) Resume(id, key string, at int64) *Stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.reads(id, key, at)
	s.resume()
	return s
}

// reads makes a reader, which takes what came before its stream had a name. The caller
// holds mu, as do those of all functions below that are not exported.
func (c *Client) reads(id, key string, at int64) *Stream {
	s := &Stream{ID: id, Key: key, c: c, at: at, more: make(chan struct{}, 1)}
	c.streams[id] = append(c.streams[id], s)
	s.listen(silence)
	early := c.early
	c.early = nil
	for _, e := range early {
		if e.piece.Stream == id {
			s.take(e.piece)
		} else {
			c.early = append(c.early, e)
		}
	}
	return s
}

// earlyPiece is one that came before its stream had a name here.
type earlyPiece struct {
	piece Piece
	came  time.Time
	size  int
}

// piece is what came of a stream: for its readers, or an event.
func (c *Client) piece(p Piece, size int) {
	readers := c.streams[p.Stream]
	for _, s := range slices.Clone(readers) {
		s.take(p)
	}
	switch {
	case len(readers) > 0:
	case c.asks > 0: // it may have overtaken the answer that names its stream
		sum := size
		for _, e := range c.early {
			sum += e.size
		}
		c.early = append(c.early, earlyPiece{p, time.Now(), size})
		for len(c.early) > 0 && (sum > earlyBytes || time.Since(c.early[0].came) > earlyTime) {
			sum -= c.early[0].size
			c.early = c.early[1:] // a resume gets it
		}
	default:
		c.emit(Event{Piece: &p})
	}
}

// Pieces gives the pieces, each once and in order, whatever becomes of connections, until
// the stream or the context ends. A stream that is closed ends the loop; else its last
// item is an error: a *Refusal with the code of the stream's end, or the context's. A
// break leaves the stream as it is; [Stream.Cancel] stops its writer.
func (s *Stream) Pieces(ctx context.Context) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		for {
			s.c.mu.Lock()
			pieces, over, err := s.pieces, s.over, s.err
			s.pieces = nil
			s.c.mu.Unlock()
			for i, p := range pieces {
				if !yield(p, nil) {
					s.c.mu.Lock()
					s.pieces = append(pieces[i+1:], s.pieces...)
					s.c.mu.Unlock()
					return
				}
			}
			switch {
			case len(pieces) > 0:
				continue
			case over && err != nil:
				yield(Piece{}, err)
				return
			case over:
				return
			}
			select {
			case <-s.more:
			case <-s.c.life.Done():
				yield(Piece{}, &Refusal{Code: "closed"})
				return
			case <-ctx.Done():
				yield(Piece{}, context.Cause(ctx))
				return
			}
		}
	}
}

// At is how much has come, in UTF-16 code units or values.
func (s *Stream) At() int64 {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.at
}

// Cancel stops who writes the stream, wherever that is. What was written before still
// comes, and then Pieces ends without an error.
func (s *Stream) Cancel(ctx context.Context) error {
	s.c.mu.Lock()
	s.cancelled = true
	s.c.mu.Unlock()
	_, err := s.c.exchange(ctx, "cancel", map[string]any{"stream": s.ID, "key": s.Key})
	return err
}

// listen asks for what is missing if nothing comes for a while.
func (s *Stream) listen(d time.Duration) {
	stop(s.timer)
	if !s.over {
		s.timer = s.c.later(d, s.resume)
	}
}

// take takes a piece, or keeps it if others are missing before it.
func (s *Stream) take(p Piece) {
	if s.over {
		return
	}
	s.listen(silence)
	if p.At > s.at {
		if len(s.held) < maxHeldPieces {
			s.held = append(s.held, p)
		}
		s.listen(gapTime)
		return
	}
	if rest, length := p.behind(s.at); length > 0 {
		s.at += length
		s.pieces = append(s.pieces, rest)
		signal(s.more)
	}
	switch {
	case p.End:
		s.finish(nil)
	case p.Error == "slow" || p.Error == expired:
		s.listen(time.Duration(s.c.o.Random() * float64(time.Second)))
	case p.Error == "cancelled" && s.cancelled:
		s.finish(nil)
	case p.Error != "":
		s.finish(&Refusal{Code: p.Error})
	default:
		held := s.held
		s.held = nil
		for _, p := range held {
			s.take(p)
		}
	}
}

// behind is the part of a piece behind a place, and how long that is.
func (p Piece) behind(at int64) (rest Piece, length int64) {
	over := at - p.At
	rest = Piece{Stream: p.Stream, At: at}
	if n := int64(len(p.Items)); n > 0 {
		if over < n {
			rest.Items = p.Items[over:]
		}
		return rest, max(n-over, 0)
	}
	for i, r := range p.Text {
		if over <= 0 && rest.Text == "" {
			rest.Text = p.Text[i:]
		}
		units := int64(1)
		if r >= 0x10000 {
			units = 2
		}
		if over <= 0 {
			length += units
		}
		over -= units
	}
	return rest, length
}

func (s *Stream) finish(err error) {
	if s.over {
		return
	}
	s.over, s.err = true, err
	stop(s.timer)
	s.c.streams[s.ID] = slices.DeleteFunc(s.c.streams[s.ID], func(other *Stream) bool { return other == s })
	if len(s.c.streams[s.ID]) == 0 {
		delete(s.c.streams, s.ID)
	}
	signal(s.more)
}

// resume asks for what is missing, and makes the connection of now a reader.
func (s *Stream) resume() {
	if s.over {
		return
	}
	if s.again = s.asking; s.asking {
		return
	}
	s.asking = true
	s.listen(silence)
	err := s.c.submit("resume", map[string]any{"stream": s.ID, "at": s.at, "key": s.Key}, func(r *Refusal, a answer) {
		s.asking = false
		switch {
		case r == nil:
			s.take(Piece{Stream: s.ID, At: a.At, Text: a.Text, Items: a.Items, End: a.End, Error: a.Error})
			if a.More || s.again {
				s.resume()
			} else if len(s.held) > 0 { // live pieces run ahead of the log
				s.listen(time.Second)
			}
		case slices.Contains([]string{"unknown-stream", "forbidden", "bad-position", "bad-frame", "unknown-action", "closed"}, r.Code):
			s.finish(r)
		case s.again:
			s.resume()
		default:
			s.listen(time.Second + time.Duration(s.c.o.Random()*float64(2*time.Second)))
		}
	})
	if err != nil {
		s.asking = false
		s.finish(err)
	}
}

// resumeAll makes a new connection a reader of what is read.
func (c *Client) resumeAll() {
	for _, readers := range c.streams {
		for _, s := range slices.Clone(readers) {
			s.resume()
		}
	}
}
