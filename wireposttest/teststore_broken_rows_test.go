package wireposttest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

// brokenRows are the stores that break a promise about the rows of a store and their expiry, by the check
// that must find them.
var brokenRows = map[string]map[string]func(*broken){
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
	"claims stay with their connection": {
		"they are lost":    onPut(func(c, _ *wirepost.Connection) { c.Claims = "" }),
		"they are trimmed": onPut(func(c, _ *wirepost.Connection) { c.Claims = strings.TrimSpace(c.Claims) }),
		"they are not set again": onPut(func(c, old *wirepost.Connection) {
			if old != nil {
				c.Claims = old.Claims
			}
		}),
		"they are not unset": onPut(func(c, old *wirepost.Connection) {
			if old != nil && c.Claims == "" {
				c.Claims = old.Claims
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
		"a stage without a URL is kept": onPutStage(func(r *wirepost.StageRecord) { r.URL = cmp.Or(r.URL, "https://example.com") }),
		"a stage of no time is kept": onPutStage(func(r *wirepost.StageRecord) {
			if r.EventTime.IsZero() {
				r.EventTime = time.UnixMilli(0)
			}
		}),
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
}
