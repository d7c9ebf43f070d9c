package wireposttest

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/wirepost/wirepost"
)

// brokenRaces are the stores that do in two steps what has to be one, by the check
// that must find them. Between the steps they let others have their turn.
var brokenRaces = map[string]map[string]func(*broken){
	"a $disconnect that comes late leaves the new connection whole": {
		"delete looks at the row, then removes what has the ID": func(b *broken) {
			b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
				if c, err := b.Store.Connection(ctx, k.ID); err != nil || !k.Matches(c) {
					return false, nil
				}
				othersTurn()
				c, err := b.Store.Connection(ctx, k.ID)
				if err != nil {
					return false, nil
				}
				return b.Store.Delete(ctx, c.Key())
			}
		},
		"delete removes the row, then the subscriptions of the ID": func(b *broken) {
			b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
				c, _ := b.Store.Connection(ctx, k.ID)
				done, err := b.Store.Delete(ctx, k)
				othersTurn()
				for _, t := range c.Topics {
					err = cmp.Or(err, b.Store.Unsubscribe(ctx, k.ID, t))
				}
				return done, err
			}
		},
		"reap removes the subscription of the ID": onReap(func(ctx context.Context, b *broken, a wirepost.Audience, l wirepost.Listed) (bool, error) {
			c, err := b.Store.Connection(ctx, l.ID)
			othersTurn()
			if err == nil && l.Key().Matches(c) && a.Kind == wirepost.KindTopic {
				b.Store.Unsubscribe(ctx, l.ID, a.Name)
			}
			return b.Store.Reap(ctx, a, l)
		}),
		"put takes the topics of the row that it found": func(b *broken) {
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				old, err := b.Store.Connection(ctx, c.ID)
				othersTurn()
				if _, gone := b.Store.Connection(ctx, c.ID); err == nil && gone != nil {
					c.Topics = append(slices.Clone(c.Topics), old.Topics...)
				}
				return b.Store.Put(ctx, c)
			}
		},
	},
	"a $connect that is delivered twice at once is one connection": {
		"put looks, then adds one more": func(b *broken) {
			var mu sync.Mutex
			left := map[string]int{} // how many more than one
			seen := map[string]wirepost.Listed{}
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				_, absent := b.Store.Connection(ctx, c.ID)
				othersTurn()
				mu.Lock()
				defer mu.Unlock()
				if _, stillAbsent := b.Store.Connection(ctx, c.ID); absent != nil && stillAbsent == nil {
					left[c.ID]++
				}
				seen[c.ID] = wirepost.Listed{ID: c.ID, Endpoint: c.Endpoint, ConnectedAt: c.ConnectedAt, Cursor: "x"}
				return b.Store.Put(ctx, c)
			}
			b.list = func(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) items {
				return func(yield func(wirepost.Listed, error) bool) {
					for l, err := range b.Store.Connections(ctx, a, o) {
						if !yield(l, err) {
							return
						}
					}
					mu.Lock()
					defer mu.Unlock()
					for id, n := range left {
						if n > 0 && a.Kind == wirepost.KindUser && !yield(seen[id], nil) {
							return
						}
					}
				}
			}
		},
		"the second put begins the row anew": func(b *broken) {
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				_, err := b.Store.Connection(ctx, c.ID)
				othersTurn()
				if _, again := b.Store.Connection(ctx, c.ID); err != nil && again == nil {
					c.Topics = nil
					b.Store.Delete(ctx, c.Key())
				}
				return b.Store.Put(ctx, c)
			}
		},
	},
	"a $disconnect among subscribes leaves nothing": {
		"subscribe looks at the row, then is listed": func(b *broken) {
			var mu sync.Mutex
			left := map[string][]wirepost.Listed{}
			b.sub = func(ctx context.Context, id, topic string) error {
				c, err := b.Store.Connection(ctx, id)
				if err != nil {
					return err
				}
				othersTurn()
				if err = b.Store.Subscribe(ctx, id, topic); err != nil {
					mu.Lock()
					defer mu.Unlock()
					left[topic] = append(left[topic], wirepost.Listed{ID: id, Endpoint: c.Endpoint, ConnectedAt: c.ConnectedAt, Cursor: "x"})
				}
				return nil
			}
			b.list = func(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) items {
				return func(yield func(wirepost.Listed, error) bool) {
					for l, err := range b.Store.Connections(ctx, a, o) {
						if !yield(l, err) {
							return
						}
					}
					mu.Lock()
					defer mu.Unlock()
					for _, l := range left[a.Name] {
						if a.Kind == wirepost.KindTopic && !yield(l, nil) {
							return
						}
					}
				}
			}
		},
		"subscribe brings the row back": func(b *broken) {
			b.sub = func(ctx context.Context, id, topic string) error {
				c, err := b.Store.Connection(ctx, id)
				if err != nil {
					return err
				}
				othersTurn()
				c.Topics = append(c.Topics, topic)
				return b.Store.Put(ctx, c)
			}
		},
		"delete gives up when the row has changed": func(b *broken) {
			b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
				before, _ := b.Store.Connection(ctx, k.ID)
				othersTurn()
				if now, _ := b.Store.Connection(ctx, k.ID); !slices.Equal(now.Topics, before.Topics) {
					return false, nil
				}
				return b.Store.Delete(ctx, k)
			}
		},
	},
	"a subscribe among unsubscribes is listed exactly if the row has it": {
		"the row, then the listing": func(b *broken) {
			var mu sync.Mutex
			listed := map[string]map[string]bool{}
			set := func(id, topic string, on bool) {
				mu.Lock()
				defer mu.Unlock()
				if listed[topic] == nil {
					listed[topic] = map[string]bool{}
				}
				listed[topic][id] = on
			}
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				for _, t := range c.Topics {
					set(c.ID, t, true)
				}
				return b.Store.Put(ctx, c)
			}
			b.sub = func(ctx context.Context, id, topic string) error {
				err := b.Store.Subscribe(ctx, id, topic)
				othersTurn()
				set(id, topic, true)
				return err
			}
			b.unsub = func(ctx context.Context, id, topic string) error {
				err := b.Store.Unsubscribe(ctx, id, topic)
				othersTurn()
				set(id, topic, false)
				return err
			}
			b.list = func(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) items {
				if a.Kind != wirepost.KindTopic {
					return b.Store.Connections(ctx, a, o)
				}
				return func(yield func(wirepost.Listed, error) bool) {
					for l, err := range b.Store.Connections(ctx, wirepost.Everyone(), o) {
						mu.Lock()
						on := listed[a.Name][l.ID]
						mu.Unlock()
						if on && !yield(l, err) {
							return
						}
					}
				}
			}
		},
	},
	"a put again among subscribes loses nothing": {
		"put reads the topics, then writes them": func(b *broken) {
			var mu sync.Mutex
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				old, err := b.Store.Connection(ctx, c.ID)
				if err == nil && c.Key().Matches(old) {
					c.Topics = append(slices.Clone(c.Topics), old.Topics...)
				}
				othersTurn()
				mu.Lock()
				defer mu.Unlock()
				b.Store.Delete(ctx, c.Key())
				return b.Store.Put(ctx, c)
			}
		},
		"subscribe writes the row that it read": func(b *broken) {
			b.sub = func(ctx context.Context, id, topic string) error {
				c, err := b.Store.Connection(ctx, id)
				if err != nil {
					return err
				}
				othersTurn()
				c.Topics = append(c.Topics, topic)
				return b.Store.Put(ctx, c)
			}
		},
	},
	"the newest stage record wins, and no reader sees it go back": {
		"put reads the record, then writes": func(b *broken) {
			var mu sync.Mutex // so that there is no moment without a record
			b.putStage = func(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
				if old, err := b.Store.Stage(ctx, r.Identity); err == nil && !r.Newer(old) {
					return old, nil
				}
				othersTurn()
				mu.Lock()
				defer mu.Unlock()
				if now, err := b.Store.Stage(ctx, r.Identity); err == nil {
					b.Store.DeleteStage(ctx, now)
				}
				return b.Store.PutStage(ctx, r)
			}
			b.stage = func(ctx context.Context, id wirepost.Identity) (wirepost.StageRecord, error) {
				mu.Lock()
				defer mu.Unlock()
				return b.Store.Stage(ctx, id)
			}
		},
		"every second read is of a copy that is brought up to date behind it": func(b *broken) {
			var mu sync.Mutex
			n := 0
			var old wirepost.StageRecord
			b.stage = func(ctx context.Context, id wirepost.Identity) (wirepost.StageRecord, error) {
				mu.Lock()
				defer mu.Unlock()
				now, err := b.Store.Stage(ctx, id)
				if n++; n%2 == 0 && err == nil && old.URL != "" {
					old, now = now, old
				} else if n%2 == 0 {
					old = now
				}
				return now, err
			}
		},
	},
	"a delete of a stage record leaves a newer one alone": {
		"delete looks at the record, then removes what the stage has": func(b *broken) {
			b.delStage = func(ctx context.Context, r wirepost.StageRecord) (bool, error) {
				if now, err := b.Store.Stage(ctx, r.Identity); err != nil || now.URL != r.URL {
					return false, nil
				}
				othersTurn()
				now, err := b.Store.Stage(ctx, r.Identity)
				if err != nil {
					return false, nil
				}
				return b.Store.DeleteStage(ctx, now)
			}
		},
	},
	"a listing among connects and disconnects has what stays once": {
		"it counts places": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, _ items) items {
			return func(yield func(wirepost.Listed, error) bool) {
				const page = 2
				for place := 0; ; place += page {
					all, err := list(ctx, b.Store, a, o)
					if err != nil {
						yield(wirepost.Listed{}, err)
						return
					}
					if place >= len(all) {
						return
					}
					for _, l := range all[place:min(place+page, len(all))] {
						if !yield(l, nil) {
							return
						}
					}
					othersTurn()
				}
			}
		}),
		"it ends with one that leaves": onList(func(b *broken, ctx context.Context, _ wirepost.Audience, _ wirepost.ListOptions, whole items) items {
			return func(yield func(wirepost.Listed, error) bool) {
				for l, err := range whole {
					othersTurn()
					if _, gone := b.Store.Connection(ctx, l.ID); gone != nil || !yield(l, err) {
						return
					}
				}
			}
		}),
	},
}

// othersTurn lets everybody else go on.
func othersTurn() {
	for range 20 {
		runtime.Gosched()
	}
}

// rowLast makes a store of a driver that writes what listings find first and the
// row last: they show who has no row yet.
func rowLast(b *broken) {
	var mu sync.Mutex
	coming := map[string]wirepost.Connection{}
	number := 0
	b.put = func(ctx context.Context, c wirepost.Connection) error {
		if err := cmp.Or(ctx.Err(), c.Validate()); err != nil {
			return err
		}
		mu.Lock()
		number++
		mine := fmt.Sprint(number)
		coming[mine] = c
		mu.Unlock()
		othersTurn()
		defer func() {
			mu.Lock()
			delete(coming, mine)
			mu.Unlock()
		}()
		return b.Store.Put(ctx, c)
	}
	b.list = func(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) items {
		return func(yield func(wirepost.Listed, error) bool) {
			seen := map[string]bool{}
			for l, err := range b.Store.Connections(ctx, a, o) {
				seen[l.ID] = true
				if !yield(l, err) || err != nil {
					return
				}
			}
			mu.Lock()
			var more []wirepost.Listed
			for _, c := range coming {
				in := a.Kind == wirepost.KindEveryone || a == wirepost.ToConnection(c.ID) || a == wirepost.ToUser(c.User) ||
					a.Kind == wirepost.KindTopic && slices.Contains(c.Topics, a.Name)
				if in && !seen[c.ID] && o.Contains(c.ID) && o.After == "" {
					seen[c.ID] = true
					more = append(more, wirepost.Listed{ID: c.ID, Endpoint: c.Endpoint, ConnectedAt: c.ConnectedAt, Cursor: wirepost.Cursor(c.ID)})
				}
			}
			mu.Unlock()
			for _, l := range more {
				if !yield(l, nil) {
					return
				}
			}
		}
	}
}
