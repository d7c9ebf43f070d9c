package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// step is one of clients/testdata/log.json, which the browser client is held by, too.
type step struct {
	Sent    map[string]any  `json:"sent"`
	Say     map[string]any  `json:"say"`
	Advance int             `json:"advance"` // milliseconds
	Close   int             `json:"close"`
	Told    json.RawMessage `json:"told"`
	State   State           `json:"state"`
	Quiet   bool            `json:"quiet"`
}

// server is the other end of all sockets of a test.
type server struct {
	mu   sync.Mutex
	sent []map[string]any
	// sentBy is sent, and by whom.
	sentBy []sentFrame
	conns  map[*fake]bool
}

type sentFrame struct {
	by    *fake
	frame map[string]any
}

type fake struct {
	s      *server
	frames chan []byte
	ended  chan struct{}
	once   sync.Once
}

func (s *server) dial(context.Context, string, []string) (Socket, error) {
	f := &fake{s: s, frames: make(chan []byte, 1000), ended: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[f] = true
	return f, nil
}

func (f *fake) Read(ctx context.Context) ([]byte, error) {
	select {
	case b := <-f.frames:
		return b, nil
	case <-f.ended:
		return nil, errors.New("closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fake) Write(_ context.Context, text []byte) error {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	var frame map[string]any
	if err := json.Unmarshal(text, &frame); err != nil {
		return err
	}
	f.s.sent, f.s.sentBy = append(f.s.sent, frame), append(f.s.sentBy, sentFrame{f, frame})
	return nil
}

func (f *fake) Close(int) {
	f.once.Do(func() { close(f.ended) })
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	delete(f.s.conns, f)
}

func (s *server) all() (all []*fake) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.conns {
		all = append(all, f)
	}
	return all
}

func TestTheClientDoesWhatTheScriptOfAllClientsSays(t *testing.T) {
	b, err := os.ReadFile("../clients/testdata/log.json")
	if err != nil {
		t.Fatal(err)
	}
	var script []struct {
		Name   string
		Topics []string
		Steps  []step
	}
	if err := json.Unmarshal(b, &script); err != nil {
		t.Fatal(err)
	}
	for _, tt := range script {
		t.Run(tt.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{conns: map[*fake]bool{}}
				c := Connect("ws://server/dev", &Options{Topics: tt.Topics, Random: func() float64 { return 0.5 }, Dial: s.dial})
				defer c.Close()
				synctest.Wait()
				ref := any(nil)
				for i, st := range tt.Steps {
					if err := st.run(c, s, &ref); err != nil {
						t.Fatalf("step %d: %v", i, err)
					}
				}
				if told := tell(c); len(told) > 0 {
					t.Errorf("at the end it is told %v", told)
				}
			})
		})
	}
}

func (st step) run(c *Client, s *server, ref *any) error {
	switch {
	case st.Sent != nil:
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.sent) == 0 {
			return fmt.Errorf("nothing was sent, want %v", st.Sent)
		}
		frame := s.sent[0]
		s.sent = s.sent[1:]
		*ref = frame["ref"]
		for k, want := range st.Sent {
			if !reflect.DeepEqual(frame[k], want) {
				return fmt.Errorf("%v was sent, want %v", frame, st.Sent)
			}
		}
	case st.Say != nil:
		if st.Say["ref"] != nil {
			st.Say["ref"] = *ref
		}
		b, err := json.Marshal(st.Say)
		if err != nil {
			return err
		}
		for _, f := range s.all() {
			f.frames <- b
		}
		synctest.Wait()
	case st.Advance > 0:
		time.Sleep(time.Duration(st.Advance) * time.Millisecond) // of the bubble's clock
		synctest.Wait()
	case st.Close > 0:
		for _, f := range s.all() {
			f.once.Do(func() { close(f.ended) })
		}
		synctest.Wait()
	case st.Told != nil:
		var want []any
		if err := json.Unmarshal(st.Told, &want); err != nil {
			return err
		}
		if told := tell(c); fmt.Sprint(told) != fmt.Sprint(want) {
			return fmt.Errorf("the program is told %v, want %v", told, want)
		}
	case st.State != "":
		if got := c.State(); got != st.State {
			return fmt.Errorf("the state is %s, want %s", got, st.State)
		}
	case st.Quiet:
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.sent) > 0 {
			return fmt.Errorf("%v was sent", s.sent)
		}
	default:
		return errors.New("there is no such step")
	}
	return nil
}

// tell takes the messages and gaps that wait for the program, in the script's words.
func tell(c *Client) (told []any) {
	for {
		e, ok := c.takeEvent()
		switch {
		case !ok:
			return told
		case e.Message != nil:
			told = append(told, string(e.Message.Data))
		case e.Gap != nil:
			told = append(told, map[string]any{"gap": []any{e.Gap.Topic, e.Gap.From, e.Gap.To}})
		}
	}
}
