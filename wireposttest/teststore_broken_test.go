package wireposttest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
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
	reap     func(context.Context, wirepost.Audience, wirepost.Listed) (bool, error)
	putStage func(context.Context, wirepost.StageRecord) (wirepost.StageRecord, error)
	delStage func(context.Context, wirepost.StageRecord) (bool, error)
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
	b.reap, b.delStage = b.Store.Reap, b.Store.DeleteStage
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
func (b *broken) Reap(ctx context.Context, a wirepost.Audience, l wirepost.Listed) (bool, error) {
	return b.reap(ctx, a, l)
}
func (b *broken) DeleteStage(ctx context.Context, r wirepost.StageRecord) (bool, error) {
	return b.delStage(ctx, r)
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

// onDeleteStage changes the record before the delete; kept is the one that there is.
func onDeleteStage(change func(r *wirepost.StageRecord, kept wirepost.StageRecord)) func(*broken) {
	return func(b *broken) {
		b.delStage = func(ctx context.Context, r wirepost.StageRecord) (bool, error) {
			if kept, err := b.Store.Stage(ctx, r.Identity); err == nil {
				change(&r, kept)
			}
			return b.Store.DeleteStage(ctx, r)
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
