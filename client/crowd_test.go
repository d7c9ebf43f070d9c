package client

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Two programs publish to the same 10,000 clients, one at 3,000 and one at 5,000 posts a
// second: the message of the faster one overtakes that of the slower one at most clients,
// by more than a second at the last. A client that asked for what is on its way would cost
// a read each time; they learn to wait. Every tenth client is simulated.
func TestFewClientsReadBecauseOneMessageOvertakesAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, each, pairs = 1000, 10, 150
		s := &server{conns: map[*fake]bool{}}
		var mu sync.Mutex
		random := rand.New(rand.NewPCG(1, 2))
		draw := func() float64 { mu.Lock(); defer mu.Unlock(); return random.Float64() }
		var all []*Client
		for range clients {
			c := Connect("ws://server/dev", &Options{Topics: []string{"lobby"}, Random: draw, Dial: s.dial, PingAfter: 24 * time.Hour, MaxAge: 48 * time.Hour})
			defer c.Close()
			all = append(all, c)
		}
		synctest.Wait()
		conns := s.all()
		reads := 0
		head := uint64(0)
		answer := func() { // subscribes and reads
			s.mu.Lock()
			sent := s.sentBy
			s.sentBy = nil
			s.mu.Unlock()
			for _, f := range sent {
				after := uint64(0)
				if a, ok := f.frame["after"].(map[string]any); ok {
					after = uint64(a["offset"].(float64))
				}
				if f.frame["action"] == "read" {
					reads++
				}
				a := map[string]any{"type": "ack", "ref": f.frame["ref"], "epoch": "e", "offset": head, "upTo": head}
				var messages []json.RawMessage
				for n := after + 1; n <= head && f.frame["after"] != nil; n++ {
					messages = append(messages, kept(n))
				}
				a["messages"] = messages
				b, err := json.Marshal(a)
				if err != nil {
					t.Fatal(err)
				}
				f.by.frames <- b
			}
			synctest.Wait()
		}
		answer()
		for range pairs {
			slow, fast := head+1, head+2
			head += 2
			for i, f := range conns {
				time.AfterFunc(time.Duration(i*each)*time.Second/3000, func() { f.frames <- kept(slow) })
				time.AfterFunc(time.Duration(i*each)*time.Second/5000, func() { f.frames <- kept(fast) })
			}
			for range 80 {
				time.Sleep(100 * time.Millisecond) // of the bubble's clock
				answer()
			}
		}
		share := float64(reads) / float64(clients*2*pairs)
		t.Logf("%d clients, %d messages: %d reads, which are %.2f %% of the clients a message", clients, 2*pairs, reads, 100*share)
		if share > 0.01 {
			t.Errorf("%.2f %% of the clients read for each message", 100*share)
		}
		for i, c := range all {
			if told := tell(c); len(told) != 2*pairs {
				t.Fatalf("client %d was told %d messages, want %d", i, len(told), 2*pairs)
			}
		}
	})
}

func kept(offset uint64) []byte {
	return fmt.Appendf(nil, `{"type":"message","id":"m%d","to":"topic:lobby","data":%[1]d,"epoch":"e","offset":%[1]d}`, offset)
}
