package v01

import (
	"context"
	"fmt"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// Delete implements [wirepost.Store].
func (s *Store) Delete(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
	s.made()
	_, removed, err := s.delete(ctx, k)
	return removed, err
}

// delete removes a connection and tells which user and topic rows went with it.
func (s *Store) delete(ctx context.Context, k wirepost.ConnectionKey) (gone map[key]bool, removed bool, err error) {
	if wirepost.ValidateConnectionID(k.ID) != nil {
		return nil, false, ctx.Err()
	}
	fail := func(err error) (map[key]bool, bool, error) {
		return nil, false, fmt.Errorf("delete connection %s: %w", k.ID, err)
	}
	lost := false // an attempt was not answered: what is absent now may be our doing
	for {
		r, err := s.readRow(ctx, k.ID)
		if err != nil {
			return fail(err)
		}
		if r == nil || !k.Matches(r.connection()) {
			return gone, lost && r == nil, nil
		}
		gone = r.subscriptions()
		if err := s.writeSubscriptions(ctx, *r, nil, gone); err != nil {
			return fail(err)
		}
		names, values := unchanged(*r)
		held, unsure, err := s.compare(ctx, "delete", connectionKey(k.ID), func(ctx context.Context) error {
			_, err := s.db.DeleteItem(ctx, dynamodb.DeleteItemInput{TableName: s.o.Table, Key: connectionKey(k.ID).item(),
				ConditionExpression: isUnchanged, ExpressionAttributeNames: names, ExpressionAttributeValues: values})
			return err
		})
		if err != nil {
			return fail(err)
		}
		if held {
			return gone, s.o.Now().Before(r.expiresAt), nil
		}
		// Its topics changed meanwhile, or another call deletes it too.
		lost = unsure && s.o.Now().Before(r.expiresAt)
	}
}

// Reap implements [wirepost.Store]. The row that made the listing show the
// connection may be all that is left of it.
func (s *Store) Reap(ctx context.Context, a wirepost.Audience, l wirepost.Listed) (bool, error) {
	s.made()
	gone, removed, err := s.delete(ctx, l.Key())
	if err != nil {
		return removed, err
	}
	var partition string
	switch a.Kind {
	case wirepost.KindUser:
		partition = userPartition(a.Name)
	case wirepost.KindTopic:
		shard, _, err := parseCursor(l.Cursor)
		if err != nil {
			return removed, fmt.Errorf("reap connection %s: %w", l.ID, err)
		}
		partition = topicPartition(shard, a.Name)
	default:
		return removed, nil
	}
	k := subscriptionKey(partition, l.Key())
	if gone[k] {
		return removed, nil
	}
	out, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.WriteOutput, error) {
		return s.db.DeleteItem(ctx, dynamodb.DeleteItemInput{TableName: s.o.Table, Key: k.item(), ReturnValues: dynamodb.AllOld})
	})
	if err != nil {
		return removed, fmt.Errorf("reap connection %s: %w", l.ID, s.explain("delete", k.String(), err))
	}
	return removed || len(out.Attributes) > 0, nil
}
