package dynamostore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/dynamodb"
)

// simTable is a table in memory that does what the log needs of DynamoDB: conditional
// puts and updates, reads, queries, and a TTL that removes late and in any order. It is a
// transport whose requests fail before and after they took effect. Time is that of the
// test's bubble.
type simTable struct {
	mu     sync.Mutex
	random *rand.Rand
	rows   map[string]map[string]dynamodb.Item // partition, sort key

	fail    float64 // the part of requests that fail
	put     func(dynamodb.Item)
	rate    float64            // read units a second of a partition; 0: any number
	buckets map[string]*bucket // of partitions
	units   float64            // that were read
	signed  time.Duration      // requests that were signed earlier than this are refused
	refused int
}

func newSimTable(seed uint64) *simTable {
	return &simTable{random: rand.New(rand.NewPCG(seed, 7)), rows: map[string]map[string]dynamodb.Item{}, signed: 15 * time.Minute}
}

// expire removes some of what TTL may remove.
func (t *simTable) expire(part float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now().Unix()
	for _, p := range slices.Sorted(keysOf(t.rows)) {
		for _, s := range slices.Sorted(keysOf(t.rows[p])) {
			if x, err := number(t.rows[p][s], attrTTL); err == nil && x < now && t.random.Float64() < part {
				delete(t.rows[p], s)
			}
		}
	}
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// chance draws a number below 1.
func (t *simTable) chance() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.random.Float64()
}

// RoundTrip implements http.RoundTripper.
func (t *simTable) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	wait := func(d time.Duration) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
	if err := wait(time.Duration(t.chance() * float64(20*time.Millisecond))); err != nil {
		return nil, err
	}
	fails := t.chance() < t.fail
	if fails && t.chance() < 0.5 {
		if t.chance() < 0.3 {
			return answerOf(400, map[string]any{"__type": "ThrottlingException", "message": "slow down"}), nil
		}
		return nil, errors.New("connection reset before the request")
	}
	if at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date")); err != nil || time.Since(at) > t.signed {
		return answerOf(400, map[string]any{"__type": "InvalidSignatureException", "message": "Signature expired"}), nil
	}
	resp := t.do(strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810."), body)
	if err := wait(time.Duration(t.chance() * float64(20*time.Millisecond))); err != nil {
		return nil, err
	}
	if fails {
		return nil, errors.New("connection reset after the request")
	}
	return resp, nil
}

func answerOf(status int, v any) *http.Response {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(b)), ContentLength: int64(len(b))}
}

func (t *simTable) do(operation string, body []byte) *http.Response {
	t.mu.Lock()
	defer t.mu.Unlock()
	read := func(v any) {
		if err := json.Unmarshal(body, v); err != nil {
			panic(err)
		}
	}
	switch operation {
	case "GetItem":
		var in dynamodb.GetItemInput
		read(&in)
		k := keyOf(in.Key)
		return answerOf(200, map[string]any{"Item": t.rows[k.p][k.s]})
	case "PutItem":
		var in dynamodb.PutItemInput
		read(&in)
		k := keyOf(in.Item)
		if old := t.rows[k.p][k.s]; !holds(in.ConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues, old) {
			t.refused++
			answer := map[string]any{"__type": "ConditionalCheckFailedException", "message": "The conditional request failed"}
			if in.ReturnValuesOnConditionCheckFailure != "" {
				answer["Item"] = old
			}
			return answerOf(400, answer)
		}
		if t.rows[k.p] == nil {
			t.rows[k.p] = map[string]dynamodb.Item{}
		}
		t.rows[k.p][k.s] = in.Item
		if t.put != nil {
			t.put(in.Item)
		}
		return answerOf(200, map[string]any{})
	case "UpdateItem":
		var in dynamodb.UpdateItemInput
		read(&in)
		k := keyOf(in.Key)
		old := t.rows[k.p][k.s]
		if !holds(in.ConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues, old) {
			return answerOf(400, map[string]any{"__type": "ConditionalCheckFailedException"})
		}
		next := dynamodb.Item{}
		for name, v := range old {
			next[name] = v
		}
		var name, value string
		if _, err := fmt.Sscanf(in.UpdateExpression, "SET %s = %s", &name, &value); err != nil {
			panic(err)
		}
		next[in.ExpressionAttributeNames[name]] = in.ExpressionAttributeValues[value]
		t.rows[k.p][k.s] = next
		return answerOf(200, map[string]any{})
	case "Query":
		var in dynamodb.QueryInput
		read(&in)
		answer := t.query(in)
		if !t.take(*in.ExpressionAttributeValues[":p"].S, answer["Items"]) {
			return answerOf(400, map[string]any{"__type": "ProvisionedThroughputExceededException", "message": "too fast"})
		}
		return answerOf(200, answer)
	}
	panic("the table does not know " + operation)
}

// bucket holds the read units that a partition has left.
type bucket struct {
	left float64
	at   time.Time
}

// take charges a consistent read, one unit for 4 KB, and reports whether the partition had
// as much. It keeps those of one second at most.
func (t *simTable) take(partition string, items any) bool {
	if t.rate == 0 {
		return true
	}
	b, err := json.Marshal(items)
	if err != nil {
		panic(err)
	}
	units := max(1, float64((len(b)+4095)/4096))
	if t.buckets == nil {
		t.buckets = map[string]*bucket{}
	}
	have := t.buckets[partition]
	if have == nil {
		have = &bucket{left: t.rate, at: time.Now()}
		t.buckets[partition] = have
	}
	have.left = min(t.rate, have.left+time.Since(have.at).Seconds()*t.rate)
	have.at = time.Now()
	if have.left < units {
		return false
	}
	have.left, t.units = have.left-units, t.units+units
	return true
}

// holds evaluates the conditions that the log has.
func holds(condition string, names map[string]string, values map[string]dynamodb.Value, old dynamodb.Item) bool {
	for part := range strings.SplitSeq(condition, " AND ") {
		switch {
		case part == "":
		case strings.HasPrefix(part, "attribute_not_exists"):
			if old != nil {
				return false
			}
		default:
			name, value, _ := strings.Cut(part, " = ")
			if have, want := old[names[name]], values[value]; old == nil || text(old, names[name]) != ptr(want.S) || ptr(have.N) != ptr(want.N) {
				return false
			}
		}
	}
	return true
}

func ptr(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (t *simTable) query(in dynamodb.QueryInput) map[string]any {
	rows := t.rows[*in.ExpressionAttributeValues[":p"].S]
	keys := slices.Sorted(keysOf(rows))
	if in.ScanIndexForward != nil {
		slices.Reverse(keys)
	}
	from := ptr(in.ExpressionAttributeValues[":s"].S)
	var items []dynamodb.Item
	for _, s := range keys {
		if s < from || in.ExclusiveStartKey != nil && s <= text(in.ExclusiveStartKey, sortKey) {
			continue
		}
		if items = append(items, rows[s]); in.Limit > 0 && len(items) == in.Limit {
			return map[string]any{"Items": items, "LastEvaluatedKey": keyOf(rows[s]).item()}
		}
	}
	return map[string]any{"Items": items}
}

// simProcess opens a store that is one process: with a clock of its own and a memory of
// its own.
func simProcess(table *simTable, skew time.Duration, breaks logBreaks, seed uint64) *Store {
	random := rand.New(rand.NewPCG(seed, 11))
	var mu sync.Mutex
	s := &Store{o: Options{Table: "t", Region: "us-east-1", AttemptTimeout: 2 * time.Second, Now: func() time.Time { return time.Now().Add(skew) },
		Random: func() float64 { mu.Lock(); defer mu.Unlock(); return random.Float64() }}, breaks: breaks, transport: &http.Transport{}}
	s.db = dynamodb.New(dynamodb.Client{URL: "http://table", Region: "us-east-1", Credentials: simCredentials{}, Transport: table, UserAgent: "test"})
	return s
}
