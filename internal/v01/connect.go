package v01

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// latestTime is where the encoding of a connection's time ends.
const latestTime = 1<<(6*timeWidth) - 1

// Put implements [wirepost.Store].
func (s *Store) Put(ctx context.Context, c wirepost.Connection) error {
	s.made()
	if err := c.Validate(); err != nil {
		return err
	}
	if ms := c.ConnectedAt.UnixMilli(); ms < 0 || ms > latestTime {
		return fmt.Errorf("put connection %s: connectedAt is %v; it must be from 1970 to 2109", c.ID, c.ConnectedAt)
	}
	r := row{id: c.ID, endpoint: c.Endpoint, user: c.User, claims: c.Claims, connectedAt: milliseconds(c.ConnectedAt), expiresAt: milliseconds(c.ExpiresAt), version: s.firstVersion()}
	var err error
	if r.topics, err = s.prepare(ctx, c.Endpoint, c.ID, c.Topics); err != nil {
		return fmt.Errorf("put connection %s: %w", c.ID, err)
	}
	// The connection row is last: a row that is found is whole.
	if err = s.writeSubscriptions(ctx, r, r.subscriptions(), nil); err == nil {
		var held bool
		if held, err = s.insert(ctx, r); err == nil && !held {
			err = s.putOver(ctx, r)
		}
	}
	if err != nil {
		return fmt.Errorf("put connection %s: %w", c.ID, err)
	}
	return nil
}

// prepare makes sure that the identity can be resolved, and finds the shard for
// each topic.
func (s *Store) prepare(ctx context.Context, id wirepost.Identity, connectionID string, topics []string) (map[string]int, error) {
	topics = slices.Compact(slices.Sorted(slices.Values(topics)))
	shards := make([]int, len(topics))
	errs := make([]error, len(topics)+1)
	var all sync.WaitGroup
	atOnce := make(chan struct{}, 16)
	all.Go(func() { errs[len(topics)] = s.keepIdentity(ctx, id) })
	for i, t := range topics {
		atOnce <- struct{}{}
		all.Go(func() {
			shards[i], errs[i] = s.shardsFor(ctx, t)
			<-atOnce
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	out := make(map[string]int, len(topics))
	for i, t := range topics {
		out[t] = shardOf(connectionID, shards[i])
	}
	return out, nil
}

// putOver puts a row where there is another one: of the same connection (the event
// came twice, or topics are to be added), of an earlier one, of a later one.
func (s *Store) putOver(ctx context.Context, r row) error {
	mine := r.subscriptions()
	for {
		old, err := s.readRow(ctx, r.id)
		if err != nil {
			return err
		}
		var (
			next    = r
			rewrite = mine
			remove  = map[key]bool{}
			held    bool
		)
		switch live := old != nil && s.o.Now().Before(old.expiresAt); {
		case old == nil:
			// It has ended in between, and taken with it what had been written.
			if err := s.writeSubscriptions(ctx, r, mine, nil); err != nil {
				return err
			}
			if held, err = s.insert(ctx, r); held || err != nil {
				return err
			}
			continue
		case live && old.key() == r.key():
			next.version = old.version + 1
			next.topics = maps.Clone(r.topics)
			maps.Copy(next.topics, old.topics) // a row stays in its shard
			rewrite = next.subscriptions()
			if old.expiresAt.Equal(r.expiresAt) {
				// What this row names already is there, until somebody changes the
				// version.
				for k := range old.subscriptions() {
					delete(rewrite, k)
				}
			}
			remove = subtract(union(mine, old.subscriptions()), next.subscriptions())
		case live && !r.connectedAt.After(old.connectedAt):
			return s.writeSubscriptions(ctx, r, nil, subtract(mine, old.subscriptions()))
		default: // an earlier connection, or one whose time is over
			remove = subtract(old.subscriptions(), mine)
		}
		if err := s.writeSubscriptions(ctx, next, rewrite, remove); err != nil {
			return err
		}
		if held, err = s.replace(ctx, *old, next); held || err != nil {
			return err
		}
	}
}

// insert writes a connection row where there is none.
func (s *Store) insert(ctx context.Context, r row) (bool, error) {
	held, _, err := s.compare(ctx, "write", connectionKey(r.id), func(ctx context.Context) error {
		_, err := s.db.PutItem(ctx, dynamodb.PutItemInput{TableName: s.o.Table, Item: r.item(),
			ConditionExpression:      "attribute_not_exists(#p)",
			ExpressionAttributeNames: map[string]string{"#p": partitionKey},
		})
		return err
	})
	return held, err
}

// replace writes a connection row in the place of exactly this one.
func (s *Store) replace(ctx context.Context, old, next row) (bool, error) {
	names, values := unchanged(old)
	held, _, err := s.compare(ctx, "write", connectionKey(next.id), func(ctx context.Context) error {
		_, err := s.db.PutItem(ctx, dynamodb.PutItemInput{TableName: s.o.Table, Item: next.item(),
			ConditionExpression: isUnchanged, ExpressionAttributeNames: names, ExpressionAttributeValues: values})
		return err
	})
	return held, err
}

// isUnchanged holds while a connection row is the one that was read.
const isUnchanged = "#a = :a AND #g = :g AND #v = :v"

func unchanged(r row) (map[string]string, map[string]dynamodb.Value) {
	return map[string]string{"#a": attrEndpoint, "#g": attrConnected, "#v": attrVersion},
		map[string]dynamodb.Value{":a": str(r.endpoint.String()), ":g": num(r.connectedAt.UnixMilli()), ":v": num(r.version)}
}

// writeSubscriptions puts user and topic rows of a connection, and deletes others.
func (s *Store) writeSubscriptions(ctx context.Context, r row, puts, deletes map[key]bool) error {
	items := make([]item, 0, len(puts))
	for k := range puts {
		items = append(items, subscriptionItem(k, r.expiresAt))
	}
	if len(items)+len(deletes) == 0 {
		return nil
	}
	return s.write(ctx, items, slices.Collect(maps.Keys(deletes)))
}

// readRow reads a connection row as it is now, also one whose time is over. One
// that is absent is nil.
func (s *Store) readRow(ctx context.Context, id string) (*row, error) {
	k := connectionKey(id)
	it, err := s.get(ctx, k, true)
	if err != nil || it == nil {
		return nil, err
	}
	r, err := parseRow(it)
	if err != nil {
		return nil, s.explain("read", k.String(), err)
	}
	return &r, nil
}

// firstVersion of a row is random, so that a row that ended and came back is never
// taken for what it was.
func (s *Store) firstVersion() int64 { return int64(s.o.Random() * (1 << 31)) }

// Connection implements [wirepost.Store].
func (s *Store) Connection(ctx context.Context, id string) (wirepost.Connection, error) {
	s.made()
	if wirepost.ValidateConnectionID(id) != nil {
		if err := ctx.Err(); err != nil {
			return wirepost.Connection{}, err
		}
		return wirepost.Connection{}, wirepost.ErrNotFound
	}
	r, err := s.readRow(ctx, id)
	if err != nil {
		return wirepost.Connection{}, err
	}
	if r == nil || !s.o.Now().Before(r.expiresAt) {
		return wirepost.Connection{}, wirepost.ErrNotFound
	}
	return r.connection(), nil
}

func milliseconds(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

func union(a, b map[key]bool) map[key]bool {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func subtract(a, b map[key]bool) map[key]bool {
	out := map[key]bool{}
	for k := range a {
		if !b[k] {
			out[k] = true
		}
	}
	return out
}
