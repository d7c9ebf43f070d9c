package gateway

import (
	"fmt"
	"sync"
	"time"
)

// How long a burst is counted before its count is said, first and from then on.
const (
	burstWindow     = 10 * time.Second
	burstLongWindow = time.Minute
	// alikeBursts is how many lines of one cause are counted each for itself: what
	// differs in them may be what a stranger has sent.
	alikeBursts = 5
)

// bursts say the first of many equal lines at once and count those that follow: any
// page that somebody has open can make a thousand in a second.
type bursts struct {
	say func(string)

	mu      sync.Mutex
	running map[burstKey]*burst
	ended   bool
}

// burstKey names a burst. An empty line stands for all that are too many.
type burstKey struct {
	cause cause
	line  string
}

type burst struct {
	timer *time.Timer
	count int // not said yet
}

// note takes one event: why the gateway refused something.
func (b *bursts) note(c cause, why string) {
	key := burstKey{c, c.of() + ": " + clipped(why, maxLine)}
	b.mu.Lock()
	first := b.count(&key)
	b.mu.Unlock()
	if first {
		b.say(key.line)
	}
}

// count reports whether a line is to be said now. The caller holds mu.
func (b *bursts) count(key *burstKey) (first bool) {
	if b.ended || b.say == nil {
		return false
	}
	if b.running[*key] == nil {
		alike := 0
		for other := range b.running {
			if other.cause == key.cause && other.line != "" {
				alike++
			}
		}
		if alike >= alikeBursts {
			key.line = ""
		}
	}
	if running := b.running[*key]; running != nil {
		running.count++
		return false
	}
	if b.running == nil {
		b.running = make(map[burstKey]*burst)
	}
	began := &burst{}
	if key.line == "" {
		began.count = 1
	}
	at := *key
	began.timer = time.AfterFunc(burstWindow, func() { b.tick(at) })
	b.running[at] = began
	return key.line != ""
}

// tick says the count; a window without any ends the burst.
func (b *bursts) tick(key burstKey) {
	b.mu.Lock()
	running := b.running[key]
	line := ""
	switch {
	case running == nil: // it has been ended
	case running.count == 0:
		delete(b.running, key)
	default:
		line = running.line(key)
		running.timer.Reset(burstLongWindow)
	}
	b.mu.Unlock()
	if line != "" {
		b.say(line)
	}
}

// line takes the count and makes a line of it.
func (r *burst) line(key burstKey) string {
	n := r.count
	r.count = 0
	times := fmt.Sprintf("%d times more", n)
	if n == 1 {
		times = "once more"
	}
	if key.line == "" {
		return fmt.Sprintf("%s: %s, with other details (%s)", key.cause.of(), key.cause.name(), times)
	}
	return key.line + " (" + times + ")"
}

// end says what has not been said. Nothing is said from then on.
func (b *bursts) end() {
	b.mu.Lock()
	var lines []string
	for key, running := range b.running {
		running.timer.Stop()
		if running.count > 0 {
			lines = append(lines, running.line(key))
		}
	}
	b.running, b.ended = nil, true
	b.mu.Unlock()
	for _, line := range lines {
		b.say(line)
	}
}

// maxLine bounds what a line says, maxDetail each part of it that a client has sent.
const (
	maxLine   = 1000
	maxDetail = 200
)

// clipped is the beginning of a text.
func clipped(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && s[most]&0xc0 == 0x80 { // within a character
		most--
	}
	return s[:most] + "…"
}

// quoted is what a client has sent, as much as a line may have of it.
func quoted(s string) string { return fmt.Sprintf("%q", clipped(s, maxDetail)) }
