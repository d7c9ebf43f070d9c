package client

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheClientDoesWhatTheScriptOfPresenceSays(t *testing.T) {
	b, err := os.ReadFile("../clients/testdata/presence.json")
	if err != nil {
		t.Fatal(err)
	}
	var script []struct {
		Name     string
		Presence []string
		Steps    []step
	}
	if err := json.Unmarshal(b, &script); err != nil {
		t.Fatal(err)
	}
	for _, tt := range script {
		t.Run(tt.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{conns: map[*fake]bool{}}
				c := Connect("ws://server/dev", &Options{Random: func() float64 { return 0.5 }, Dial: s.dial})
				defer c.Close()
				for _, topic := range tt.Presence {
					if _, err := c.Presence(topic, nil); err != nil {
						t.Fatal(err)
					}
				}
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

// said takes the actions that were sent, with their topics.
func (s *server) said() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.sent {
		said := fmt.Sprint(f["action"])
		if topic, ok := f["topic"]; ok {
			said += fmt.Sprint(" ", topic)
		}
		all = append(all, said)
	}
	s.sent = nil
	slices.Sort(all)
	return all
}

func TestWhoLeavesATopicOrClosesSaysGoodbye(t *testing.T) {
	for name, connected := range map[string]bool{"while it connects": false, "when it is connected": true} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { saysGoodbye(t, connected) }) })
	}
}

func saysGoodbye(t *testing.T, connected bool) {
	s := &server{conns: map[*fake]bool{}}
	topics := []string{"first"} // whose subscribe is not answered, so that the client goes on connecting
	if connected {
		topics = nil
	}
	c := Connect("ws://server/dev", &Options{Topics: topics, Random: func() float64 { return 0.5 }, Dial: s.dial})
	defer c.Close()
	synctest.Wait()
	if got := c.State() == Open; got != connected {
		t.Errorf("it is %s", c.State())
	}
	s.said()
	all := map[string]*Presence{}
	for _, topic := range []string{"hall", "lobby", "other"} {
		p, err := c.Presence(topic, nil)
		if err != nil {
			t.Fatal(err)
		}
		all[topic] = p
	}
	synctest.Wait()
	if got := fmt.Sprint(s.said()); got != "[subscribe hall subscribe lobby subscribe other]" {
		t.Errorf("at the beginning it says %s", got)
	}
	all["lobby"].Leave()
	synctest.Wait()
	if got := fmt.Sprint(s.said()); got != "[leave lobby]" {
		t.Errorf("to leave a topic it says %s", got)
	}
	began := time.Now()
	c.Close() // the server does not answer
	if got := fmt.Sprint(s.said()); got != "[leave hall leave other]" || time.Since(began) != goodbyeTime {
		t.Errorf("to close it says %s and waits %v", got, time.Since(began))
	}
}

// The answer to a subscribe says that the program is present, which has left meanwhile.
func TestWhoHasLeftBeforeItWasLetInLeavesOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{conns: map[*fake]bool{}}
		c := Connect("ws://server/dev", &Options{Random: func() float64 { return 0.5 }, Dial: s.dial})
		defer c.Close()
		synctest.Wait()
		p, err := c.Presence("lobby", nil)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.mu.Lock()
		ref := s.sent[0]["ref"]
		s.mu.Unlock()
		p.Leave()
		synctest.Wait()
		s.said()
		for _, f := range s.all() {
			f.frames <- fmt.Appendf(nil, `{"type":"ack","ref":%q,"topic":"lobby","renew":240000,"asOf":1,"members":[]}`, ref)
		}
		synctest.Wait()
		if got := fmt.Sprint(s.said()); got != "[leave lobby]" {
			t.Errorf("it says %s", got)
		}
		time.Sleep(10 * time.Minute) // of the bubble's clock
		if said := s.said(); slices.Contains(said, "check") {
			t.Errorf("it checks: %q", said)
		}
	})
}

// A check that is answered without a list says that what the client shows is right.
func TestWhoShowsNobodyAfterAListThatFailedLearnsThatThatIsRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{conns: map[*fake]bool{}}
		c := Connect("ws://server/dev", &Options{Random: func() float64 { return 0.5 }, Dial: s.dial})
		defer c.Close()
		p, err := c.Presence("lobby", nil)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.answer(`{"type":"ack","ref":%q,"topic":"lobby","renew":240000,"retry":5000}`)
		if _, known := p.Members(); known {
			t.Error("it knows who is present without a list")
		}
		time.Sleep(5 * time.Second) // of the bubble's clock
		s.answer(`{"type":"ack","ref":%q,"topics":{}}`)
		if members, known := p.Members(); !known || len(members) > 0 {
			t.Errorf("it shows %v, known: %v", members, known)
		}
	})
}

// answer answers the last frame that was sent.
func (s *server) answer(format string) {
	s.mu.Lock()
	ref := s.sent[len(s.sent)-1]["ref"]
	s.mu.Unlock()
	for _, f := range s.all() {
		f.frames <- fmt.Appendf(nil, format, ref)
	}
	synctest.Wait()
}

// tellPresence adds a change in the script's words.
func tellPresence(told []any, p *PresenceChange) []any {
	names := func(all []Member) (out []any) {
		for _, m := range all {
			out = append(out, m.User+m.ID)
		}
		return out
	}
	if len(p.Joined) > 0 {
		told = append(told, map[string]any{"joined": names(p.Joined)})
	}
	if len(p.Left) > 0 {
		told = append(told, map[string]any{"left": names(p.Left)})
	}
	if p.Many {
		told = append(told, map[string]any{"many": p.Count})
	}
	return told
}
