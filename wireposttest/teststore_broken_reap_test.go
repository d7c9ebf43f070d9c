package wireposttest

import (
	"cmp"
	"context"

	"github.com/wirepost/wirepost"
)

// brokenReaps are the stores that break a promise about the removal of what was
// listed, by the check that must find them.
var brokenReaps = map[string]map[string]func(*broken){
	"reap removes what was listed": {
		"nothing": func(b *broken) {
			b.reap = func(ctx context.Context, _ wirepost.Audience, l wirepost.Listed) (bool, error) {
				_, err := b.Store.Connection(ctx, l.ID)
				return err == nil, nil
			}
		},
		"the row stays": onReap(func(ctx context.Context, b *broken, a wirepost.Audience, l wirepost.Listed) (bool, error) {
			c, err := b.Store.Connection(ctx, l.ID)
			if a.Kind != wirepost.KindTopic || err != nil {
				return b.Store.Reap(ctx, a, l)
			}
			for _, t := range c.Topics {
				err = cmp.Or(err, b.Store.Unsubscribe(ctx, l.ID, t))
			}
			return true, err
		}),
		"other listings still have it": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items {
			if a == wirepost.ToTopic("b") {
				return b.immortal.Connections(ctx, a, o)
			}
			return whole
		}),
		"and who is there besides": onReap(func(ctx context.Context, b *broken, a wirepost.Audience, l wirepost.Listed) (bool, error) {
			if a.Kind != wirepost.KindUser {
				return b.Store.Reap(ctx, a, l)
			}
			done := false
			for l := range b.Store.Connections(ctx, a, wirepost.ListOptions{}) {
				yes, err := b.Store.Reap(ctx, a, l)
				if err != nil {
					return done, err
				}
				done = done || yes
			}
			return done, nil
		}),
		"it reports true again": onReap(func(ctx context.Context, b *broken, a wirepost.Audience, l wirepost.Listed) (bool, error) {
			_, err := b.Store.Reap(ctx, a, l)
			return true, err
		}),
		"it reports false": onReap(func(ctx context.Context, b *broken, a wirepost.Audience, l wirepost.Listed) (bool, error) {
			_, err := b.Store.Reap(ctx, a, l)
			return false, err
		}),
		"not for everyone": onReap(func(ctx context.Context, b *broken, a wirepost.Audience, l wirepost.Listed) (bool, error) {
			if a.Kind == wirepost.KindEveryone {
				return false, nil
			}
			return b.Store.Reap(ctx, a, l)
		}),
	},
	"reap leaves another connection under the same ID alone": {
		"by the ID": onReap(func(ctx context.Context, b *broken, a wirepost.Audience, l wirepost.Listed) (bool, error) {
			if c, err := b.Store.Connection(ctx, l.ID); err == nil {
				return b.Store.Delete(ctx, c.Key())
			}
			return false, nil
		}),
		"of its endpoint": onReap(func(ctx context.Context, b *broken, a wirepost.Audience, l wirepost.Listed) (bool, error) {
			if c, err := b.Store.Connection(ctx, l.ID); err == nil && c.Endpoint == l.Endpoint {
				return b.Store.Delete(ctx, c.Key())
			}
			return false, nil
		}),
		"its topic is lost": onReap(func(ctx context.Context, b *broken, a wirepost.Audience, l wirepost.Listed) (bool, error) {
			if a.Kind == wirepost.KindTopic {
				if err := b.Store.Unsubscribe(ctx, l.ID, a.Name); err != nil {
					return false, err
				}
			}
			return b.Store.Reap(ctx, a, l)
		}),
		"it reports true": onReap(func(ctx context.Context, b *broken, a wirepost.Audience, l wirepost.Listed) (bool, error) {
			_, err := b.Store.Reap(ctx, a, l)
			return true, err
		}),
	},
}

func onReap(f func(ctx context.Context, b *broken, a wirepost.Audience, l wirepost.Listed) (bool, error)) func(*broken) {
	return func(b *broken) {
		b.reap = func(ctx context.Context, a wirepost.Audience, l wirepost.Listed) (bool, error) {
			return f(ctx, b, a, l)
		}
	}
}
