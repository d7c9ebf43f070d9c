package dynamostore_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

// BenchmarkPresence is what presence costs in the table: write units of a join, a leave and a
// renewal, read units of a sweep, and a list of 10,000 members, as a client gets it that asks
// for one page after the other.
func BenchmarkPresence(b *testing.B) {
	server := dynamolocal.Start(b, dynamolocal.DynamoDBLocal)
	m := newMetered(b, server)
	s := m.presentSession(topicOf16, userOf16)
	told := func(c wirepost.Change, err error) error {
		if err == nil {
			err = m.s.Announced(b.Context(), c.Topic, c.MemberID, c.Number)
		}
		return err
	}
	for _, row := range []struct {
		name string
		most float64
		f    func() error
	}{
		{"writes_of_a_join", 2, func() error { return told(m.s.Enter(b.Context(), s, 10*time.Minute, wirepost.Details{})) }},
		{"writes_of_a_renewal", 1, func() error { _, err := m.s.Renew(b.Context(), s, 10*time.Minute); return err }},
		{"writes_of_a_leave", 2, func() error { return told(m.s.Leave(b.Context(), s)) }},
	} {
		m.clock = m.clock.Add(time.Second)
		report(b, row.name, m.of(b, row.f).writes, row.most)
	}
	report(b, "sweep_over_10,000_sessions,_100_of_them_over,_read_units", newMetered(b, server).sweepOf10000(b).reads, 350)

	m = newMetered(b, server)
	m.newMembers(b).fill(b, 1, 10_000, 0)
	took, bytes, pages := listByPages(b, again(b, m.s, server, m.options()), "topic-0000000000")
	if pages != 100 {
		b.Errorf("10,000 members are %d pages", pages)
	}
	report(b, "list_of_10,000_members_in_100_pages,_ms", float64(took.Microseconds())/1000, 0)
	report(b, "the_same,_KB", float64(bytes)/1000, 0)
}

// report makes a row of the table. A goal of 0 is none.
func report(b *testing.B, name string, value, most float64) {
	b.Run(name, func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(value, "value")
		if most > 0 {
			b.ReportMetric(most, "goal-max")
		}
	})
}

// listByPages asks a function for the members of a topic, a page after the other.
func listByPages(b *testing.B, s *dynamostore.Store, topic string) (took time.Duration, bytes, pages int) {
	publisher := wirepost.NewPublisher(s, nil)
	mux := wirepost.NewMux(s, &wirepost.MuxOptions{Presence: &wirepost.PresenceOptions{}, Publisher: publisher})
	mux.HandleProtocol(publisher, nil)
	event := func(kind, route, body string) string {
		at := metersClock.UnixMilli()
		payload := must(json.Marshal(map[string]any{"body": body, "requestContext": map[string]any{"eventType": kind, "routeKey": route, "connectionId": "L0SM9cOFvHcCIhw=",
			"apiId": production.APIID, "stage": production.Stage, "domainName": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com", "connectedAt": at, "requestTimeEpoch": at}}))
		out, err := mux.Invoke(b.Context(), payload)
		var answer struct{ Body string }
		if err == nil {
			err = json.Unmarshal(out, &answer)
		}
		if err != nil || !strings.Contains(string(out), `"statusCode":200`) {
			b.Fatalf("%s is answered with %s, %v", kind, out, err)
		}
		return answer.Body
	}
	event("CONNECT", "$connect", "")
	began, members := time.Now(), 0
	for next := ""; ; pages++ {
		body := event("MESSAGE", "$default", fmt.Sprintf(`{"action":"members","topic":%q,"from":%q}`, topic, next))
		var page struct {
			Members []struct{ User string }
			Next    string
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || len(page.Members) == 0 {
			b.Fatalf("a page is %s, %v", body, err)
		}
		bytes, members = bytes+len(body), members+len(page.Members)
		if next = page.Next; next == "" {
			break
		}
	}
	if took = time.Since(began); members != 10_000 {
		b.Fatalf("%d of 10,000 members were listed", members)
	}
	return took, bytes, pages + 1
}
