package wireposttest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
)

// brokenRest are the stores that break a promise about its stage records and its limits, by the check
// that must find them.
var brokenRest = map[string]map[string]func(*broken){
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
	"delete of a stage removes exactly its record": {
		"of any URL":  onDeleteStage(func(r *wirepost.StageRecord, kept wirepost.StageRecord) { r.URL = kept.URL }),
		"of any time": onDeleteStage(func(r *wirepost.StageRecord, kept wirepost.StageRecord) { r.EventTime = kept.EventTime }),
		"with more of the time than was kept": onDeleteStage(func(r *wirepost.StageRecord, kept wirepost.StageRecord) {
			if !r.EventTime.Equal(kept.EventTime) {
				r.URL = ""
			}
		}),
		"of an older time": onDeleteStage(func(r *wirepost.StageRecord, kept wirepost.StageRecord) {
			if r.EventTime.After(kept.EventTime) {
				r.EventTime = kept.EventTime
			}
		}),
		"of every stage": func(b *broken) {
			b.delStage = func(ctx context.Context, r wirepost.StageRecord) (bool, error) {
				done, err := b.Store.DeleteStage(ctx, r)
				all, _ := b.Store.Stages(ctx)
				for _, r := range all {
					if done {
						b.Store.DeleteStage(ctx, r)
					}
				}
				return done, err
			}
		},
		"nothing": func(b *broken) {
			b.delStage = func(ctx context.Context, r wirepost.StageRecord) (bool, error) {
				kept, err := b.Store.Stage(ctx, r.Identity)
				return err == nil && kept.URL == r.URL && kept.EventTime.UnixMilli() == r.EventTime.UnixMilli(), nil
			}
		},
		"always true": func(b *broken) {
			b.delStage = func(ctx context.Context, r wirepost.StageRecord) (bool, error) {
				_, err := b.Store.DeleteStage(ctx, r)
				return true, err
			}
		},
		"always false": func(b *broken) {
			b.delStage = func(ctx context.Context, r wirepost.StageRecord) (bool, error) {
				_, err := b.Store.DeleteStage(ctx, r)
				return false, err
			}
		},
		"it is listed for good": func(b *broken) {
			var seen []wirepost.StageRecord
			b.putStage = func(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
				seen = append(seen, r)
				return b.Store.PutStage(ctx, r)
			}
			b.stages = func(context.Context) ([]wirepost.StageRecord, error) { return seen, nil }
		},
		"its time is kept": func(b *broken) {
			last := map[wirepost.Identity]wirepost.StageRecord{}
			b.putStage = func(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
				if old, ok := last[r.Identity]; ok && !r.Newer(old) {
					return old, nil
				}
				last[r.Identity] = r
				return b.Store.PutStage(ctx, r)
			}
		},
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
		"not Reap": func(b *broken) {
			b.reap = func(ctx context.Context, a wirepost.Audience, l wirepost.Listed) (bool, error) {
				return b.Store.Reap(context.WithoutCancel(ctx), a, l)
			}
		},
		"not DeleteStage": func(b *broken) {
			b.delStage = func(ctx context.Context, r wirepost.StageRecord) (bool, error) {
				return b.Store.DeleteStage(context.WithoutCancel(ctx), r)
			}
		},
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
