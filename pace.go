package wirepost

import (
	"context"
	"slices"
	"sync"
	"time"
)

// pace says when posts may start. The zero value lets them start at once and finds
// out by itself how fast that may be; one with a budget keeps to it.
//
// API Gateway answers 429 for two reasons with the same bytes: the account's
// request rate in the region is used up, or one client's buffer is full because it
// does not read (model of AWS's SDK, LimitExceededException). The first asks every
// post to go slower, the second nobody but that connection's. They are told apart
// by who is answered so: see [pace.answered].
//
// A pace belongs to one stage. The rate that AWS counts is that of the account in
// the region (AWS, "Protect your WebSocket APIs"), so publishers of several stages
// find their shares of it each by itself.
type pace struct {
	budget float64 // posts a second that are never exceeded; 0: none

	mu      sync.Mutex
	rate    float64   // posts a second that are thought possible; 0: no bound is known
	known   float64   // what was accepted a second when the rate fell last
	fell    time.Time // when that was
	changed time.Time // when the rate was changed last
	next    time.Time // when the next post may start
	recent  [4]answers
}

// answers is what was answered in a quarter of a second.
type answers struct {
	quarter   int64     // since 1970
	first     time.Time // of the answers
	accepted  int
	throttled int
	ids       []string // of throttled connections, each once, as many as matter
}

const (
	// A rate is used up when so many connections, and so large a part of the last
	// second's posts, were answered 429.
	throttledConnections = 3
	throttledPart        = 0.05
	// Fewer answers in a second say nothing about a rate: API Gateway's is 10,000
	// (AWS, WebSocket quotas page), and the pauses of single posts will do.
	throttledSample = 100

	paceQuarter = 250 * time.Millisecond
	paceSettles = time.Second          // after a fall: what was in flight is still being answered
	paceIdle    = 10 * time.Second     // a bucket that nobody used for so long is full again
	paceSlack   = 5 * time.Millisecond // posts may start early by, so that timers can be coarse
	paceFall    = 0.8                  // of what was accepted
	paceRise    = 1.05                 // each quarter of a second, near the rate that was known
	paceRun     = 1.25                 // the same, well above it
	paceSlowest = 10.0                 // posts a second
)

// wait waits for the next place in the schedule. It reports false at once, and takes
// no place, if that is not before the context's deadline: a place that nobody uses
// would be lost to all.
func (p *pace) wait(ctx context.Context) bool {
	latest, _ := ctx.Deadline()
	d, ok := p.delay(time.Now(), latest)
	return ok && sleep(ctx, d)
}

// delay takes the next place in the schedule and returns how long the post has to
// wait for it. It reports false, and takes none, if that is too late; a zero latest
// is never.
func (p *pace) delay(now, latest time.Time) (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rise(now)
	rate := p.rate
	if p.budget > 0 && (rate == 0 || p.budget < rate) {
		rate = p.budget
	}
	if rate == 0 {
		return 0, true
	}
	if p.next.Before(now) {
		p.next = now
	}
	wait := p.next.Sub(now)
	if !latest.IsZero() && !p.next.Before(latest) {
		return 0, false
	}
	p.next = p.next.Add(time.Duration(float64(time.Second) / rate))
	if wait < paceSlack {
		return 0, true
	}
	return wait, true
}

// rise raises the rate for each quarter of a second since it was changed. A rate
// that is far from being asked for, or that was not for a while, is no bound any
// more.
func (p *pace) rise(now time.Time) {
	if p.rate == 0 || now.Sub(p.changed) < paceQuarter {
		return
	}
	accepted, throttled, _ := p.lastSecond(now)
	if now.Sub(p.changed) > paceIdle || throttled == 0 && p.rate > 2*p.known && p.rate > 4*accepted {
		p.rate, p.next = 0, time.Time{}
		return
	}
	for ; now.Sub(p.changed) >= paceQuarter; p.changed = p.changed.Add(paceQuarter) {
		if p.rate < 1.25*p.known {
			p.rate *= paceRise
		} else {
			p.rate *= paceRun
		}
	}
}

// answered notes an answer of the management API. The rate falls below what is
// being accepted when at least three connections and a twentieth of the last
// second's posts were answered 429. Fewer are clients that do not read: they slow
// nobody else down.
func (p *pace) answered(now time.Time, throttled bool, connectionID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	quarter := now.UnixNano() / int64(paceQuarter)
	a := &p.recent[quarter%int64(len(p.recent))]
	if a.quarter != quarter {
		*a = answers{quarter: quarter, first: now, ids: a.ids[:0]}
	}
	if !throttled {
		a.accepted++
		return
	}
	a.throttled++
	if len(a.ids) < throttledConnections && !slices.Contains(a.ids, connectionID) {
		a.ids = append(a.ids, connectionID)
	}
	if now.Sub(p.fell) < paceSettles {
		return
	}
	accepted, refused, connections := p.lastSecond(now)
	if sample := accepted + refused; sample < throttledSample || connections < throttledConnections || refused < throttledPart*sample {
		return
	}
	p.known = accepted
	if p.rate = max(paceFall*accepted, paceSlowest); p.next.Before(now) {
		p.next = now
	}
	p.fell, p.changed = now, now
}

// lastSecond is what was answered a second, in this quarter of a second and the
// three before it, and how many connections were throttled: three if more.
func (p *pace) lastSecond(now time.Time) (accepted, throttled float64, connections int) {
	quarter := now.UnixNano() / int64(paceQuarter)
	first := now
	var ids []string
	for _, a := range p.recent {
		if quarter-a.quarter >= int64(len(p.recent)) {
			continue
		}
		if a.first.Before(first) {
			first = a.first
		}
		accepted += float64(a.accepted)
		throttled += float64(a.throttled)
		for _, id := range a.ids {
			if len(ids) < throttledConnections && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	span := max(now.Sub(first), paceQuarter).Seconds()
	return accepted / span, throttled / span, len(ids)
}

// sleep waits, and reports false if the context ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// paceOf is the pace of a stage.
func (p *Publisher) paceOf(id Identity) *pace {
	p.pacing.Lock()
	defer p.pacing.Unlock()
	known := p.paces[id]
	if known == nil {
		known = &pace{}
		p.paces[id] = known
	}
	return known
}
