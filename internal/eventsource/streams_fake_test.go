package eventsource

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fakeStream is a server of DynamoDB with the stream of one table, in memory and in the
// time of the test. A sequence number is the index of a record in its shard, with five
// digits and the shard's name before it.
type fakeStream struct {
	mu      sync.Mutex
	label   string
	shards  []*fakeShard
	away    bool
	expired time.Duration // the life of an iterator; zero means 15 minutes
	calls   map[string]int
}

type fakeShard struct {
	id, parent string
	closed     bool
	trimmed    int // records that are not there any more
	records    []map[string]any
}

func newFakeStream(shards ...*fakeShard) *fakeStream {
	return &fakeStream{label: "L1", shards: shards, calls: map[string]int{}}
}

// add appends a record whose key is that name.
func (s *fakeShard) add(names ...string) *fakeShard {
	for _, name := range names {
		s.records = append(s.records, map[string]any{"eventID": "e-" + name, "eventName": "INSERT", "awsRegion": "ddblocal", "dynamodb": map[string]any{
			"ApproximateCreationDateTime": float64(time.Now().Unix()), "Keys": map[string]any{"id": map[string]string{"S": name}},
			"SequenceNumber": fmt.Sprintf("%s-%05d", s.id, len(s.records)), "SizeBytes": 9,
		}})
	}
	return s
}

func (f *fakeStream) do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeStream) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var in struct{ ShardID, ShardIteratorType, SequenceNumber, ShardIterator string }
	json.Unmarshal(body, &in)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[operation]++
	if f.away {
		return nil, errors.New("connection refused")
	}
	switch operation {
	case "DescribeTable":
		return answerOf(200, map[string]any{"Table": map[string]string{"LatestStreamArn": "arn:local/" + f.label, "LatestStreamLabel": f.label}}), nil
	case "DescribeStream":
		var all []any
		for _, s := range f.shards {
			sequence := map[string]string{"StartingSequenceNumber": "0"}
			if s.closed {
				sequence["EndingSequenceNumber"] = "9"
			}
			all = append(all, map[string]any{"ShardId": s.id, "ParentShardId": s.parent, "SequenceNumberRange": sequence})
		}
		return answerOf(200, map[string]any{"StreamDescription": map[string]any{"Shards": all}}), nil
	case "GetShardIterator":
		s, at := f.shard(in.ShardID), 0
		if in.SequenceNumber != "" {
			n, _ := strconv.Atoi(in.SequenceNumber[len(in.SequenceNumber)-5:])
			if at = n + 1; at < s.trimmed {
				return answerOf(400, map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#TrimmedDataAccessException"}), nil
			}
		}
		return answerOf(200, map[string]string{"ShardIterator": f.iterator(s.id, max(at, s.trimmed))}), nil
	}
	return f.page(in.ShardIterator), nil
}

func (f *fakeStream) shard(id string) *fakeShard {
	for _, s := range f.shards {
		if s.id == id {
			return s
		}
	}
	return nil
}

func (f *fakeStream) iterator(id string, at int) string {
	return fmt.Sprintf("%s %d %d", id, at, time.Now().UnixNano())
}

func (f *fakeStream) page(iterator string) *http.Response {
	parts := strings.Fields(iterator)
	at, _ := strconv.Atoi(parts[1])
	made, _ := strconv.ParseInt(parts[2], 10, 64)
	life := f.expired
	if life == 0 {
		life = 15 * time.Minute
	}
	if time.Since(time.Unix(0, made)) > life {
		return answerOf(400, map[string]string{"__type": "x#ExpiredIteratorException"})
	}
	s := f.shard(parts[0])
	if at < s.trimmed {
		return answerOf(400, map[string]string{"__type": "x#TrimmedDataAccessException"})
	}
	out := map[string]any{"Records": s.records[at:]}
	if !s.closed {
		out["NextShardIterator"] = f.iterator(s.id, len(s.records))
	}
	return answerOf(200, out)
}
