package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"unicode/utf16"

	"github.com/wirepost/wirepost/client"
)

// pieceLine is a piece of a stream, as listen prints it with --json.
type pieceLine struct {
	Type string `json:"type"` // stream
	client.Piece
}

// streams are those of which listen has had a piece.
type streams struct {
	c    *command
	json bool

	all   sync.WaitGroup
	mu    sync.Mutex
	heard heard
	known map[string]*followed // by ID
}

// followed is a stream that is read from its first piece on, so that nothing of it is
// missing after a restart. One that is not kept cannot be: its pieces are events.
type followed struct {
	running, asEvents bool
	meanwhile         []client.Piece // came as events while it was running
}

// maxKnown bounds the streams of which it is remembered that they have ended.
const maxKnown = 1000

// notFollowed are the codes of streams that cannot be resumed.
var notFollowed = []string{"unknown-stream", "unknown-action", "forbidden", "closed"}

// take prints a piece that came as an event, and follows its stream from there.
func (s *streams) take(ctx context.Context, to *client.Client, p client.Piece) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch f := s.known[p.Stream]; {
	case f != nil && f.running:
		f.meanwhile = append(f.meanwhile, p)
		return nil
	case f != nil && f.asEvents:
		return s.print(p)
	case f != nil: // the last piece again
		return nil
	}
	f := &followed{running: !p.End && p.Error == ""}
	if len(s.known) >= maxKnown {
		maps.DeleteFunc(s.known, func(_ string, f *followed) bool { return !f.running })
	}
	s.known[p.Stream] = f
	if f.running {
		stream := to.Resume(p.Stream, "", p.At+length(p))
		s.all.Go(func() { s.follow(ctx, f, stream) }) // ends with the stream, or with the client
	}
	return s.print(p)
}

// follow prints the rest of a stream.
func (s *streams) follow(ctx context.Context, f *followed, stream *client.Stream) {
	end := client.Piece{Stream: stream.ID, End: true}
	for p, err := range stream.Pieces(ctx) {
		s.mu.Lock()
		refused, ok := errors.AsType[*client.Refusal](err)
		switch {
		case err == nil:
			_ = s.print(p) // printing the next event fails with the same error
		case !ok || slices.Contains(notFollowed, refused.Code):
			f.asEvents = true
		default:
			end.End, end.Error = false, refused.Code
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.running = false
	if !f.asEvents {
		end.At = stream.At()
		f.meanwhile = []client.Piece{end}
	}
	for _, p := range f.meanwhile {
		_ = s.print(p)
	}
	f.meanwhile = nil
}

// length is how much a piece has, in UTF-16 code units or values.
func length(p client.Piece) int64 {
	return int64(len(utf16.Encode([]rune(p.Text))) + len(p.Items))
}

// heard is how far each running stream has been printed, by its ID.
type heard map[string]int64

// unheard is what of a piece has not been printed: a post whose outcome is not known is
// sent again. Missing says that what was between is not there.
func (h heard) unheard(p client.Piece) (rest client.Piece, missing bool) {
	seen, known := h[p.Stream]
	text := utf16.Encode([]rune(p.Text))
	end := p.At + length(p)
	if skip := min(seen, end) - p.At; known && skip > 0 {
		p.At += skip
		if len(text) > 0 {
			p.Text = string(utf16.Decode(text[skip:]))
		} else {
			p.Items = p.Items[skip:]
		}
	}
	if h[p.Stream] = max(seen, end); p.End || p.Error != "" {
		delete(h, p.Stream)
	}
	return p, known && p.At > seen
}

// print prints a piece of a stream on a line of its own. The caller holds mu.
func (s *streams) print(p client.Piece) error {
	c := s.c
	rest, missing := s.heard.unheard(p)
	ends := rest.End || rest.Error != ""
	if rest.Text == "" && len(rest.Items) == 0 && !ends {
		return nil
	}
	if s.json {
		return c.stdout.JSON(pieceLine{"stream", rest})
	}
	if missing {
		c.stdout.Printf("-- a part of stream %s is missing\n", oneLine(rest.Stream))
	}
	text := rest.Text
	if len(rest.Items) > 0 {
		items, err := json.Marshal(rest.Items)
		if err != nil {
			return fmt.Errorf("print a piece of stream %s: %w", rest.Stream, err)
		}
		text = string(items)
	}
	if text != "" {
		c.stdout.Printf("%s@%d %s\n", oneLine(rest.Stream), rest.At, text) // whole, on one line
	}
	if ends {
		why := ""
		if rest.Error != "" {
			why = ": " + oneLine(rest.Error)
		}
		c.stdout.Printf("-- stream %s has ended%s\n", oneLine(rest.Stream), why)
	}
	return nil
}
