package dynamostore_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
)

// presentSession is a session of a user in a topic, on a connection of its own.
func (m *metered) presentSession(topic, user string) wirepost.Session {
	c := m.connection()
	return wirepost.Session{Topic: topic, User: user, ID: wirepost.HashSession(c.ID), Connection: c.Key()}
}

// members writes members of topics without asking the store: their rows are as that of one
// that has entered, with other names.
type members struct {
	m       *metered
	row     map[string]types.AttributeValue
	session string // the attribute
}

func (m *metered) newMembers(t testing.TB) *members {
	t.Helper()
	model := m.presentSession("another-topic-16", userOf16)
	m.clock = metersClock.Add(-5 * time.Minute)
	defer func() { m.clock = metersClock }()
	change, err := m.s.Enter(t.Context(), model, 10*time.Minute, wirepost.Details{Info: []byte(`{"name":"Ada Lovelace"}`)})
	if err == nil {
		err = m.s.Announced(t.Context(), change.Topic, change.MemberID, change.Number)
	}
	if err != nil {
		t.Fatal(err)
	}
	scanned, err := dynamostore.DB(m.s).Scan(t.Context(), &dynamodb.ScanInput{TableName: dynamostore.TableName(m.s)})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range scanned.Items {
		if strings.HasPrefix(it["s"].(*types.AttributeValueMemberS).Value, model.Topic) {
			return &members{m, it, "s:" + model.ID}
		}
	}
	t.Fatal("the table has no row of a member")
	return nil
}

// fill makes so many members in each of some topics. The leases of the first of them are over.
func (m *members) fill(t testing.TB, topics, each, over int) {
	t.Helper()
	db, table := dynamostore.DB(m.m.s), *dynamostore.TableName(m.m.s)
	var requests []types.WriteRequest
	for i := range topics {
		topic := fmt.Sprintf("topic-%010d", i)
		for j := range each {
			it := maps.Clone(m.row)
			it["p"] = &types.AttributeValueMemberS{Value: dynamostore.PresencePartition(topic)}
			it["s"] = &types.AttributeValueMemberS{Value: fmt.Sprintf("%s\nuuser-%011d", topic, j)}
			if j < over {
				session := maps.Clone(it[m.session].(*types.AttributeValueMemberM).Value)
				session["l"] = &types.AttributeValueMemberN{Value: fmt.Sprint(metersClock.Add(-time.Minute).UnixMilli())}
				it[m.session] = &types.AttributeValueMemberM{Value: session}
			}
			requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: it}})
		}
	}
	for batch := range slices.Chunk(requests, 25) {
		out, err := db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: batch}})
		if err != nil || len(out.UnprocessedItems) > 0 {
			t.Fatalf("fill the table: %v, %d unprocessed", err, len(out.UnprocessedItems))
		}
	}
}

// sweepOf10000 is what a sweep over 10,000 members costs, of whom 100 have vanished, from ten
// of a hundred topics. Nobody watches these.
func (m *metered) sweepOf10000(t testing.TB) used {
	t.Helper()
	all := m.newMembers(t)
	all.fill(t, 100, 100, 0)
	all.fill(t, 10, 10, 10)
	publisher := wirepost.NewPublisher(m.s, &wirepost.PublisherOptions{Now: func() time.Time { return metersClock }})
	return m.of(t, func() error {
		swept, err := publisher.SweepPresence(t.Context(), nil)
		if err == nil && (swept.Lapsed != 100 || swept.Left != 100) {
			err = fmt.Errorf("the sweep gives %+v", swept)
		}
		return err
	})
}

func measurePresence(t *testing.T, m *metered, all *measurement) {
	ctx := t.Context()
	measure := func(name string, f func() error) {
		t.Helper()
		m.clock = m.clock.Add(time.Second)
		all.add(name, m.of(t, f))
	}
	told := func(c wirepost.Change, err error) error {
		if err == nil && c.Kind != wirepost.MemberSame {
			err = m.s.Announced(ctx, c.Topic, c.MemberID, c.Number)
		}
		return err
	}
	enter := func(s wirepost.Session) func() error {
		return func() error { return told(m.s.Enter(ctx, s, 10*time.Minute, wirepost.Details{})) }
	}
	leave := func(s wirepost.Session) func() error {
		return func() error { return told(m.s.Leave(ctx, s)) }
	}
	renew := func(s wirepost.Session) func() error {
		return func() error {
			is, err := m.s.Renew(ctx, s, 10*time.Minute)
			if err == nil && !is {
				err = fmt.Errorf("the session is not there")
			}
			return err
		}
	}
	c, other := m.connection(), m.connection()
	c.Topics = nil
	if err := errors.Join(m.s.Put(ctx, c), m.s.Put(ctx, other)); err != nil { // the topic's shards are known
		t.Fatal(err)
	}
	one, two := m.presentSession(topicOf16, userOf16), m.presentSession(topicOf16, userOf16)
	measure("subscribe with presence, to be told who joins", func() error { return m.s.Mark(ctx, c.ID, topicOf16, one.ID) })
	measure("join, with the note that it was announced", enter(one))
	measure("enter by another session of the same user", enter(two))
	measure("renew a lease", renew(one))
	measure("leave, and another session stays", leave(two))
	measure("leave, with the note that it was announced", leave(one))
	m.newMembers(t).fill(t, 1, 100, 0)
	measure("list 100 members", func() error {
		for _, err := range m.s.Members(ctx, "topic-0000000000", "") {
			if err != nil {
				return err
			}
		}
		return nil
	})
}
