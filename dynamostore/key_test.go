package dynamostore

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

var production = wirepost.Identity{APIID: "a1b2c3d4e5", Stage: "production", Region: "eu-central-1"}

func TestEncodedNumbersSortAsTheNumbersDo(t *testing.T) {
	if !slices.IsSorted([]byte(alphabet)) || len(alphabet) != 64 {
		t.Fatalf("the alphabet %q is not 64 characters in order", alphabet)
	}
	var last string
	for _, n := range []uint64{0, 1, 63, 64, 4095, 4096, 1 << 20, latestTime - 1, latestTime} {
		s := encode(n, timeWidth)
		if back, ok := decode(s); s <= last || back != n || !ok || len(s) != timeWidth {
			t.Errorf("%d is encoded as %q, behind %q, and decoded as %d", n, s, last, back)
		}
		last = s
	}
	if y := time.UnixMilli(latestTime).Year(); y != 2109 {
		t.Errorf("times end in %d, the doc says 2109", y)
	}
}

func TestConnectionsSpreadEvenly(t *testing.T) {
	const n = 100_000
	slices, partitions, shards := map[string]int{}, make([]int, everyonePartitions), make([]int, 4)
	for i := range n {
		id := fmt.Sprintf("R1kmx%08dIA=", i) // alike but for some digits
		slices[sliceOf(id)[:1]]++
		partitions[partitionOf(id)]++
		shards[shardOf(id, 4)]++
	}
	for what, counts := range map[string][]int{"partitions": partitions, "shards": shards} {
		for i, c := range counts {
			if even := n / len(counts); c < even*9/10 || c > even*11/10 {
				t.Errorf("%s: %d has %d of %d rows, evenly it would be %d", what, i, c, n, even)
			}
		}
	}
	for s, c := range slices {
		if c < n/64*8/10 || c > n/64*12/10 || len(slices) != 64 {
			t.Errorf("the slices that start with %q have %d of %d rows, evenly it would be %d", s, c, n, n/64)
		}
	}
}

func TestTheSizeOfASubscriptionRowIsWhatTheDocSays(t *testing.T) {
	k := subscriptionKey(topicPartition(0, "0123456789abcdef"), wirepost.ConnectionKey{ID: "L0SM9cOFvHcCIhw=", Endpoint: production, ConnectedAt: time.UnixMilli(1790000000123)})
	it := subscriptionItem(k, time.UnixMilli(1790007500123))
	// Names and strings count their bytes, numbers half their digits and one (AWS,
	// developer guide, "DynamoDB item sizes and formats").
	size := 0
	for name, v := range it {
		size += len(name)
		switch {
		case v.S != nil:
			size += len(*v.S)
		case v.N != nil:
			size += (len(*v.N)+1)/2 + 1
		}
	}
	if size != 67 {
		t.Errorf("the row %v has %d bytes, the package's doc says 67", it, size)
	}
}

func TestTheParametersOfAURLAreChecked(t *testing.T) {
	for _, c := range []struct{ url, table, region, endpoint, problem string }{
		{"dynamodb://connections", "connections", "", "", ""},
		{"dynamodb://My_Table.v-2?region=eu-central-1", "My_Table.v-2", "eu-central-1", "", ""},
		{"dynamodb://tab?endpoint=http://127.0.0.1:8000&region=us-gov-west-1", "tab", "us-gov-west-1", "http://127.0.0.1:8000", ""},
		{"dynamodb://tab?endpoint=http%3A%2F%2Flocalhost%3A8000", "tab", "", "http://localhost:8000", ""},
		{"dynamodb:connections", "", "", "", "write dynamodb://TABLE"},
		{"dynamodb://", "", "", "", "is not the name of a table"},
		{"dynamodb://ab", "", "", "", "is not the name of a table"},
		{"dynamodb://host/table", "", "", "", "is not the name of a table"},
		{"dynamodb://tab?table=x", "", "", "", "there is no parameter \"table\""},
		{"dynamodb://tab?region=", "", "", "", "needs one value"},
		{"dynamodb://tab?region=a&region=b", "", "", "", "needs one value"},
		{"dynamodb://tab?region=Frankfurt", "", "", "", "is not a region"},
		{"dynamodb://tab?endpoint=127.0.0.1:8000", "", "", "", "is not a URL such as"},
		{"dynamodb://tab?endpoint=http://u:p@127.0.0.1:8000", "", "", "", "is not a URL such as"},
		{"dynamodb://tab?%zz", "", "", "", "cannot be read"},
	} {
		o, err := ParseURL(c.url)
		switch {
		case c.problem != "":
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("ParseURL(%q): error = %v, want one with %q", c.url, err, c.problem)
			}
		case err != nil:
			t.Errorf("ParseURL(%q): %v", c.url, err)
		case o.Table != c.table || o.Region != c.region || o.Endpoint != c.endpoint:
			t.Errorf("ParseURL(%q) = %+v", c.url, o)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add("L0SM9cOFvHcCIhw=", int64(1790000000123), "a1b2c3d4e5", "production", "eu-central-1")
	f.Add("a.b.c", int64(0), "x", "$default", "us-east-1")
	f.Add("..", int64(latestTime), "x", "a@b", "cn-north-1")
	f.Fuzz(func(t *testing.T, id string, ms int64, api, stage, region string) {
		endpoint := wirepost.Identity{APIID: api, Stage: stage, Region: region}
		if wirepost.ValidateConnectionID(id) != nil || endpoint.Validate() != nil || ms < 0 || ms > latestTime {
			t.Skip()
		}
		if back, err := parseIdentity(endpoint.String()); err != nil || back != endpoint {
			t.Errorf("identity %v comes back as %v, %v", endpoint, back, err)
		}
		at := time.UnixMilli(ms).UTC()
		k := subscriptionKey("u:alice", wirepost.ConnectionKey{ID: id, Endpoint: endpoint, ConnectedAt: at})
		gotID, gotTime, code, err := parseSubscription(k.s)
		if err != nil || gotID != id || !gotTime.Equal(at) || code != codeOf(endpoint) {
			t.Errorf("sort key %q comes back as %q %v %q, %v", k.s, gotID, gotTime, code, err)
		}
		if n, s, err := parseCursor(cursorAt(3, k.s)); n != 3 || s != k.s || err != nil {
			t.Errorf("cursor comes back as %d %q, %v", n, s, err)
		}
		if k.s < sliceOf(id) || k.s > "~" {
			t.Errorf("the sort key %q is not in its slice", k.s)
		}
	})
}

// Rows come from anyone who may write the table.
func FuzzRows(f *testing.F) {
	f.Add([]byte("--L0SM9cOFvHcCIhw="), "a1b2c3d4e5/production@eu-central-1", "1790000000", "123", "1790000000123", "7", "lobby", "0")
	f.Fuzz(func(t *testing.T, s []byte, identity, x, m, g, v, topic, shard string) {
		n := func(s string) dynamodb.Value { return dynamodb.Value{N: &s} }
		it := item{partitionKey: str("c0"), sortKey: str(string(s)), attrEndpoint: str(identity), attrTTL: n(x), attrFraction: n(m), attrConnected: n(g), attrVersion: n(v),
			attrTopics: dynamodb.Map(item{topic: n(shard)})}
		r, err := parseRow(it)
		if err != nil {
			return
		}
		back, err := parseRow(r.item())
		if err != nil || back.key() != r.key() && !back.connectedAt.Equal(r.connectedAt) || !back.expiresAt.Equal(r.expiresAt) || back.version != r.version {
			t.Errorf("row %+v comes back as %+v, %v", r, back, err)
		}
		parseSubscription(string(s))
		parseCursor(wirepost.Cursor(bytes.ToValidUTF8(s, nil)))
	})
}
