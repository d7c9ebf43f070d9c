package dynamostore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// Members implements [wirepost.Presence]. It reads the rows of the topic's members, about 16
// of them for a read unit.
func (s *Store) Members(ctx context.Context, topic string, after wirepost.Cursor) iter.Seq2[wirepost.Member, error] {
	s.made()
	return func(yield func(wirepost.Member, error) bool) {
		fail := func(err error) {
			yield(wirepost.Member{}, fmt.Errorf("list the members of topic %q: %w", topic, err))
		}
		if err := cmp.Or(ctx.Err(), wirepost.ValidateName(topic), wirepost.ValidateMemberCursor(after)); err != nil {
			fail(err)
			return
		}
		from, to := topic+topicEnd, topic+topicEnd+"~"
		if after != "" {
			from += string(after) + "\x00"
		}
		for m, err := range s.memberRows(ctx, presencePartition(topic), true, from, to) {
			if err != nil {
				fail(err)
				return
			}
			n := m.living(s.o.Now(), "")
			if n == 0 && (!s.presenceBreaks.listsDead || len(m.sessions) == 0) {
				continue
			}
			if !yield(wirepost.Member{MemberID: m.id, Number: m.number(), Details: m.details, Sessions: n, Cursor: wirepost.Cursor(m.id.Key())}, nil) {
				return
			}
		}
	}
}

// firstMembers is how many members of a topic are read at first.
const firstMembers = 128

// memberRows reads rows of a partition, all of them or those between two sort keys.
func (s *Store) memberRows(ctx context.Context, partition string, consistent bool, from, to string) iter.Seq2[memberRow, error] {
	return func(yield func(memberRow, error) bool) {
		in := dynamodb.QueryInput{TableName: s.o.Table, ConsistentRead: consistent, KeyConditionExpression: "#p = :p",
			ExpressionAttributeNames: map[string]string{"#p": partitionKey}, ExpressionAttributeValues: map[string]dynamodb.Value{":p": str(partition)}}
		if from != "" {
			in.KeyConditionExpression += " AND #s BETWEEN :from AND :to"
			in.ExpressionAttributeNames["#s"] = sortKey
			in.ExpressionAttributeValues[":from"], in.ExpressionAttributeValues[":to"] = str(from), str(to)
		}
		if consistent {
			in.Limit = firstMembers // who wants the first only does not pay for all
		}
		for ; ; in.Limit = 0 {
			out, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.Page, error) { return s.db.Query(ctx, in) })
			if err != nil {
				yield(memberRow{}, s.explain("list", partition, err))
				return
			}
			for _, it := range out.Items {
				if err := ctx.Err(); err != nil {
					yield(memberRow{}, err)
					return
				}
				m, err := parseMember(it)
				if err != nil {
					yield(m, s.explain("read", keyOf(it).String(), err))
					return
				}
				if !yield(m, nil) {
					return
				}
			}
			if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
				return
			}
		}
	}
}

// Due implements [wirepost.Presence]. It reads the rows of all members, about 16 of them for
// half a read unit, and may be some seconds behind.
func (s *Store) Due(ctx context.Context, now time.Time) iter.Seq2[wirepost.Lapsed, error] {
	s.made()
	return func(yield func(wirepost.Lapsed, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(wirepost.Lapsed{}, err)
			return
		}
		for n := range presencePartitions {
			for m, err := range s.memberRows(ctx, presenceShard(n), false, "", "") {
				if err != nil {
					yield(wirepost.Lapsed{}, fmt.Errorf("look for leases that are over: %w", err))
					return
				}
				if l, due := s.lapsed(m, now); due && !yield(l, nil) {
					return
				}
			}
		}
	}
}

func (s *Store) lapsed(m memberRow, now time.Time) (wirepost.Lapsed, bool) {
	l := wirepost.Lapsed{Topic: m.topic, MemberID: m.id, Number: m.change, Details: m.details, Living: m.living(now, "") > 0, Gone: m.gone(now),
		Unannounced: m.settled < m.change && now.UnixMilli()-m.change >= wirepost.AnnounceAfter.Milliseconds() && !s.presenceBreaks.tellsNothing}
	for id, session := range m.sessions {
		if now.UnixMilli() >= session.lease || s.presenceBreaks.lapsesTooEarly && now.UnixMilli() >= session.lease-4*60_000 {
			l.Leases = append(l.Leases, wirepost.Lease{ID: id, Until: time.UnixMilli(session.lease).UTC()})
		}
	}
	return l, len(l.Leases) > 0 || l.Unannounced || l.Gone
}
