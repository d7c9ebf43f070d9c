package v01

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// The attributes of the rows; see the package's doc.
const (
	attrTTL       = "x" // every row: seconds since 1970, rounded up
	attrFraction  = "m" // milliseconds by which the expiry is before attrTTL; absent if 0
	attrEndpoint  = "a" // connection rows: API/STAGE@REGION
	attrConnected = "g" // connection rows: milliseconds since 1970
	attrUser      = "u" // connection rows
	attrTopics    = "t" // connection rows: topic → shard of its subscription row
	attrClaims    = "c" // connection rows; absent if empty
	attrVersion   = "v" // connection rows: differs after every change
	attrURL       = "u" // stage rows; absent where only the identity is known
	attrEvent     = "t" // stage rows: milliseconds since 1970
	attrShards    = "n" // shard rows
)

type item = dynamodb.Item

func str(s string) dynamodb.Value { return dynamodb.String(s) }
func num(n int64) dynamodb.Value  { return dynamodb.Number(n) }

func (k key) item() item { return item{partitionKey: str(k.p), sortKey: str(k.s)} }

func keyOf(it item) key { return key{text(it, partitionKey), text(it, sortKey)} }

func text(it item, attr string) string {
	if v := it[attr]; v.S != nil {
		return *v.S
	}
	return ""
}

func number(it item, attr string) (int64, error) {
	v := it[attr]
	if v.N == nil {
		return 0, fmt.Errorf("the attribute %q is not a number", attr)
	}
	n, err := strconv.ParseInt(*v.N, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the attribute %q has the value %q, want a whole number", attr, *v.N)
	}
	return n, nil
}

// expire sets when a row ends. DynamoDB deletes by whole seconds and never before;
// what is missing to the millisecond is next to it.
func expire(it item, t time.Time) {
	ms := t.UnixMilli()
	seconds := ms / 1000
	if ms%1000 > 0 {
		seconds++
	}
	it[attrTTL] = num(seconds)
	if f := seconds*1000 - ms; f != 0 {
		it[attrFraction] = num(f)
	}
}

func expiryOf(it item) (time.Time, error) {
	seconds, err := number(it, attrTTL)
	if err != nil {
		return time.Time{}, err
	}
	var fraction int64
	if _, ok := it[attrFraction]; ok {
		if fraction, err = number(it, attrFraction); err != nil {
			return time.Time{}, err
		}
	}
	if seconds > math.MaxInt64/1000 || seconds < math.MinInt64/1000+1 {
		return time.Time{}, fmt.Errorf("the attribute %q is not a time", attrTTL)
	}
	return time.UnixMilli(seconds*1000 - fraction).UTC(), nil
}

// row is a connection row as it is in the table.
type row struct {
	id          string
	endpoint    wirepost.Identity
	user        string
	claims      string
	topics      map[string]int // topic → shard
	connectedAt time.Time
	expiresAt   time.Time
	version     int64
}

func (r row) key() wirepost.ConnectionKey {
	return wirepost.ConnectionKey{ID: r.id, Endpoint: r.endpoint, ConnectedAt: r.connectedAt}
}

func (r row) connection() wirepost.Connection {
	return wirepost.Connection{ID: r.id, Endpoint: r.endpoint, User: r.user, Claims: r.claims, Topics: slices.Sorted(maps.Keys(r.topics)), ConnectedAt: r.connectedAt, ExpiresAt: r.expiresAt}
}

// subscriptions are the keys of everything that makes listings show the
// connection.
func (r row) subscriptions() map[key]bool {
	all := make(map[key]bool, len(r.topics)+1)
	if r.user != "" {
		all[subscriptionKey(userPartition(r.user), r.key())] = true
	}
	for t, shard := range r.topics {
		all[subscriptionKey(topicPartition(shard, t), r.key())] = true
	}
	return all
}

func (r row) item() item {
	it := connectionKey(r.id).item()
	expire(it, r.expiresAt)
	it[attrEndpoint] = str(r.endpoint.String())
	it[attrConnected] = num(r.connectedAt.UnixMilli())
	it[attrVersion] = num(r.version)
	if r.user != "" {
		it[attrUser] = str(r.user)
	}
	if r.claims != "" {
		it[attrClaims] = str(r.claims)
	}
	topics := make(map[string]dynamodb.Value, len(r.topics))
	for t, shard := range r.topics {
		topics[t] = num(int64(shard))
	}
	it[attrTopics] = dynamodb.Map(topics)
	return it
}

func parseRow(it item) (r row, err error) {
	fail := func(err error) (row, error) {
		return row{}, fmt.Errorf("the row %s is not a connection row of wirepost: %w", keyOf(it), err)
	}
	s := text(it, sortKey)
	if len(s) <= sliceWidth {
		return fail(fmt.Errorf("its sort key is too short"))
	}
	r.id, r.user, r.claims = s[sliceWidth:], text(it, attrUser), text(it, attrClaims)
	if r.endpoint, err = parseIdentity(text(it, attrEndpoint)); err != nil {
		return fail(err)
	}
	connected, err := number(it, attrConnected)
	if err != nil {
		return fail(err)
	}
	r.connectedAt = time.UnixMilli(connected).UTC()
	if r.expiresAt, err = expiryOf(it); err != nil {
		return fail(err)
	}
	if r.version, err = number(it, attrVersion); err != nil {
		return fail(err)
	}
	topics := it[attrTopics].M
	if topics == nil {
		return fail(fmt.Errorf("the attribute %q is not a map", attrTopics))
	}
	r.topics = make(map[string]int, len(*topics))
	for t := range *topics {
		shard, err := number(*topics, t)
		if err != nil || shard < 0 || shard >= maxShards {
			return fail(fmt.Errorf("the shard of the topic %q is not a number from 0 to %d", t, maxShards-1))
		}
		r.topics[t] = int(shard)
	}
	return r, nil
}

// subscriptionItem is a subscription row: its key and when it ends.
func subscriptionItem(k key, expiresAt time.Time) item {
	it := k.item()
	expire(it, expiresAt)
	return it
}
