package dynamostore

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// costs counts the operations of a table by name.
type costs struct {
	http.RoundTripper
	n map[string]int
}

func (c *costs) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n[strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")]++
	return c.RoundTripper.RoundTrip(r)
}

// sizeOf is what DynamoDB charges a row for (AWS, developer guide, "DynamoDB item sizes
// and formats").
func sizeOf(it dynamodb.Item) (bytes int) {
	for name, v := range it {
		bytes += len(name)
		switch {
		case v.S != nil:
			bytes += len(*v.S)
		case v.N != nil:
			bytes += (len(*v.N)+1)/2 + 1
		case v.M != nil:
			bytes += 3 + len(*v.M) + sizeOf(*v.M)
		}
	}
	return bytes
}

// measurePresence says what presence costs on DynamoDB: the writes of a join, a leave and a
// renewal, and the read units of a sweep over 10,000 sessions.
func measurePresence(t testing.TB, ctx context.Context) (join, leave, renewal int, sweep float64) {
	table := newSimTable(1)
	s := simProcess(table, 0, logBreaks{}, 1)
	counted := &costs{table, map[string]int{}}
	through := *s.db
	through.Transport = counted
	s.db = simClient(&through)
	writes := func(f func() error) int {
		clear(counted.n)
		if err := f(); err != nil {
			t.Fatal(err)
		}
		if n := counted.n["GetItem"] + counted.n["Query"]; n > 0 {
			t.Errorf("a write reads %d times", n)
		}
		return counted.n["UpdateItem"] + counted.n["PutItem"] + counted.n["DeleteItem"]
	}
	session := wirepost.Session{Topic: "lobby", User: "alice", ID: wirepost.HashSession("secret"), Connection: wirepost.ConnectionKey{ID: "L0SM9cOFvHcCIhw=",
		Endpoint: wirepost.Identity{APIID: "abc123def4", Stage: "prod", Region: "eu-west-1"}, ConnectedAt: time.Now()}}
	told := func(c wirepost.Change, err error) error {
		if err != nil {
			return err
		}
		return s.Announced(ctx, c.Topic, c.MemberID, c.Number)
	}
	join = writes(func() error { return told(s.Enter(ctx, session, 10*time.Minute, wirepost.Details{})) })
	renewal = writes(func() error { _, err := s.Renew(ctx, session, 10*time.Minute); return err })
	size := 0
	for _, rows := range table.rows {
		for _, it := range rows {
			size = max(size, sizeOf(it))
		}
	}
	leave = writes(func() error { return told(s.Leave(ctx, session)) })
	return join, leave, renewal, 10_000 * float64(size) / 4096 / 2
}

func TestAJoinAndALeaveAreTwoWritesAndARenewalIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		join, leave, renewal, sweep := measurePresence(t, t.Context())
		t.Logf("a sweep over 10,000 sessions reads %.0f units", sweep)
		if fmt.Sprint(join, leave, renewal) != "2 2 1" || sweep > 350 {
			t.Errorf("join, leave and renewal are %d, %d and %d writes, a sweep over 10,000 sessions %.0f read units", join, leave, renewal, sweep)
		}
	})
}

func BenchmarkPresenceSweepUnits(b *testing.B) {
	_, _, _, sweep := measurePresence(b, b.Context())
	b.ReportMetric(sweep, "value")
	b.ReportMetric(350, "goal-max")
}
