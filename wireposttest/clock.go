package wireposttest

import (
	"sync/atomic"
	"time"
)

// Clock runs with the machine's clock and can be moved ahead of it. Its Now is for
// everything in a test that has one: gateway.Server.Now, wirepost.MemStoreOptions.Now,
// wirepost.PublisherOptions.Now, jwtauth.Options.Now. Of these the gateway and the
// publisher need the same one if it moves by minutes, because a signature is good for
// five. It may be used concurrently.
//
// It moves what the programs believe the time to be, and no timer: for idle timeouts and
// deadlines there are the gateway's own fields, or testing/synctest with a handler that
// has no network.
type Clock struct{ ahead atomic.Int64 }

// NewClock makes a clock that shows the machine's time.
func NewClock() *Clock { return &Clock{} }

// Now is the time that the clock shows.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Advance moves the clock ahead, once and for good.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }
