package v01

import (
	"context"
	"fmt"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// Subscribe implements [wirepost.Store].
func (s *Store) Subscribe(ctx context.Context, id, topic string) error {
	s.made()
	if err := wirepost.ValidateName(topic); err != nil {
		return err
	}
	if wirepost.ValidateConnectionID(id) != nil {
		return absent(ctx)
	}
	if err := s.subscribe(ctx, id, topic); err != nil && err != wirepost.ErrNotFound {
		return fmt.Errorf("subscribe connection %s to topic %q: %w", id, topic, err)
	} else {
		return err
	}
}

func absent(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return wirepost.ErrNotFound
}

func (s *Store) subscribe(ctx context.Context, id, topic string) error {
	shards, err := s.shardsFor(ctx, topic)
	if err != nil {
		return err
	}
	written := map[key]bool{} // by this call, for a connection that may have ended since
	for {
		r, err := s.readRow(ctx, id)
		if err != nil {
			return err
		}
		if r == nil || !s.o.Now().Before(r.expiresAt) {
			if len(written) == 0 {
				return wirepost.ErrNotFound
			}
			// Looked at again behind it: the same connection may be back, and the row
			// that was just removed may have been the one that it needs.
			if err := s.writeSubscriptions(ctx, row{}, nil, written); err != nil {
				return err
			}
			written = nil
			continue
		}
		shard, subscribed := r.topics[topic]
		if !subscribed {
			shard = shardOf(id, shards)
		}
		// Written also where the row has the topic: somebody may be unsubscribing.
		k := subscriptionKey(topicPartition(shard, topic), r.key())
		if err := s.writeSubscriptions(ctx, *r, map[key]bool{k: true}, subtract(written, map[key]bool{k: true})); err != nil {
			return err
		}
		written = map[key]bool{k: true}
		if held, err := s.setTopic(ctx, *r, topic, shard); held || err != nil {
			return err
		}
	}
}

// Unsubscribe implements [wirepost.Store].
func (s *Store) Unsubscribe(ctx context.Context, id, topic string) error {
	s.made()
	if err := wirepost.ValidateName(topic); err != nil {
		return err
	}
	if wirepost.ValidateConnectionID(id) != nil {
		return ctx.Err()
	}
	if err := s.unsubscribe(ctx, id, topic); err != nil {
		return fmt.Errorf("unsubscribe connection %s from topic %q: %w", id, topic, err)
	}
	return nil
}

func (s *Store) unsubscribe(ctx context.Context, id, topic string) error {
	for {
		r, err := s.readRow(ctx, id)
		if err != nil {
			return err
		}
		if r == nil || !s.o.Now().Before(r.expiresAt) {
			return nil
		}
		// The row is in the shard that the connection row names. A subscribe that was
		// cut may have left another, in the shard of then, which may be one that this
		// process has not heard of.
		remove := map[key]bool{}
		shard, subscribed := r.topics[topic]
		shards, err := s.readShards(ctx, topic, true)
		if err != nil {
			return err
		}
		if subscribed {
			remove[subscriptionKey(topicPartition(shard, topic), r.key())] = true
		}
		for n := 1; n <= shards; n *= 2 {
			remove[subscriptionKey(topicPartition(shardOf(id, n), topic), r.key())] = true
		}
		if err := s.writeSubscriptions(ctx, *r, nil, remove); err != nil {
			return err
		}
		if held, err := s.setTopic(ctx, *r, topic, noShard); held || err != nil {
			return err
		}
	}
}

// noShard takes a topic away.
const noShard = -1

// setTopic changes one topic of a connection row, and its version, unless the row
// has changed since it was read.
func (s *Store) setTopic(ctx context.Context, r row, topic string, shard int) (bool, error) {
	names, values := unchanged(r)
	names["#t"], names["#topic"] = attrTopics, topic
	values[":next"] = num(r.version + 1)
	update := "SET #v = :next REMOVE #t.#topic"
	if shard != noShard {
		update = "SET #v = :next, #t.#topic = :shard"
		values[":shard"] = num(int64(shard))
	}
	held, _, err := s.compare(ctx, "write", connectionKey(r.id), func(ctx context.Context) error {
		_, err := s.db.UpdateItem(ctx, dynamodb.UpdateItemInput{TableName: s.o.Table, Key: connectionKey(r.id).item(),
			UpdateExpression: update, ConditionExpression: isUnchanged, ExpressionAttributeNames: names, ExpressionAttributeValues: values})
		return err
	})
	return held, err
}
