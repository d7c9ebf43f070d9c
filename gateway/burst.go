package gateway

import (
	"log/slog"
	"sync"
	"time"
)

// How long a burst is counted before its count is said, first and from then on.
const (
	burstWindow     = 10 * time.Second
	burstLongWindow = time.Minute
)

// burst logs the first of many events alike at once and counts those that follow: any
// page that somebody has open can make a thousand in a second.
type burst struct {
	log     *slog.Logger
	message string // of the first, such as "refused a handshake"
	more    string // of those that followed

	mu    sync.Mutex
	timer *time.Timer // nil: no burst
	count int         // not said yet
}

// note takes an event. What it says of it is said of the first alone.
func (b *burst) note(name, value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.count++
		return
	}
	b.log.Warn(b.message, name, clipped(value))
	b.timer = time.AfterFunc(burstWindow, b.say)
}

// say says the count; a window without any ends the burst.
func (b *burst) say() {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.timer == nil: // it has been ended
	case b.count == 0:
		b.timer = nil
	default:
		b.tell()
		b.timer.Reset(burstLongWindow)
	}
}

func (b *burst) tell() {
	b.log.Warn(b.more, "count", b.count)
	b.count = 0
}

// end says what has not been said.
func (b *burst) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if b.count > 0 {
		b.tell()
	}
}

// clipped is the beginning of what a stranger has sent, as much as a line may have.
func clipped(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
