package v01

import (
	"context"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/internal/dynamodb"
)

const (
	// maxShards bounds what a mistake or a strange row can make a listing read.
	maxShards = 256
	// shardsAge is how long a subscriber relies on the number that it has read:
	// an older one is right too, it only spreads less.
	shardsAge = time.Minute
	// shardsLife is how long the row of a number stays without being used. One that
	// uses it in its second half renews it, so that it outlives every topic row.
	shardsLife = 30 * 24 * time.Hour
)

// knownShards is what this process last read.
type knownShards struct {
	n    int
	read time.Time
}

// shardsKept bounds what is kept in memory of topics.
const shardsKept = 4096

// shardsFor is the number of shards for a new topic row. It may be an old one.
func (s *Store) shardsFor(ctx context.Context, topic string) (int, error) {
	now := s.o.Now()
	s.mu.Lock()
	k, ok := s.shards[topic]
	s.mu.Unlock()
	if age := now.Sub(k.read); ok && age >= 0 && age < shardsAge {
		return k.n, nil
	}
	return s.readShards(ctx, topic, false)
}

// readShards is the number of shards as it is now or, not consistent, as it was a
// moment ago.
func (s *Store) readShards(ctx context.Context, topic string, consistent bool) (int, error) {
	it, err := s.get(ctx, shardsKey(topic), consistent)
	if err != nil {
		return 0, err
	}
	n, now := 1, s.o.Now()
	if it != nil {
		stored, err := number(it, attrShards)
		if err != nil || stored < 1 || stored > maxShards || stored&(stored-1) != 0 {
			return 0, s.explain("read", shardsKey(topic).String(), fmt.Errorf("the number of shards is not a power of two up to %d; delete the row, which makes the topic's present subscribers subscribe again", maxShards))
		}
		n = int(stored)
		if end, err := expiryOf(it); err == nil && end.Sub(now) < shardsLife/2 {
			s.setShards(ctx, topic, n, n)
		}
	}
	s.remember(topic, n)
	return n, nil
}

func (s *Store) remember(topic string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.shards) >= shardsKept {
		clear(s.shards)
	}
	s.shards[topic] = knownShards{n, s.o.Now()}
}

// grow doubles the shards of a topic if a listing has found too many rows in them.
func (s *Store) grow(ctx context.Context, topic string, shards, rows int) {
	if shards < maxShards && rows > shards*s.o.ShardRows {
		s.setShards(ctx, topic, shards, 2*shards)
	}
}

// setShards replaces the number of shards, unless another process was quicker. A
// failure is no more than a later chance: it is logged.
func (s *Store) setShards(ctx context.Context, topic string, from, to int) {
	k := shardsKey(topic)
	it := k.item()
	expire(it, s.o.Now().Add(shardsLife))
	it[attrShards] = num(int64(to))
	in := dynamodb.PutItemInput{TableName: s.o.Table, Item: it,
		ConditionExpression:       "#n = :n",
		ExpressionAttributeNames:  map[string]string{"#n": attrShards},
		ExpressionAttributeValues: map[string]dynamodb.Value{":n": num(int64(from))}}
	if from == 1 {
		in.ConditionExpression = "attribute_not_exists(#n) OR #n = :n"
	}
	held, _, err := s.compare(ctx, "write", k, func(ctx context.Context) error {
		_, err := s.db.PutItem(ctx, in)
		return err
	})
	switch {
	case err != nil:
		s.o.Logger.Warn("the shards of a topic could not be written; the next publish tries again", "topic", topic, "shards", to, "error", err)
	case held:
		s.remember(topic, to)
	}
}
