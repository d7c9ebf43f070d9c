package v01

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// stageLife is how long a stage row stays after it was last written. A Mux writes
// it again while clients connect, so only that of a stage without clients ends.
const stageLife = 90 * 24 * time.Hour

// PutStage implements [wirepost.Store].
func (s *Store) PutStage(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
	s.made()
	if err := r.Validate(); err != nil {
		return wirepost.StageRecord{}, err
	}
	r.EventTime = time.UnixMilli(r.EventTime.UnixMilli()).UTC()
	for {
		now := s.o.Now()
		// One atomic step decides as StageRecord.Newer does: DynamoDB compares
		// strings by their bytes, as Go does.
		held, _, err := s.compare(ctx, "write", stageKey(r.Identity), func(ctx context.Context) error {
			_, err := s.db.UpdateItem(ctx, dynamodb.UpdateItemInput{
				TableName: s.o.Table, Key: stageKey(r.Identity).item(),
				UpdateExpression:         "SET #u = :u, #t = :t, #x = :x REMOVE #m",
				ConditionExpression:      "attribute_not_exists(#u) OR #x <= :now OR #t < :t OR (#t = :t AND #u < :u)",
				ExpressionAttributeNames: map[string]string{"#u": attrURL, "#t": attrEvent, "#x": attrTTL, "#m": attrFraction},
				ExpressionAttributeValues: map[string]dynamodb.Value{
					":u": str(r.URL), ":t": num(r.EventTime.UnixMilli()),
					":x": num(now.Add(stageLife).Unix()), ":now": num(now.Unix()),
				},
			})
			return err
		})
		if err != nil {
			return wirepost.StageRecord{}, err
		}
		if held {
			s.learn(r.Identity)
			return r, nil
		}
		stored, err := s.Stage(ctx, r.Identity)
		if !errors.Is(err, wirepost.ErrNotFound) {
			return stored, err
		}
		// It was deleted in between.
	}
}

// Stage implements [wirepost.Store].
func (s *Store) Stage(ctx context.Context, id wirepost.Identity) (wirepost.StageRecord, error) {
	s.made()
	if err := id.Validate(); err != nil {
		return wirepost.StageRecord{}, err
	}
	it, err := s.get(ctx, stageKey(id), true)
	if err != nil {
		return wirepost.StageRecord{}, err
	}
	r, ok, err := s.parseStage(it)
	if err != nil {
		return wirepost.StageRecord{}, s.explain("read", stageKey(id).String(), err)
	}
	if !ok {
		return wirepost.StageRecord{}, wirepost.ErrNotFound
	}
	return r, nil
}

// Stages implements [wirepost.Store].
func (s *Store) Stages(ctx context.Context) ([]wirepost.StageRecord, error) {
	s.made()
	all := []wirepost.StageRecord{}
	err := s.eachStage(ctx, func(id wirepost.Identity, it item) error {
		r, ok, err := s.parseStage(it)
		if ok {
			all = append(all, r)
		}
		return err
	})
	slices.SortFunc(all, func(a, b wirepost.StageRecord) int {
		return cmp.Or(cmp.Compare(a.APIID, b.APIID), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Region, b.Region))
	})
	return all, err
}

// DeleteStage implements [wirepost.Store].
func (s *Store) DeleteStage(ctx context.Context, r wirepost.StageRecord) (bool, error) {
	s.made()
	if err := r.Identity.Validate(); err != nil {
		return false, err
	}
	k := stageKey(r.Identity)
	held, unsure, err := s.compare(ctx, "delete", k, func(ctx context.Context) error {
		_, err := s.db.DeleteItem(ctx, dynamodb.DeleteItemInput{
			TableName: s.o.Table, Key: k.item(),
			ConditionExpression:       "#u = :u AND #t = :t",
			ExpressionAttributeNames:  map[string]string{"#u": attrURL, "#t": attrEvent},
			ExpressionAttributeValues: map[string]dynamodb.Value{":u": str(r.URL), ":t": num(r.EventTime.UnixMilli())},
		})
		return err
	})
	if err == nil && !held && unsure {
		_, err := s.Stage(ctx, r.Identity)
		if errors.Is(err, wirepost.ErrNotFound) {
			return true, nil
		}
		return false, err
	}
	return held, err
}

func (s *Store) parseStage(it item) (r wirepost.StageRecord, ok bool, err error) {
	if it == nil || text(it, attrURL) == "" {
		return r, false, nil
	}
	if r.Identity, err = parseIdentity(text(it, sortKey)); err != nil {
		return r, false, fmt.Errorf("the row %s is not a stage row of wirepost: %w", keyOf(it), err)
	}
	event, err := number(it, attrEvent)
	if err != nil {
		return r, false, err
	}
	end, err := expiryOf(it)
	if err != nil {
		return r, false, err
	}
	r.URL, r.EventTime = text(it, attrURL), time.UnixMilli(event).UTC()
	return r, s.o.Now().Before(end), nil
}

// eachStage reads all stage rows, also those of which only the identity is known.
func (s *Store) eachStage(ctx context.Context, f func(wirepost.Identity, item) error) error {
	in := dynamodb.QueryInput{TableName: s.o.Table, ConsistentRead: true,
		KeyConditionExpression:    "#p = :p",
		ExpressionAttributeNames:  map[string]string{"#p": partitionKey},
		ExpressionAttributeValues: map[string]dynamodb.Value{":p": str(stagePartition)},
	}
	for {
		out, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.Page, error) { return s.db.Query(ctx, in) })
		if err != nil {
			return s.explain("list", "the stages", err)
		}
		for _, it := range out.Items {
			id, err := parseIdentity(text(it, sortKey))
			if err == nil {
				err = f(id, it)
			}
			if err != nil {
				return s.explain("list", "the stages", err)
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return nil
		}
	}
}

// unknownAge is how long a code that no stage row explains is not looked for there
// again: rows of a swept stage may be many.
const unknownAge = 10 * time.Second

// learn remembers what a code stands for.
func (s *Store) learn(id wirepost.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[id] = true
	code := codeOf(id)
	if known, ok := s.identities[code]; ok && known != id {
		id = wirepost.Identity{} // two of one code: each row has to be asked
	}
	s.identities[code] = id
}

// keepIdentity makes sure that the one that reads a subscription row of this identity
// can find out what its code stands for. It costs something once in the life of a
// process, and a write once in the life of a stage.
func (s *Store) keepIdentity(ctx context.Context, id wirepost.Identity) error {
	s.mu.Lock()
	kept := s.kept[id]
	s.mu.Unlock()
	if kept {
		return nil
	}
	it, err := s.get(ctx, stageKey(id), false)
	if err != nil {
		return err
	}
	if it == nil {
		it = stageKey(id).item()
		expire(it, s.o.Now().Add(stageLife))
		if _, _, err := s.compare(ctx, "write", stageKey(id), func(ctx context.Context) error {
			_, err := s.db.PutItem(ctx, dynamodb.PutItemInput{TableName: s.o.Table, Item: it,
				ConditionExpression:      "attribute_not_exists(#p)",
				ExpressionAttributeNames: map[string]string{"#p": partitionKey},
			})
			return err
		}); err != nil {
			return err
		}
	}
	s.learn(id)
	return nil
}

// identityOf is what a code stands for. The second way to know is the connection's
// own row; without that there is no such connection.
func (s *Store) identityOf(ctx context.Context, code, connectionID string, connectedAt time.Time) (id wirepost.Identity, found bool, err error) {
	known := func() (wirepost.Identity, bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		id, ok := s.identities[code]
		return id, ok
	}
	id, ok := known()
	s.mu.Lock()
	now := s.o.Now()
	asked := now.Sub(s.unknown[code]) < unknownAge
	if !ok && !asked {
		if len(s.unknown) >= shardsKept {
			clear(s.unknown)
		}
		s.unknown[code] = now
	}
	s.mu.Unlock()
	if !ok && !asked {
		if err := s.eachStage(ctx, func(id wirepost.Identity, _ item) error { s.learn(id); return nil }); err != nil {
			// A caller that has left, or a read that failed, explains nothing.
			s.mu.Lock()
			delete(s.unknown, code)
			s.mu.Unlock()
			return id, false, err
		}
		id, ok = known()
	}
	if ok && id != (wirepost.Identity{}) {
		return id, true, nil
	}
	r, err := s.readRow(ctx, connectionID)
	if err != nil || r == nil || codeOf(r.endpoint) != code || !r.connectedAt.Equal(connectedAt) {
		return wirepost.Identity{}, false, err
	}
	if !ok { // the stage row is gone, whatever this process knew
		s.mu.Lock()
		delete(s.kept, r.endpoint)
		s.mu.Unlock()
		if err := s.keepIdentity(ctx, r.endpoint); err != nil {
			return wirepost.Identity{}, false, err
		}
	}
	return r.endpoint, true, nil
}
