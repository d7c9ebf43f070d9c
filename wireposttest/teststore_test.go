package wireposttest

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// broken is a MemStore some of whose methods are replaced.
type broken struct {
	wirepost.Store
	immortal wirepost.Store // is put the same rows, and never lets one expire

	put      func(context.Context, wirepost.Connection) error
	delete   func(context.Context, wirepost.ConnectionKey) (bool, error)
	get      func(context.Context, string) (wirepost.Connection, error)
	sub      func(ctx context.Context, id, topic string) error
	unsub    func(ctx context.Context, id, topic string) error
	list     func(context.Context, wirepost.Audience, wirepost.ListOptions) iter.Seq2[wirepost.Listed, error]
	putStage func(context.Context, wirepost.StageRecord) (wirepost.StageRecord, error)
	stage    func(context.Context, wirepost.Identity) (wirepost.StageRecord, error)
	stages   func(context.Context) ([]wirepost.StageRecord, error)
	close    func() error
}

func newBroken(now func() time.Time, breakIt func(*broken)) *broken {
	b := &broken{
		Store:    wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: now}),
		immortal: wirepost.NewMemStore(&wirepost.MemStoreOptions{Now: func() time.Time { return time.Time{} }}),
	}
	b.put, b.delete, b.get, b.sub, b.unsub, b.list = b.Store.Put, b.Store.Delete, b.Store.Connection, b.Store.Subscribe, b.Store.Unsubscribe, b.Store.Connections
	b.putStage, b.stage, b.stages, b.close = b.Store.PutStage, b.Store.Stage, b.Store.Stages, b.Store.Close
	breakIt(b)
	return b
}

func (b *broken) Put(ctx context.Context, c wirepost.Connection) error {
	b.immortal.Put(ctx, c)
	return b.put(ctx, c)
}
func (b *broken) Delete(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
	return b.delete(ctx, k)
}
func (b *broken) Connection(ctx context.Context, id string) (wirepost.Connection, error) {
	return b.get(ctx, id)
}
func (b *broken) Subscribe(ctx context.Context, id, topic string) error {
	return b.sub(ctx, id, topic)
}
func (b *broken) Unsubscribe(ctx context.Context, id, topic string) error {
	return b.unsub(ctx, id, topic)
}
func (b *broken) Connections(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
	return b.list(ctx, a, o)
}
func (b *broken) PutStage(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
	return b.putStage(ctx, r)
}
func (b *broken) Stage(ctx context.Context, id wirepost.Identity) (wirepost.StageRecord, error) {
	return b.stage(ctx, id)
}
func (b *broken) Stages(ctx context.Context) ([]wirepost.StageRecord, error) { return b.stages(ctx) }
func (b *broken) Close() error                                               { return b.close() }

// onPut changes what is put; old is the row that is there, if there is one.
func onPut(change func(c, old *wirepost.Connection)) func(*broken) {
	return func(b *broken) {
		b.put = func(ctx context.Context, c wirepost.Connection) error {
			var was *wirepost.Connection
			if old, err := b.Store.Connection(ctx, c.ID); err == nil {
				was = &old
			}
			change(&c, was)
			if c.ID == "" {
				return nil
			}
			return b.Store.Put(ctx, c)
		}
	}
}

// putOver removes the row that is there, if the condition holds, before the put.
func putOver(when func(c, old wirepost.Connection) bool) func(*broken) {
	return func(b *broken) {
		b.put = func(ctx context.Context, c wirepost.Connection) error {
			if old, err := b.Store.Connection(ctx, c.ID); err == nil && when(c, old) {
				b.Store.Delete(ctx, old.Key())
			}
			return b.Store.Put(ctx, c)
		}
	}
}

// onGet changes rows that are found.
func onGet(change func(*wirepost.Connection)) func(*broken) {
	return func(b *broken) {
		b.get = func(ctx context.Context, id string) (wirepost.Connection, error) {
			c, err := b.Store.Connection(ctx, id)
			if err == nil {
				change(&c)
			}
			return c, err
		}
	}
}

// onDelete changes the key before the delete; c is the row that the ID has.
func onDelete(change func(k *wirepost.ConnectionKey, c wirepost.Connection)) func(*broken) {
	return func(b *broken) {
		b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
			if c, err := b.Store.Connection(ctx, k.ID); err == nil {
				change(&k, c)
			}
			return b.Store.Delete(ctx, k)
		}
	}
}

type items = iter.Seq2[wirepost.Listed, error]

// onList replaces a listing; whole is the sound one.
func onList(f func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items) func(*broken) {
	return func(b *broken) {
		b.list = func(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) items {
			return f(b, ctx, a, o, b.Store.Connections(ctx, a, o))
		}
	}
}

// eachListed changes the items of listings. Nothing is yielded for an item for
// which false is returned.
func eachListed(change func(n int, a wirepost.Audience, l *wirepost.Listed) bool) func(*broken) {
	return onList(func(_ *broken, _ context.Context, a wirepost.Audience, _ wirepost.ListOptions, whole items) items {
		return func(yield func(wirepost.Listed, error) bool) {
			n := 0
			for l, err := range whole {
				if (err != nil || change(n, a, &l)) && !yield(l, err) {
					return
				}
				n++
			}
		}
	})
}

func none(func(wirepost.Listed, error) bool) {}

// keepStages replaces the stages by a map: key is under what a record is kept,
// wins whether it takes the place of the old one.
func keepStages(key func(wirepost.Identity) wirepost.Identity, wins func(r, old wirepost.StageRecord) bool) func(*broken) {
	return func(b *broken) {
		var mu sync.Mutex
		kept := map[wirepost.Identity]wirepost.StageRecord{}
		b.putStage = func(_ context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
			mu.Lock()
			defer mu.Unlock()
			if old, ok := kept[key(r.Identity)]; !ok || wins(r, old) {
				kept[key(r.Identity)] = r
			}
			return kept[key(r.Identity)], nil
		}
		b.stage = func(_ context.Context, id wirepost.Identity) (wirepost.StageRecord, error) {
			mu.Lock()
			defer mu.Unlock()
			return kept[key(id)], nil
		}
	}
}

func itself(id wirepost.Identity) wirepost.Identity { return id }

// meeting lets nobody through before n have come.
func meeting(n int) func() {
	var mu sync.Mutex
	all := make(chan struct{})
	return func() {
		mu.Lock()
		if n--; n == 0 {
			close(all)
		}
		mu.Unlock()
		<-all
	}
}

var errAbsurd = errors.New("no")

// brokenStores says which check has to find which mistake.
var brokenStores = map[string]map[string]func(*broken){
	"a row comes back as it was put": {
		"the user is lost":     onPut(func(c, _ *wirepost.Connection) { c.User = "" }),
		"the topics are lost":  onPut(func(c, _ *wirepost.Connection) { c.Topics = nil }),
		"the region is lost":   onPut(func(c, _ *wirepost.Connection) { c.Endpoint.Region = "us-east-1" }),
		"names are lower-case": onPut(func(c, _ *wirepost.Connection) { c.User = strings.ToLower(c.User) }),
		"the ID is lost":       onGet(func(c *wirepost.Connection) { c.ID = "" }),
	},
	"times are kept to the millisecond": {
		"connectedAt is kept in seconds":   onPut(func(c, _ *wirepost.Connection) { c.ConnectedAt = c.ConnectedAt.Truncate(time.Second) }),
		"expiresAt is kept in seconds":     onPut(func(c, _ *wirepost.Connection) { c.ExpiresAt = c.ExpiresAt.Truncate(time.Second) }),
		"connectedAt comes back with more": onGet(func(c *wirepost.Connection) { c.ConnectedAt = c.ConnectedAt.Add(456 * time.Microsecond) }),
		"delete compares more than it kept": onDelete(func(k *wirepost.ConnectionKey, c wirepost.Connection) {
			k.ConnectedAt = c.ConnectedAt.Add(k.ConnectedAt.Sub(c.ConnectedAt) * 1000)
		}),
	},
	"topics come back sorted and each once": {
		"in reverse":                    onGet(func(c *wirepost.Connection) { slices.Reverse(c.Topics) }),
		"twice":                         onGet(func(c *wirepost.Connection) { c.Topics = slices.Sorted(slices.Values(append(c.Topics, c.Topics...))) }),
		"sorted in the caller's memory": onPut(func(c, _ *wirepost.Connection) { slices.Sort(c.Topics) }),
	},
	"put again adds topics and sets user and expiry": {
		"the topics are replaced": putOver(func(c, old wirepost.Connection) bool { return c.Key().Matches(old) }),
		"the user is not set": onPut(func(c, old *wirepost.Connection) {
			if old != nil {
				c.User = old.User
			}
		}),
		"the user is not unset": onPut(func(c, old *wirepost.Connection) {
			if old != nil && c.User == "" {
				c.User = old.User
			}
		}),
		"the expiry is not set": onPut(func(c, old *wirepost.Connection) {
			if old != nil {
				c.ExpiresAt = old.ExpiresAt
			}
		}),
		"the expiry is only set later": onPut(func(c, old *wirepost.Connection) {
			if old != nil && c.ExpiresAt.Before(old.ExpiresAt) {
				c.ExpiresAt = old.ExpiresAt
			}
		}),
	},
	"a change of user moves the connection": {
		"both users have it": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items {
			if a == wirepost.ToUser("alice") {
				return b.Store.Connections(ctx, wirepost.Everyone(), o)
			}
			return whole
		}),
		"no user has it any more": onPut(func(c, old *wirepost.Connection) {
			if old != nil && c.User != old.User {
				c.User = ""
			}
		}),
	},
	"put of a later connection replaces the row and its subscriptions": {
		"its topics are added": onPut(func(c, old *wirepost.Connection) {
			if old != nil {
				c.Topics = append(slices.Clone(c.Topics), old.Topics...)
			}
		}),
		"it is ignored": onPut(func(c, old *wirepost.Connection) {
			if old != nil && !c.Key().Matches(*old) {
				c.ID = ""
			}
		}),
	},
	"put of an earlier connection does nothing": {
		"the last put wins": putOver(func(c, old wirepost.Connection) bool { return !c.Key().Matches(old) }),
		"its topics are added": func(b *broken) {
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				err := b.Store.Put(ctx, c)
				for _, t := range c.Topics {
					err = cmp.Or(err, b.Store.Subscribe(ctx, c.ID, t))
				}
				return err
			}
		},
	},
	"put of another connection of the same millisecond does nothing": {
		"it replaces": putOver(func(c, old wirepost.Connection) bool {
			return c.Endpoint != old.Endpoint && !c.ConnectedAt.Before(old.ConnectedAt)
		}),
		"it counts as the same": onPut(func(c, old *wirepost.Connection) {
			if old != nil && c.ConnectedAt.Equal(old.ConnectedAt) {
				c.Endpoint = old.Endpoint
			}
		}),
	},
	"delete removes exactly its connection": {
		"by the ID":          onDelete(func(k *wirepost.ConnectionKey, c wirepost.Connection) { *k = c.Key() }),
		"in any endpoint":    onDelete(func(k *wirepost.ConnectionKey, c wirepost.Connection) { k.Endpoint = c.Endpoint }),
		"of any region":      onDelete(func(k *wirepost.ConnectionKey, c wirepost.Connection) { k.Endpoint.Region = c.Endpoint.Region }),
		"of any connectedAt": onDelete(func(k *wirepost.ConnectionKey, c wirepost.Connection) { k.ConnectedAt = c.ConnectedAt }),
		"and all of its user": func(b *broken) {
			b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
				done, err := b.Store.Delete(ctx, k)
				if done {
					err = clearAll(ctx, b.Store)
				}
				return done, err
			}
		},
	},
	"delete reports whether it removed, and may be repeated": {
		"always true": func(b *broken) {
			b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
				_, err := b.Store.Delete(ctx, k)
				return true, err
			}
		},
		"always false": func(b *broken) {
			b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
				_, err := b.Store.Delete(ctx, k)
				return false, err
			}
		},
		"absent is an error": func(b *broken) {
			b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
				done, err := b.Store.Delete(ctx, k)
				if !done && err == nil {
					err = wirepost.ErrNotFound
				}
				return done, err
			}
		},
	},
	"an absent row or stage is ErrNotFound": {
		"another error": func(b *broken) {
			b.get = func(context.Context, string) (wirepost.Connection, error) { return wirepost.Connection{}, errAbsurd }
		},
		"no error": func(b *broken) {
			b.get = func(context.Context, string) (wirepost.Connection, error) { return wirepost.Connection{}, nil }
		},
		"another error for a stage": func(b *broken) {
			b.stage = func(context.Context, wirepost.Identity) (wirepost.StageRecord, error) {
				return wirepost.StageRecord{}, errAbsurd
			}
		},
	},
	"subscribe adds a topic, once": {
		"nothing is added": func(b *broken) { b.sub = func(context.Context, string, string) error { return nil } },
		"again is an error": func(b *broken) {
			b.sub = func(ctx context.Context, id, topic string) error {
				if c, err := b.Store.Connection(ctx, id); err == nil && slices.Contains(c.Topics, topic) {
					return errAbsurd
				}
				return b.Store.Subscribe(ctx, id, topic)
			}
		},
		"everybody is subscribed": func(b *broken) {
			b.sub = func(ctx context.Context, id, topic string) (err error) {
				for l := range b.Store.Connections(ctx, wirepost.Everyone(), wirepost.ListOptions{}) {
					err = cmp.Or(err, b.Store.Subscribe(ctx, l.ID, topic))
				}
				return err
			}
		},
	},
	"unsubscribe removes a topic, and may be repeated": {
		"nothing is removed": func(b *broken) { b.unsub = func(context.Context, string, string) error { return nil } },
		"again is an error": func(b *broken) {
			b.unsub = func(ctx context.Context, id, topic string) error {
				if c, err := b.Store.Connection(ctx, id); err == nil && !slices.Contains(c.Topics, topic) {
					return errAbsurd
				}
				return b.Store.Unsubscribe(ctx, id, topic)
			}
		},
		"absent is an error": func(b *broken) {
			b.unsub = func(ctx context.Context, id, topic string) error {
				_, err := b.Store.Connection(ctx, id)
				return cmp.Or(err, b.Store.Unsubscribe(ctx, id, topic))
			}
		},
		"everybody is unsubscribed": func(b *broken) {
			b.unsub = func(ctx context.Context, id, topic string) (err error) {
				for l := range b.Store.Connections(ctx, wirepost.Everyone(), wirepost.ListOptions{}) {
					err = cmp.Or(err, b.Store.Unsubscribe(ctx, l.ID, topic))
				}
				return err
			}
		},
	},
	"subscribe of an absent connection is ErrNotFound": {
		"no error": func(b *broken) {
			b.sub = func(ctx context.Context, id, topic string) error {
				b.Store.Subscribe(ctx, id, topic)
				return nil
			}
		},
		"it is kept for later": func(b *broken) {
			later := map[string]string{}
			b.sub = func(ctx context.Context, id, topic string) error {
				err := b.Store.Subscribe(ctx, id, topic)
				if err != nil {
					later[id] = topic
				}
				return err
			}
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				if t := later[c.ID]; t != "" {
					c.Topics = append(slices.Clone(c.Topics), t)
				}
				return b.Store.Put(ctx, c)
			}
		},
	},
	"subscriptions go with their row": {
		"the next row has them": func(b *broken) {
			left := map[string][]string{}
			b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
				c, _ := b.Store.Connection(ctx, k.ID)
				left[k.ID] = c.Topics
				return b.Store.Delete(ctx, k)
			}
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				c.Topics = append(slices.Clone(c.Topics), left[c.ID]...)
				return b.Store.Put(ctx, c)
			}
		},
		"listings still have them": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items {
			if a.Kind == wirepost.KindTopic {
				return b.immortal.Connections(ctx, a, o)
			}
			return whole
		}),
	},
	"a malformed row, topic or stage is refused and not written": {
		"put drops it silently": func(b *broken) {
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				b.Store.Put(ctx, c)
				return nil
			}
		},
		"put leaves out the bad topics": onPut(func(c, _ *wirepost.Connection) {
			c.Topics = slices.DeleteFunc(slices.Clone(c.Topics), func(t string) bool { return wirepost.ValidateName(t) != nil })
		}),
		"put complains and writes the rest": func(b *broken) {
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				err := b.Store.Put(ctx, c)
				if err != nil && len(c.Topics) > 0 {
					b.Store.Subscribe(ctx, c.ID, c.Topics[0])
				}
				return err
			}
		},
		"subscribe drops it silently": func(b *broken) {
			b.sub = func(ctx context.Context, id, topic string) error {
				b.Store.Subscribe(ctx, id, topic)
				return nil
			}
		},
		"any stage is kept": keepStages(itself, wirepost.StageRecord.Newer),
	},

	"an expired connection is not found": {
		"it is":              func(b *broken) { b.get = b.immortal.Connection },
		"a millisecond late": onPut(func(c, _ *wirepost.Connection) { c.ExpiresAt = c.ExpiresAt.Add(time.Millisecond) }),
		"too early":          onPut(func(c, _ *wirepost.Connection) { c.ExpiresAt = c.ExpiresAt.Add(-time.Millisecond) }),
	},
	"an expired connection is not listed": {
		"for everyone":    listExpired(wirepost.KindEveryone),
		"for a user":      listExpired(wirepost.KindUser),
		"for a topic":     listExpired(wirepost.KindTopic),
		"by its ID":       listExpired(wirepost.KindConnection),
		"nor just before": onPut(func(c, _ *wirepost.Connection) { c.ExpiresAt = c.ExpiresAt.Add(-time.Millisecond) }),
	},
	"an expired connection is not subscribed": {
		"it is":                     func(b *broken) { b.sub = b.immortal.Subscribe },
		"unsubscribing is an error": func(b *broken) { b.unsub = b.Store.Subscribe },
	},
	"delete of an expired connection reports false": {
		"true": func(b *broken) { b.delete = b.immortal.Delete },
		"as everything does": func(b *broken) {
			b.delete = func(context.Context, wirepost.ConnectionKey) (bool, error) { return false, nil }
		},
	},
	"an expired connection does not keep its ID": {
		"it does": func(b *broken) {
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				if old, err := b.immortal.Connection(ctx, c.ID); err == nil && c.ConnectedAt.Before(old.ConnectedAt) {
					return nil
				}
				return b.Store.Put(ctx, c)
			}
		},
	},
	"an expired connection has no topics to add to": {
		"the old ones are back": func(b *broken) {
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				if old, err := b.immortal.Connection(ctx, c.ID); err == nil && c.Key().Matches(old) {
					c.Topics = append(slices.Clone(c.Topics), old.Topics...)
				}
				return b.Store.Put(ctx, c)
			}
		},
	},
	"a later expiry keeps a connection": {
		"the first expiry stays": onPut(func(c, old *wirepost.Connection) {
			if old != nil {
				c.ExpiresAt = old.ExpiresAt
			}
		}),
	},

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
	"a listed item has the connection's endpoint": {
		"none": eachListed(func(_ int, _ wirepost.Audience, l *wirepost.Listed) bool {
			l.Endpoint = wirepost.Identity{}
			return true
		}),
		"that of all": eachListed(func(_ int, _ wirepost.Audience, l *wirepost.Listed) bool { l.Endpoint = production; return true }),
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
	"no listing shows a row before it is whole": {
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
		"the row comes later": func(b *broken) {
			seen := make(chan struct{})
			var once sync.Once
			var coming string
			var mu sync.Mutex
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				mu.Lock()
				coming = c.ID
				mu.Unlock()
				<-seen
				return b.Store.Put(ctx, c)
			}
			b.list = func(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) items {
				mu.Lock()
				id := coming
				mu.Unlock()
				if a.Kind != wirepost.KindTopic || id == "" {
					return b.Store.Connections(ctx, a, o)
				}
				return func(yield func(wirepost.Listed, error) bool) { yield(wirepost.Listed{ID: id}, nil) }
			}
			b.get = func(ctx context.Context, id string) (wirepost.Connection, error) {
				defer once.Do(func() { close(seen) })
				return b.Store.Connection(ctx, id)
			}
		},
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

	"a stage comes back as it was put": {
		"without the path of its URL": onPutStage(func(r *wirepost.StageRecord) { r.URL = strings.TrimSuffix(r.URL, "/path") }),
		"in seconds":                  onPutStage(func(r *wirepost.StageRecord) { r.EventTime = r.EventTime.Truncate(time.Second) }),
		"in microseconds":             keepStages(itself, wirepost.StageRecord.Newer),
	},
	"the newest stage record wins in every order": {
		"the last one":  keepStages(itself, func(_, _ wirepost.StageRecord) bool { return true }),
		"the first one": keepStages(itself, func(_, _ wirepost.StageRecord) bool { return false }),
		"the greater URL": keepStages(itself, func(r, old wirepost.StageRecord) bool {
			return r.URL > old.URL
		}),
		"what was given is returned": func(b *broken) {
			b.putStage = func(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
				_, err := b.Store.PutStage(ctx, r)
				return r, err
			}
		},
	},
	"of two stage records of one millisecond the greater URL wins": {
		"the first one": keepMilliseconds(func(r, old wirepost.StageRecord) bool { return r.EventTime.After(old.EventTime) }),
		"the last one":  keepMilliseconds(func(r, old wirepost.StageRecord) bool { return !r.EventTime.Before(old.EventTime) }),
		"the lesser URL": keepMilliseconds(func(r, old wirepost.StageRecord) bool {
			return r.EventTime.After(old.EventTime) || r.EventTime.Equal(old.EventTime) && r.URL < old.URL
		}),
		"in any case": keepMilliseconds(func(r, old wirepost.StageRecord) bool {
			return strings.ToLower(r.URL) > strings.ToLower(old.URL)
		}),
	},
	"the newest of concurrent stage records wins": {
		"all read before the first writes": func(b *broken) {
			var mu sync.Mutex
			var oldest wirepost.StageRecord
			meet := meeting(concurrentStages)
			b.putStage = func(_ context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
				mu.Lock()
				if oldest.URL == "" || oldest.Newer(r) {
					oldest = r // wrote last
				}
				mu.Unlock()
				meet()
				return r, nil
			}
			b.stage = func(context.Context, wirepost.Identity) (wirepost.StageRecord, error) { return oldest, nil }
		},
		"an older one is returned": func(b *broken) {
			b.putStage = func(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
				kept, err := b.Store.PutStage(ctx, r)
				kept.EventTime = kept.EventTime.Add(-time.Second)
				return kept, err
			}
		},
	},
	"stages are kept apart by API, stage and region": {
		"not by API":    keepStages(func(id wirepost.Identity) wirepost.Identity { id.APIID = ""; return id }, wirepost.StageRecord.Newer),
		"not by stage":  keepStages(func(id wirepost.Identity) wirepost.Identity { id.Stage = ""; return id }, wirepost.StageRecord.Newer),
		"not by region": keepStages(func(id wirepost.Identity) wirepost.Identity { id.Region = ""; return id }, wirepost.StageRecord.Newer),
	},
	"stages are listed in the order of their identity": {
		"in reverse": onStages(slices.Reverse[[]wirepost.StageRecord]),
		"of their text": onStages(func(all []wirepost.StageRecord) {
			slices.SortFunc(all, func(a, b wirepost.StageRecord) int { return strings.Compare(a.Identity.String(), b.Identity.String()) })
		}),
		"one twice": onStages(func(all []wirepost.StageRecord) { all[1] = all[0] }),
	},

	"every method returns when its context has ended": {
		"not Put": func(b *broken) {
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				return b.Store.Put(context.WithoutCancel(ctx), c)
			}
		},
		"not Delete": func(b *broken) {
			b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
				return b.Store.Delete(context.WithoutCancel(ctx), k)
			}
		},
		"not Connection": func(b *broken) {
			b.get = func(ctx context.Context, id string) (wirepost.Connection, error) {
				return b.Store.Connection(context.WithoutCancel(ctx), id)
			}
		},
		"not Subscribe": func(b *broken) {
			b.sub = func(ctx context.Context, id, topic string) error {
				return b.Store.Subscribe(context.WithoutCancel(ctx), id, topic)
			}
		},
		"not Unsubscribe": func(b *broken) {
			b.unsub = func(ctx context.Context, id, topic string) error {
				return b.Store.Unsubscribe(context.WithoutCancel(ctx), id, topic)
			}
		},
		"not Connections": onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, _ items) items {
			return b.Store.Connections(context.WithoutCancel(ctx), a, o)
		}),
		"not PutStage": func(b *broken) {
			b.putStage = func(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
				return b.Store.PutStage(context.WithoutCancel(ctx), r)
			}
		},
		"not Stage": func(b *broken) {
			b.stage = func(ctx context.Context, id wirepost.Identity) (wirepost.StageRecord, error) {
				return b.Store.Stage(context.WithoutCancel(ctx), id)
			}
		},
		"not Stages": func(b *broken) {
			b.stages = func(ctx context.Context) ([]wirepost.StageRecord, error) {
				return b.Store.Stages(context.WithoutCancel(ctx))
			}
		},
		"with another error": func(b *broken) {
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				if ctx.Err() != nil {
					return errAbsurd
				}
				return b.Store.Put(ctx, c)
			}
		},
	},
	"concurrent writers of one connection lose nothing": {
		"subscribe reads, then writes": func(b *broken) {
			meet := meeting(2)
			var mu sync.Mutex
			came := 0
			b.sub = func(ctx context.Context, id, topic string) error {
				c, err := b.Store.Connection(ctx, id)
				if err != nil {
					return err
				}
				mu.Lock()
				came++
				early := came <= 2
				mu.Unlock()
				if !early {
					return b.Store.Subscribe(ctx, id, topic)
				}
				meet()
				mu.Lock()
				defer mu.Unlock()
				c.Topics = append(c.Topics, topic)
				b.Store.Delete(ctx, c.Key())
				return b.Store.Put(ctx, c)
			}
		},
	},
	"of concurrent connections under one ID the latest stays": {
		"all read before the first writes": func(b *broken) {
			meet := meeting(concurrentPuts)
			var mu sync.Mutex
			var oldest wirepost.Connection
			b.put = func(ctx context.Context, c wirepost.Connection) error {
				mu.Lock()
				if oldest.ID == "" || c.ConnectedAt.Before(oldest.ConnectedAt) {
					oldest = c // wrote last
				}
				mu.Unlock()
				meet()
				return b.Store.Put(ctx, oldest)
			}
		},
	},
	"one of concurrent deletes reports the removal": {
		"all that saw the row": func(b *broken) {
			meet := meeting(concurrentDeletes)
			b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
				_, err := b.Store.Connection(ctx, k.ID)
				meet()
				b.Store.Delete(ctx, k)
				return err == nil, nil
			}
		},
		"none": func(b *broken) {
			b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
				_, err := b.Store.Delete(ctx, k)
				return false, err
			}
		},
	},
	"many concurrent writers end in the state that each of them left": {
		"a subscription is lost": func(b *broken) {
			var mu sync.Mutex
			n := 0
			b.sub = func(ctx context.Context, id, topic string) error {
				mu.Lock()
				defer mu.Unlock()
				if n++; n%3 == 0 {
					return nil
				}
				return b.Store.Subscribe(ctx, id, topic)
			}
		},
		"a delete removes what is shared": func(b *broken) {
			b.delete = func(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
				c, _ := b.Store.Connection(ctx, k.ID)
				for l := range b.Store.Connections(ctx, wirepost.ToUser(cmp.Or(c.User, "user0")), wirepost.ListOptions{}) {
					b.Store.Unsubscribe(ctx, l.ID, "topic0")
				}
				return b.Store.Delete(ctx, k)
			}
		},
	},
	"close may be repeated": {
		"it is an error": func(b *broken) {
			closed := false
			b.close = func() error {
				if closed {
					return errAbsurd
				}
				closed = true
				return nil
			}
		},
	},
}

func listExpired(kind wirepost.AudienceKind) func(*broken) {
	return onList(func(b *broken, ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, whole items) items {
		if a.Kind == kind {
			return b.immortal.Connections(ctx, a, o)
		}
		return whole
	})
}

// audienceBy lists those whose user or topic is like the name.
func audienceBy(like func(have, name string) bool) func(*broken) {
	return onList(func(b *broken, ctx context.Context, a wirepost.Audience, _ wirepost.ListOptions, whole items) items {
		if a.Kind != wirepost.KindUser && a.Kind != wirepost.KindTopic {
			return whole
		}
		return filtered(b, ctx, wirepost.Everyone(), func(c wirepost.Connection) bool {
			if a.Kind == wirepost.KindUser {
				return like(c.User, a.Name)
			}
			return slices.ContainsFunc(c.Topics, func(t string) bool { return like(t, a.Name) })
		})
	})
}

func audienceOnly(kind wirepost.AudienceKind, keep func(wirepost.Connection) bool) func(*broken) {
	return onList(func(b *broken, ctx context.Context, a wirepost.Audience, _ wirepost.ListOptions, whole items) items {
		if a.Kind != kind {
			return whole
		}
		return filtered(b, ctx, a, keep)
	})
}

func filtered(b *broken, ctx context.Context, a wirepost.Audience, keep func(wirepost.Connection) bool) items {
	return func(yield func(wirepost.Listed, error) bool) {
		for l, err := range b.Store.Connections(ctx, a, wirepost.ListOptions{}) {
			if c, _ := b.Store.Connection(ctx, l.ID); keep(c) && !yield(l, err) {
				return
			}
		}
	}
}

func onPutStage(change func(*wirepost.StageRecord)) func(*broken) {
	return func(b *broken) {
		b.putStage = func(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
			change(&r)
			return b.Store.PutStage(ctx, r)
		}
	}
}

func onStages(change func([]wirepost.StageRecord)) func(*broken) {
	return func(b *broken) {
		b.stages = func(ctx context.Context) ([]wirepost.StageRecord, error) {
			all, err := b.Store.Stages(ctx)
			change(all)
			return all, err
		}
	}
}

// keepMilliseconds is keepStages with times in whole milliseconds.
func keepMilliseconds(wins func(r, old wirepost.StageRecord) bool) func(*broken) {
	return func(b *broken) {
		keepStages(itself, wins)(b)
		keep := b.putStage
		b.putStage = func(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
			r.EventTime = r.EventTime.Truncate(time.Millisecond)
			return keep(ctx, r)
		}
	}
}

func TestEveryBrokenPromiseIsFound(t *testing.T) {
	for _, c := range storeChecks {
		if len(brokenStores[c.promise]) == 0 {
			t.Errorf("no store breaks the promise %q, so nothing shows that its check finds anything", c.promise)
		}
		t.Run(c.promise, func(t *testing.T) {
			for name, breakIt := range brokenStores[c.promise] {
				// In a bubble a store that waits for ever reaches its deadline at once.
				synctest.Test(t, func(t *testing.T) {
					clock := newClock()
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					err := c.run(ctx, newBroken(clock.Now, breakIt), clock)
					if err == nil {
						t.Errorf("%s: not found", name)
					}
					t.Logf("%s: %v", name, err)
				})
			}
		})
	}
	promises := map[string]bool{}
	for _, c := range storeChecks {
		if promises[c.promise] {
			t.Errorf("two checks are of the promise %q", c.promise)
		}
		promises[c.promise] = true
	}
	for promise := range maps.Keys(brokenStores) {
		if !promises[promise] {
			t.Errorf("a broken store is for a check that does not exist: %q", promise)
		}
	}
}

// The wrapper itself breaks nothing: what is found above is the mistake alone.
func TestAStoreThatIsWrappedOnlyPasses(t *testing.T) {
	TestStore(t, func(t *testing.T, o StoreOptions) wirepost.Store {
		return newBroken(o.Now, func(*broken) {})
	})
}
