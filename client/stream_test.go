package client

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"
)

// streamServer answers asks, resumes and cancels, and posts pieces that may be lost or
// come twice.
type streamServer struct {
	*server
	text   string
	logged int // UTF-16 code units
	end    string
	random *rand.Rand
}

func units(s string) []uint16 { return utf16.Encode([]rune(s)) }

// answer answers the frames that were sent since it was last called.
func (s *streamServer) answer() (resumes, cancels int) {
	s.mu.Lock()
	sent := s.sent
	s.sent = nil
	s.mu.Unlock()
	for _, f := range sent {
		ack := map[string]any{"type": "ack", "ref": f["ref"], "stream": "s1"}
		switch f["action"] {
		case "ask":
			ack["key"] = "secret"
		case "resume":
			resumes++
			at := int(f["at"].(float64))
			ack["at"], ack["text"] = at, string(utf16.Decode(units(s.text)[min(at, s.logged):s.logged]))
			if at > s.logged {
				ack["text"] = ""
			}
			s.last(ack, s.logged == len(units(s.text)))
		case "cancel":
			cancels++
			s.end = "cancelled"
		default:
			continue
		}
		s.say(ack)
	}
	return resumes, cancels
}

func (s *streamServer) last(frame map[string]any, whole bool) {
	switch {
	case !whole || s.end == "":
	case s.end == "end":
		frame["end"] = true
	default:
		frame["error"] = s.end
	}
}

func (s *streamServer) say(frame map[string]any) {
	b, _ := json.Marshal(frame) // maps of strings and numbers
	for _, f := range s.all() {
		f.frames <- b
	}
}

func (s *streamServer) write(text string) {
	at := len(units(s.text))
	s.text += text
	piece := map[string]any{"type": "stream", "id": "s1", "at": at, "text": text}
	s.last(piece, true)
	for n := s.times(); n > 0; n-- {
		s.say(piece)
	}
}

func (s *streamServer) times() int {
	switch {
	case s.random == nil:
		return 1
	case s.random.IntN(8) == 0:
		return 0
	case s.random.IntN(8) == 0:
		return 2
	}
	return 1
}

func TestEachCharacterOfAnAnswerComesOnce(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			s := &streamServer{server: &server{conns: map[*fake]bool{}}, random: rand.New(rand.NewPCG(seed, 1))}
			c := Connect("ws://server/dev", &Options{Dial: s.dial, Random: func() float64 { return 0.5 }})
			defer c.Close()
			synctest.Wait()
			type read struct {
				text string
				err  error
			}
			done := make(chan read, 1)
			go func() { // ends with the stream
				var r read
				st, err := c.Ask(t.Context(), "ask", map[string]any{"question": "?"})
				if r.err = err; err == nil {
					for p, err := range st.Pieces(t.Context()) {
						r.text += p.Text
						r.err = err
					}
				}
				done <- r
			}()
			synctest.Wait()
			s.write("é😀 comes first ") // it overtakes the answer
			s.answer()
			for i := range 200 {
				s.write(fmt.Sprintf("%d😀 ", i))
				if i%7 == 0 {
					s.logged = len(units(s.text))
				}
				if s.random.IntN(40) == 0 {
					for _, f := range s.all() {
						f.Close(1006)
					}
				}
				time.Sleep(time.Duration(s.random.IntN(100)) * time.Millisecond) // of the bubble
				synctest.Wait()
				s.answer()
			}
			s.end = "end"
			s.write("last")
			s.logged = len(units(s.text))
			for range 200 {
				time.Sleep(200 * time.Millisecond)
				synctest.Wait()
				s.answer()
			}
			if r := <-done; r.err != nil || r.text != s.text {
				t.Errorf("seed %d: %v, %d of %d bytes", seed, r.err, len(r.text), len(s.text))
			}
		})
	}
}

func TestAnAnswerIsCancelledAndResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &streamServer{server: &server{conns: map[*fake]bool{}}, text: "so far 😀", logged: 9}
		c := Connect("ws://server/dev", &Options{Dial: s.dial, Random: func() float64 { return 0.5 }})
		defer c.Close()
		synctest.Wait()
		st := c.Resume("s1", "secret", 3)
		cancelled := make(chan error, 1)
		go func() { cancelled <- st.Cancel(t.Context()) }() // ends with its answer
		synctest.Wait()
		s.answer()
		s.write("") // and its code
		synctest.Wait()
		var text strings.Builder
		for p, err := range st.Pieces(t.Context()) {
			if err != nil {
				t.Error(err)
			}
			text.WriteString(p.Text)
		}
		if err := <-cancelled; err != nil || text.String() != "far 😀" || st.At() != 9 {
			t.Errorf("%v, %q at %d", err, text.String(), st.At())
		}
		other := c.Resume("s1", "secret", 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range other.Pieces(ctx) {
			if err != context.DeadlineExceeded {
				t.Error(err)
			}
		}
	})
}

func TestAPieceThatNobodyReadsIsAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &streamServer{server: &server{conns: map[*fake]bool{}}}
		c := Connect("ws://server/dev", &Options{Dial: s.dial})
		defer c.Close()
		synctest.Wait()
		s.write("hello")
		synctest.Wait()
		for e, err := range c.Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Piece != nil {
				if e.Piece.Text != "hello" || e.Piece.Stream != "s1" {
					t.Errorf("%+v", e.Piece)
				}
				return
			}
		}
	})
}
