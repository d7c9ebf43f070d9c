package dynamostore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
)

// logged300 are n entries of 300 bytes.
func logged300(from, n int) (entries []wirepost.LogEntry) {
	for i := range n {
		id := fmt.Sprintf("%026d", from+i)
		frame := must(wirepost.Envelope{ID: id, To: wirepost.ToTopic(topicOf16), Data: []byte(`""`)}.Frame())
		data := strings.Replace(string(frame), `""`, `"`+strings.Repeat("x", 300-len(frame))+`"`, 1)
		entries = append(entries, wirepost.LogEntry{Data: []byte(data), ID: id, Keep: 24 * time.Hour})
	}
	return entries
}

// measureLog measures what a topic with a log costs. Messages have 300 bytes.
func measureLog(t *testing.T, m *metered, all *measurement) {
	ctx := t.Context()
	measure := func(name string, f func() error) { t.Helper(); all.add(name, m.of(t, f)) }
	n := 0
	add := func(s *dynamostore.Store, count int) func() error {
		return func() error {
			_, err := s.Append(ctx, topicOf16, logged300(n, count), nil)
			n += count
			return err
		}
	}
	read := func(s *dynamostore.Store, back uint64) func() error {
		return func() error {
			head, err := m.s.Head(ctx, topicOf16)
			m.mu.Lock()
			m.used = used{} // that was to know where
			m.mu.Unlock()
			if err != nil {
				return err
			}
			r, err := s.Read(ctx, topicOf16, wirepost.Position{Epoch: head.Epoch, Offset: head.Offset - back}, wirepost.ReadLimit{})
			if err == nil && (uint64(len(r.Messages)) != back || r.More || r.UpTo != head) {
				err = fmt.Errorf("%d messages of %d were read, up to %v of %v", len(r.Messages), back, r.UpTo, head)
			}
			return err
		}
	}
	measure("read a topic without a log", func() error {
		_, err := m.s.Read(ctx, topicOf16, wirepost.Position{}, wirepost.ReadLimit{})
		return err
	})
	measure("append, the first one of a topic", add(m.s, 1))
	measure("append", add(m.s, 1))
	measure("append 16 messages together", add(m.s, 16))
	measure("append, the first one of a process", add(m.process(t), 1))
	measure("append, and another process was faster", add(m.s, 1))
	publisher := wirepost.NewPublisher(m.s, nil)
	again := func(e wirepost.LogEntry) func() error {
		return func() error {
			_, err := publisher.Append(ctx, wirepost.ToTopic(topicOf16), e.Data, &wirepost.PublishOptions{Keep: e.Keep, Again: true, FirstSent: metersClock})
			return err
		}
	}
	measure("append again, what is there", again(logged300(n-1, 1)[0]))
	for range 100 {
		if err := add(m.s, 1)(); err != nil {
			t.Fatal(err)
		}
	}
	measure("find the end of a log", func() error { _, err := m.s.Head(ctx, topicOf16); return err })
	other := m.process(t)
	measure("read, the first one of a process, at the end", read(other, 0))
	measure("read, at the end", read(other, 0))
	measure("read, 20 messages behind", read(m.process(t), 20))
	measure("read, 90 messages behind", read(m.process(t), 90))
	measure("read, 90 messages behind, which the process has", func() error {
		p := m.process(t)
		if err := read(p, 90)(); err != nil {
			return err
		}
		return read(p, 90)()
	})
	measure("begin a new epoch", func() error { _, err := m.s.Restart(ctx, topicOf16); return err })
}
