package wirepost

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Publication is one of the messages of [Publisher.PublishAll].
type Publication struct {
	To      Audience
	Data    []byte
	Options *PublishOptions // as for Publish; its OnResult gets outcomes of this message only
}

// Published is what Publish would have returned for a [Publication].
type Published struct {
	Result Result
	Err    error
}

// publishedAtOnce is how many audiences PublishAll sends to at the same time.
const publishedAtOnce = 8

// PublishAll publishes several messages, and returns a result for each, in their order.
// Messages to one audience are sent one after the other, those to different audiences
// at the same time, 8 audiences at most. Messages to one topic that are kept
// are appended together, as far as an item has room for them, which costs less; one with
// Again is looked for and appended by itself, in its turn. Nothing is sent to a topic
// before all its messages have been appended or refused: one that was not appended does
// not keep those behind it from being sent. A panic, such as one of the store, goes on in
// the goroutine that called PublishAll when all audiences have ended.
func (p *Publisher) PublishAll(ctx context.Context, all []Publication) []Published {
	p.made("wirepost: Publisher.PublishAll")
	results := make([]Published, len(all))
	var audiences [][]int // indices, in the order of their first message
	of := map[Audience]int{}
	for i, m := range all {
		n, there := of[m.To]
		if !there {
			n = len(audiences)
			of[m.To] = n
			audiences = append(audiences, nil)
		}
		audiences[n] = append(audiences[n], i)
	}
	places := make(chan struct{}, publishedAtOnce)
	var group sync.WaitGroup
	var panicked atomic.Pointer[goroutinePanic]
	for _, indices := range audiences {
		places <- struct{}{}
		group.Go(func() {
			defer func() {
				if value := recover(); value != nil {
					panicked.CompareAndSwap(nil, &goroutinePanic{value, debug.Stack()})
				}
				<-places
			}()
			p.publishInTurn(ctx, all, indices, results)
		})
	}
	group.Wait()
	if v := panicked.Load(); v != nil {
		panic(v)
	}
	return results
}

// publishInTurn publishes messages to one audience.
func (p *Publisher) publishInTurn(ctx context.Context, all []Publication, indices []int, results []Published) {
	kept := p.keepAll(ctx, all, indices, results)
	for _, i := range indices {
		m, o := all[i], all[i].Options
		if o == nil {
			o = &PublishOptions{}
		}
		switch k := kept[i]; {
		case results[i].Err != nil:
		case k != nil:
			results[i].Result, results[i].Err = p.sendKept(ctx, m.To, *k, o)
		default:
			unkept := *o
			unkept.Keep = -1
			results[i].Result, results[i].Err = p.Publish(ctx, m.To, m.Data, &unkept)
		}
	}
}

// keepAll appends those of the messages that are kept. What cannot be published has its
// error in results then.
func (p *Publisher) keepAll(ctx context.Context, all []Publication, indices []int, results []Published) map[int]*Kept {
	kept := map[int]*Kept{}
	var waiting []int
	var entries []LogEntry
	size := 0
	flush := func() {
		if len(entries) > 0 {
			p.keepGroup(ctx, all[waiting[0]].To, waiting, entries, kept, results)
		}
		waiting, entries, size = nil, nil, 0
	}
	for _, i := range indices {
		m, o := all[i], all[i].Options
		if o == nil {
			o = &PublishOptions{}
		}
		err := CheckMessage(m.Data)
		if err == nil {
			err = m.To.Validate()
		}
		if err != nil {
			results[i].Err = err
			continue
		}
		keep, err := p.keepFor(m.To, o)
		switch {
		case err != nil:
			results[i].Err = err
		case keep == 0:
		case o.Again:
			flush()
			if k, err := p.append(ctx, m.To, m.Data, keep, o); err != nil {
				results[i].Err = err
			} else {
				kept[i] = &k
			}
		default:
			e, err := entryOf(m.To, m.Data, keep)
			if err != nil {
				results[i].Err = err
				continue
			}
			if len(entries) == MaxAppendEntries || len(entries) > 0 && size+len(m.Data) > MaxAppendBytes {
				flush()
			}
			waiting, entries, size = append(waiting, i), append(entries, e), size+len(m.Data)
		}
	}
	flush()
	return kept
}

// keepGroup appends messages to one topic together.
func (p *Publisher) keepGroup(ctx context.Context, to Audience, indices []int, entries []LogEntry, kept map[int]*Kept, results []Published) {
	l, err := p.log(to)
	if err == nil {
		var first Position
		if first, err = l.Append(ctx, to.Name, entries, nil); err == nil {
			for n, i := range indices {
				at := Position{first.Epoch, first.Offset + uint64(n)}
				kept[i] = &Kept{Frame: at.Framed(entries[n].Data), Position: at}
			}
			return
		}
		err = notKept(to, err)
	}
	for _, i := range indices {
		results[i].Err = err
	}
}
