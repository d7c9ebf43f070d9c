package wirepost

import (
	"context"
	"time"

	"github.com/wirepost/wirepost/internal/management"
)

// removeAfter is the age from which a 410 means that a connection has ended:
// the longest a $connect function may run (29 s, AWS, WebSocket quotas page),
// plus one.
const removeAfter = 30 * time.Second

// reapGuard keeps the row of a connection that answered 410 and may be alive all
// the same. keep says why; an empty reason with true keeps it without a word.
type reapGuard struct {
	name string
	keep func(l Listed, c *endpointClient, a management.Answer) (reason KeptReason, keep bool)
}

// reapGuards are asked in their order. The last guard is the store's: it removes
// this connection and not another one under its ID ([Store].Reap).
var reapGuards = []reapGuard{
	{"the post went to the row's own endpoint", func(l Listed, c *endpointClient, _ management.Answer) (KeptReason, bool) {
		return "", l.Endpoint == (Identity{}) || l.Endpoint != c.endpoint.Identity
	}},
	{"the row says when the connection began", func(l Listed, _ *endpointClient, _ management.Answer) (KeptReason, bool) {
		return KeptAgeUnknown, l.ConnectedAt.IsZero()
	}},
	{"the gateway says what time it is", func(_ Listed, _ *endpointClient, a management.Answer) (KeptReason, bool) {
		return KeptNoDate, a.Date.IsZero()
	}},
	{"no $connect function can still be running", func(l Listed, _ *endpointClient, a management.Answer) (KeptReason, bool) {
		return KeptTooYoung, !a.Date.IsZero() && a.Date.Sub(l.ConnectedAt) < removeAfter
	}},
}

// remove reaps a connection that answered 410 if that is certain to be right, and
// says why not otherwise. What was listed decides and no row is read: if the ID has
// another connection by now, the store leaves that one alone.
func (p *Publisher) remove(ctx context.Context, to Audience, l Listed, c *endpointClient, a management.Answer) (bool, KeptReason) {
	for _, g := range p.guards {
		if reason, keep := g.keep(l, c, a); keep {
			return false, reason
		}
	}
	removed, err := p.store.Reap(ctx, to, l)
	if err != nil {
		return false, KeptStoreFailed
	}
	if removed {
		p.o.Logger.Debug("removed the row of a gone connection", "connectionId", l.ID, "endpoint", l.Endpoint.String())
	}
	return removed, ""
}
