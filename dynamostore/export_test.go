package dynamostore

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/wirepost/wirepost/internal/dynamodb"
)

// DeleteTable removes the table of a test.
func DeleteTable(ctx context.Context, s *Store) error {
	_, err := DB(s).DeleteTable(ctx, &sdk.DeleteTableInput{TableName: &s.o.Table})
	return err
}

// DB is AWS's own client of a store's server, for tests that look at rows or harm
// them: it shares no mistake with the store's.
func DB(s *Store) *sdk.Client {
	return sdk.New(sdk.Options{Region: s.db.Region, Credentials: s.db.Credentials, BaseEndpoint: &s.db.URL, Retryer: aws.NopRetryer{}, DisableValidateResponseChecksum: true})
}

// TableName is where a store's rows are.
func TableName(s *Store) *string { return &s.o.Table }

// Shards is the number of shards of a topic.
func Shards(ctx context.Context, s *Store, topic string) (int, error) {
	return s.readShards(ctx, topic, true)
}

// ShardsEnd is when the row of a topic's shard count ends.
func ShardsEnd(t *testing.T, s *Store, topic string) time.Time {
	t.Helper()
	it, err := s.get(t.Context(), shardsKey(topic), true)
	if err != nil {
		t.Fatal(err)
	}
	end, err := expiryOf(it)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// WriteShards writes any shard count.
func WriteShards(t *testing.T, s *Store, topic, n string) {
	t.Helper()
	it := shardsKey(topic).item()
	expire(it, s.o.Now().Add(time.Hour))
	it[attrShards] = dynamodb.Value{N: &n}
	if err := s.write(t.Context(), []item{it}, nil); err != nil {
		t.Fatal(err)
	}
}

// Rows are the keys of all rows.
func Rows(t testing.TB, s *Store) []string {
	t.Helper()
	in := dynamodb.ScanInput{TableName: s.o.Table, ConsistentRead: true}
	var all []string
	for {
		out, err := s.db.Scan(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range out.Items {
			all = append(all, keyOf(it).String())
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return all
		}
	}
}

// PresencePartition is the partition of a topic's members.
func PresencePartition(topic string) string { return presencePartition(topic) }

// DeleteRow removes one row, as nobody should.
func DeleteRow(t *testing.T, s *Store, p, sort string) {
	t.Helper()
	if err := s.write(t.Context(), nil, []key{{p, sort}}); err != nil {
		t.Fatal(err)
	}
}

// DeleteConnectionRow leaves of a connection its user and topic rows only.
func DeleteConnectionRow(t *testing.T, s *Store, id string) {
	t.Helper()
	k := connectionKey(id)
	DeleteRow(t, s, k.p, k.s)
}

// Through sends the requests of a store through another transport, which gets the
// one that it had.
func Through(s *Store, wrap func(http.RoundTripper) http.RoundTripper) {
	through := *s.db
	through.Transport = wrap(through.Transport)
	s.db = dynamodb.New(through)
}

// RowsNamed are the keys of the rows that a connection row names, and its own. There
// is none where there is no connection row.
func RowsNamed(t testing.TB, s *Store, id string) (keys []string) {
	t.Helper()
	r, err := s.readRow(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if r == nil {
		return nil
	}
	for k := range r.subscriptions() {
		keys = append(keys, k.String())
	}
	return append(keys, connectionKey(id).String())
}
