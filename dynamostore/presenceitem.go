package dynamostore

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// presencePartitions is in how many partitions the members of all topics are. It can never
// change. A sweep reads these and nothing else.
const presencePartitions = 16

// The attributes of a member's row. Each session is an attribute of its own: a map in a row
// cannot be made and filled by one update.
const (
	attrChange  = "n"  // the number of the last change
	attrTold    = "a"  // the number that was announced last
	attrSettled = "q"  // up to which number nothing is to be announced, where that is above attrTold
	attrCall    = "k"  // the name of the call that has changed attrChange
	attrInfo    = "i"  // JSON
	attrSaid    = "d"  // JSON
	prefixSess  = "s:" // s:SESSION: a map of the three below
	sessConn    = "c"  // CONNECTION.CODE, as in subscription rows
	sessSince   = "g"  // when that connection was made, in milliseconds
	sessLease   = "l"  // until when, in milliseconds
)

// keptAfterLease is how long TTL leaves a row whose last lease is over: sweeps remove it
// long before.
const keptAfterLease = 7 * 24 * time.Hour

// topicEnd is behind the name of the topic in sort keys. No name has it.
const topicEnd = "\n"

func presencePartition(topic string) string {
	return presenceShard(int(spread(topic) >> 20 % presencePartitions))
}

func presenceShard(n int) string { return "p" + strconv.Itoa(n) }

func memberKey(topic string, m wirepost.MemberID) key {
	return key{presencePartition(topic), topic + topicEnd + m.Key()}
}

// sweepKey is the row that says which minute was swept.
var sweepKey = key{"p", "sweep"}

func sessionConnection(k wirepost.ConnectionKey) string { return k.ID + "." + codeOf(k.Endpoint) }

// memberRow is a member of a topic as it is in the table.
type memberRow struct {
	topic    string
	id       wirepost.MemberID
	change   int64
	told     int64
	settled  int64
	call     string
	details  wirepost.Details
	sessions map[string]memberSession
}

type memberSession struct {
	connection string
	since      int64
	lease      int64
}

func parseMember(it item) (m memberRow, err error) {
	fail := func(err error) (memberRow, error) {
		return memberRow{}, fmt.Errorf("the row %s is not a member's: %w", keyOf(it), err)
	}
	topic, member, ok := strings.Cut(text(it, sortKey), topicEnd)
	if !ok {
		return fail(fmt.Errorf("its sort key names no member"))
	}
	m.topic = topic
	if m.id, err = wirepost.ParseMemberKey(member); err != nil {
		return fail(err)
	}
	if m.change, err = number(it, attrChange); err != nil {
		return fail(err)
	}
	for attr, into := range map[string]*int64{attrTold: &m.told, attrSettled: &m.settled} {
		if _, ok := it[attr]; ok {
			if *into, err = number(it, attr); err != nil {
				return fail(err)
			}
		}
	}
	m.settled = max(m.settled, m.told)
	m.call = text(it, attrCall)
	m.details = wirepost.Details{Info: raw(it, attrInfo), Said: raw(it, attrSaid)}
	m.sessions = map[string]memberSession{}
	for name, v := range it {
		id, ok := strings.CutPrefix(name, prefixSess)
		if !ok {
			continue
		}
		if v.M == nil {
			return fail(fmt.Errorf("the attribute %q is not a map", name))
		}
		s := memberSession{connection: text(*v.M, sessConn)}
		if s.since, err = number(*v.M, sessSince); err != nil {
			return fail(err)
		}
		if s.lease, err = number(*v.M, sessLease); err != nil {
			return fail(err)
		}
		m.sessions[id] = s
	}
	return m, nil
}

func raw(it item, attr string) json.RawMessage {
	if s := text(it, attr); s != "" {
		return json.RawMessage(s)
	}
	return nil
}

// living is how many sessions live, without one of them.
func (m memberRow) living(now time.Time, without string) (n int) {
	for id, s := range m.sessions {
		if id != without && now.UnixMilli() < s.lease {
			n++
		}
	}
	return n
}

// number is what lists show: what was announced, or is to be.
func (m memberRow) number() int64 {
	if m.settled >= m.change && m.told > 0 {
		return m.told
	}
	return m.change
}

func (m memberRow) isQuiet(d wirepost.Details, now time.Time) bool {
	return m.living(now, "") > 0 && m.settled >= m.change && string(m.details.Info) == string(d.Info) && string(m.details.Said) == string(d.Said)
}

func (m memberRow) gone(now time.Time) bool {
	return len(m.sessions) == 0 && m.settled >= m.change && now.UnixMilli()-m.change >= wirepost.GoneKept.Milliseconds()
}

func sessionValue(s wirepost.Session, lease time.Time) dynamodb.Value {
	return dynamodb.Map(map[string]dynamodb.Value{sessConn: str(sessionConnection(s.Connection)), sessSince: num(s.Connection.ConnectedAt.UnixMilli()), sessLease: num(lease.UnixMilli())})
}
