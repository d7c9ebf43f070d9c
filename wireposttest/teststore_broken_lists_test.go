package wireposttest

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
)

// brokenLists are the stores that break a promise about its listings, by the check
// that must find them.
var brokenLists = map[string]map[string]func(*broken){
	"each audience lists its own connections": {
		"names by their beginning": audienceBy(strings.HasPrefix),
		"names in any case":        audienceBy(strings.EqualFold),
		"everyone has a user":      audienceOnly(wirepost.KindEveryone, func(c wirepost.Connection) bool { return c.User != "" }),
		"of one stage":             audienceOnly(wirepost.KindTopic, func(c wirepost.Connection) bool { return c.Endpoint == production }),
		"absent IDs": onList(func(_ *broken, _ context.Context, a wirepost.Audience, _ wirepost.ListOptions, whole items) items {
			if a.Kind != wirepost.KindConnection {
				return whole
			}
			return func(yield func(wirepost.Listed, error) bool) { yield(wirepost.Listed{ID: a.Name, Cursor: "x"}, nil) }
		}),
	},
	"a listed item has the key of its connection": {
		"no endpoint": eachListed(func(_ int, _ wirepost.Audience, l *wirepost.Listed) bool {
			l.Endpoint = wirepost.Identity{}
			return true
		}),
		"one endpoint for all": eachListed(func(_ int, _ wirepost.Audience, l *wirepost.Listed) bool { l.Endpoint = production; return true }),
		"no connectedAt": eachListed(func(_ int, a wirepost.Audience, l *wirepost.Listed) bool {
			if a.Kind == wirepost.KindConnection {
				l.ConnectedAt = time.Time{}
			}
			return true
		}),
		"connectedAt in seconds": eachListed(func(_ int, a wirepost.Audience, l *wirepost.Listed) bool {
			if a.Kind == wirepost.KindTopic {
				l.ConnectedAt = l.ConnectedAt.Truncate(time.Second)
			}
			return true
		}),
		"connectedAt in microseconds": eachListed(func(_ int, a wirepost.Audience, l *wirepost.Listed) bool {
			if a.Kind == wirepost.KindUser {
				l.ConnectedAt = l.ConnectedAt.Add(456 * time.Microsecond)
			}
			return true
		}),
	},
	"a large audience is listed whole": {
		"a thousand of them": eachListed(func(n int, _ wirepost.Audience, _ *wirepost.Listed) bool { return n < 1000 }),
		"without the ends of pages": eachListed(func(n int, a wirepost.Audience, _ *wirepost.Listed) bool {
			return a.Kind != wirepost.KindUser || n%500 != 499
		}),
		"with the ends of pages twice": onList(func(_ *broken, _ context.Context, _ wirepost.Audience, _ wirepost.ListOptions, whole items) items {
			return func(yield func(wirepost.Listed, error) bool) {
				n := 0
				for l, err := range whole {
					if !yield(l, err) {
						return
					}
					if n++; n%1000 == 0 && !yield(l, err) {
						return
					}
				}
			}
		}),
	},
	"a listing continues behind any item": {
		"from the beginning": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, _ items) items {
			return b.Store.Connections(ctx, a, wirepost.ListOptions{Part: o.Part, Parts: o.Parts})
		}),
		"with the item itself": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items {
			return func(yield func(wirepost.Listed, error) bool) {
				if o.After != "" && !yield(wirepost.Listed{ID: string(o.After), Cursor: o.After}, nil) {
					return
				}
				whole(yield)
			}
		}),
		"behind its page": eachListed(func(n int, _ wirepost.Audience, l *wirepost.Listed) bool {
			if n == 7 {
				l.Cursor = "ff"
			}
			return true
		}),
	},
	"a listing continues behind a connection that has left": {
		"it ends": onList(func(b *broken, ctx context.Context, _ wirepost.Audience, o wirepost.ListOptions, whole items) items {
			if _, err := b.Store.Connection(ctx, string(o.After)); o.After != "" && err != nil {
				return none
			}
			return whole
		}),
		"it begins anew": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items {
			if _, err := b.Store.Connection(ctx, string(o.After)); o.After != "" && err != nil {
				return b.Store.Connections(ctx, a, wirepost.ListOptions{})
			}
			return whole
		}),
	},
	"a cursor is text that may be stored": {
		"it is binary": eachListed(func(_ int, _ wirepost.Audience, l *wirepost.Listed) bool { l.Cursor = "\xff" + l.Cursor; return true }),
		"it is empty":  eachListed(func(_ int, _ wirepost.Audience, l *wirepost.Listed) bool { l.Cursor = ""; return true }),
	},
	"the parts of a listing have each connection once": {
		"all have all": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, _ items) items {
			return b.Store.Connections(ctx, a, wirepost.ListOptions{After: o.After})
		}),
		"the first has all": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items {
			if o.Part > 0 {
				return none
			}
			return b.Store.Connections(ctx, a, wirepost.ListOptions{After: o.After})
		}),
		"the last is missing": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items {
			o.Parts++
			return b.Store.Connections(ctx, a, o)
		}),
		"the cursor leaves the part": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items {
			if o.After != "" {
				return b.Store.Connections(ctx, a, wirepost.ListOptions{After: o.After})
			}
			return whole
		}),
	},
	"the body of a listing may call every method": {
		"put waits for its end": func(b *broken) {
			lock := make(chan struct{}, 1)
			b.list = func(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) items {
				return func(yield func(wirepost.Listed, error) bool) {
					if a.Kind == wirepost.KindTopic {
						lock <- struct{}{}
						defer func() { <-lock }()
					}
					b.Store.Connections(ctx, a, o)(yield)
				}
			}
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				select {
				case lock <- struct{}{}:
					defer func() { <-lock }()
					return b.Store.Put(ctx, c)
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		},
	},
	"a listing yields what stays once, and what joins or leaves at most once": {
		"it counts places": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, _ items) items {
			return func(yield func(wirepost.Listed, error) bool) {
				for place := 0; ; place += 100 {
					all, err := list(ctx, b.Store, a, o)
					if err != nil || place >= len(all) {
						return
					}
					for _, l := range all[place:min(place+100, len(all))] {
						if !yield(l, nil) {
							return
						}
					}
				}
			}
		}),
		"what is written meanwhile comes again": func(b *broken) {
			var again []wirepost.Listed
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				if old, err := b.Store.Connection(ctx, c.ID); err == nil && c.Key().Matches(old) {
					again = append(again, wirepost.Listed{ID: c.ID, Endpoint: c.Endpoint, Cursor: wirepost.Cursor(c.ID)})
				}
				return b.Store.Put(ctx, c)
			}
			b.list = func(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) items {
				return func(yield func(wirepost.Listed, error) bool) {
					for l, err := range b.Store.Connections(ctx, a, o) {
						if !yield(l, err) {
							return
						}
					}
					for _, l := range again {
						if !yield(l, nil) {
							return
						}
					}
				}
			}
		},
	},
	"a row that is found is whole": {
		"the topics come later": func(b *broken) {
			seen := make(chan struct{})
			var once sync.Once
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				bare := c
				bare.Topics = nil
				if err := b.Store.Put(ctx, bare); err != nil {
					return err
				}
				<-seen
				return b.Store.Put(ctx, c)
			}
			b.get = func(ctx context.Context, id string) (wirepost.Connection, error) {
				defer once.Do(func() { close(seen) })
				return b.Store.Connection(ctx, id)
			}
		},
		"one is listed and never found": func(b *broken) {
			b.get = func(ctx context.Context, id string) (wirepost.Connection, error) {
				if id == "c7" {
					return wirepost.Connection{}, wirepost.ErrNotFound
				}
				return b.Store.Connection(ctx, id)
			}
		},
		"one is put and never listed": eachListed(func(_ int, a wirepost.Audience, l *wirepost.Listed) bool {
			return a.Kind != wirepost.KindUser || l.ID != "c59"
		}),
	},
	"a read sees each write that has returned": {
		"listings are kept for a while": func(b *broken) {
			kept := map[wirepost.Audience][]wirepost.Listed{}
			asked := 0
			b.list = func(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) items {
				if asked++; asked%10 == 1 {
					clear(kept)
				}
				if _, ok := kept[a]; !ok {
					kept[a], _ = list(ctx, b.Store, a, o)
				}
				return func(yield func(wirepost.Listed, error) bool) {
					for _, l := range kept[a] {
						if !yield(l, nil) {
							return
						}
					}
				}
			}
		},
		"a put is seen with the next one": func(b *broken) {
			var last []wirepost.Connection
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				last = append(last, c)
				if len(last) == 1 {
					return nil
				}
				return b.Store.Put(ctx, last[len(last)-2])
			}
		},
	},
	"a listing that is asked for wrongly yields one error": {
		"nothing": onList(func(_ *broken, _ context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items {
			if a.Validate() != nil {
				return none
			}
			return whole
		}),
		"the error twice": onList(func(_ *broken, _ context.Context, _ wirepost.Audience, _ wirepost.ListOptions, whole items) items {
			return func(yield func(wirepost.Listed, error) bool) {
				for l, err := range whole {
					if !yield(l, err) || err != nil && !yield(l, err) {
						return
					}
				}
			}
		}),
		"everything for a bad part": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items {
			if o.Validate() != nil {
				return b.Store.Connections(ctx, a, wirepost.ListOptions{})
			}
			return whole
		}),
		"everything for a bad kind": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items {
			if a.Validate() != nil {
				return b.Store.Connections(ctx, wirepost.Everyone(), o)
			}
			return whole
		}),
	},
	"a listing whose context ends yields the error once, as its last item": {
		"it goes on": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, _ items) items {
			return b.Store.Connections(context.WithoutCancel(ctx), a, o)
		}),
		"it ends as if it were whole": onList(func(_ *broken, _ context.Context, _ wirepost.Audience, _ wirepost.ListOptions, whole items) items {
			return func(yield func(wirepost.Listed, error) bool) {
				for l, err := range whole {
					if err != nil || !yield(l, nil) {
						return
					}
				}
			}
		}),
		"another error": onList(func(_ *broken, _ context.Context, _ wirepost.Audience, _ wirepost.ListOptions, whole items) items {
			return func(yield func(wirepost.Listed, error) bool) {
				for l, err := range whole {
					if err != nil {
						err = errAbsurd
					}
					if !yield(l, err) {
						return
					}
				}
			}
		}),
		"the error twice": onList(func(_ *broken, _ context.Context, _ wirepost.Audience, _ wirepost.ListOptions, whole items) items {
			return func(yield func(wirepost.Listed, error) bool) {
				for l, err := range whole {
					if !yield(l, err) || err != nil && !yield(l, err) {
						return
					}
				}
			}
		}),
	},
}
