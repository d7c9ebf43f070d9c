package dynamostore_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

// measurement makes the lines of the table.
type measurement struct {
	lines []string
	by    map[string]used
}

func (m *measurement) add(name string, u used) {
	server := "the same"
	if u.saidReads != u.reads || u.saidWrites != u.writes {
		server = fmt.Sprintf("%g / %g", u.saidReads, u.saidWrites)
	}
	m.lines = append(m.lines, fmt.Sprintf("| %s | %g | %g | %d | %s |", name, u.reads, u.writes, u.requests, server))
	m.by[name] = u
}

const (
	topicOf16  = "0123456789abcdef"
	userOf16   = "user-89abcdef012"
	unitsDoc   = "../docs/dynamodb.md"
	unitsBegin = "| operation | read units | write units | requests | DynamoDB Local, if it differs |\n| --- | ---: | ---: | ---: | --- |\n"
)

// metered is a table with a meter before it, whose clock and random numbers are the same
// in each run, so that every row has the same size.
type metered struct {
	*meter
	clock    time.Time
	s        *dynamostore.Store
	endpoint string
	fault    fault // of the next request of the operation
	faultOf  string
	random   *rand.Rand
}

// metersClock is far away: DynamoDB Local deletes what has expired by its own.
var metersClock = time.Date(2080, 1, 1, 12, 0, 0, 123_000_000, time.UTC)

func newMetered(t testing.TB, server string) *metered {
	m := &metered{clock: metersClock, random: rand.New(rand.NewPCG(1, 2))}
	p := newProxy(t, server, func(operation string, _ fields) fault {
		if operation != m.faultOf {
			return noFault
		}
		f := m.fault
		m.fault = noFault
		return f
	})
	m.meter, m.endpoint = newMeter(p), p.url
	m.s = create(t, p.url, m.options())
	return m
}

func (m *metered) options() *dynamostore.Options {
	// A server on a busy machine must not be asked twice because it is slow.
	return &dynamostore.Options{Now: func() time.Time { return m.clock }, Random: func() float64 { return 0.7 }, AttemptTimeout: time.Minute}
}

// process is another one, which knows nothing yet.
func (m *metered) process(t *testing.T) *dynamostore.Store {
	return again(t, m.s, m.endpoint, m.options())
}

// connection is one with an ID like AWS's.
func (m *metered) connection() wirepost.Connection {
	id := make([]byte, 11)
	for i := range id {
		id[i] = byte(m.random.Uint32())
	}
	at := metersClock.Add(-time.Minute - time.Duration(m.random.IntN(1000))*time.Millisecond)
	return wirepost.Connection{ID: base64.URLEncoding.EncodeToString(id), Endpoint: production, User: userOf16, Topics: []string{topicOf16}, ConnectedAt: at, ExpiresAt: at.Add(125 * time.Minute)}
}

func (m *metered) stage() wirepost.StageRecord {
	return wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: production, URL: "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/production"}, EventTime: metersClock}
}

// fill writes the rows of connections without their user rows, which no listing of
// the table here reads.
func (m *metered) fill(t *testing.T, n int) {
	t.Helper()
	var requests []types.WriteRequest
	for range n {
		for _, it := range dynamostore.RowsOf(m.s, m.connection()) {
			if p := it["p"].(*types.AttributeValueMemberS).Value; !strings.HasPrefix(p, "u:") {
				requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: it}})
			}
		}
	}
	batches := slices.Collect(slices.Chunk(requests, 25))
	var all sync.WaitGroup
	next := make(chan []types.WriteRequest)
	for range 4 {
		all.Go(func() {
			for batch := range next {
				out, err := dynamostore.DB(m.s).BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{*dynamostore.TableName(m.s): batch}})
				if err != nil || len(out.UnprocessedItems) > 0 {
					t.Errorf("fill the table: %v, %d unprocessed", err, len(out.UnprocessedItems))
				}
			}
		})
	}
	for _, batch := range batches {
		next <- batch
	}
	close(next)
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// The table in the doc is what is measured here, to the last unit.
func TestTheUnitsOfEachOperationAreThoseInTheDoc(t *testing.T) {
	t.Setenv("WIREPOST_ENDPOINT", "")
	t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "")
	server := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	all := &measurement{by: map[string]used{}}
	measureConnections(t, newMetered(t, server), all)
	measureEvents(t, newMetered(t, server), all)
	var tables []*metered
	for _, n := range []int{1, 100, 10_000} {
		m := newMetered(t, server)
		if _, err := m.s.PutStage(t.Context(), m.stage()); err != nil {
			t.Fatal(err)
		}
		m.fill(t, n)
		tables = append(tables, m)
	}
	measureListings(t, tables, all)
	measureLog(t, newMetered(t, server), all)
	measurePresence(t, newMetered(t, server), all)
	all.add("a sweep over 10,000 members, of whom 100 have vanished", newMetered(t, server).sweepOf10000(t))

	if u := all.by["connect, with a user and a topic"]; u.writes > 3 || u.reads > 0 {
		t.Errorf("a connect costs %g read and %g write units, at most 0 and 3 are promised", u.reads, u.writes)
	}
	if u := all.by["publish to a topic of 10,000"]; u.reads > 200 || u.writes > 0 {
		t.Errorf("a publish to a topic of 10,000 costs %g read and %g write units, at most 200 and 0 are promised", u.reads, u.writes)
	}
	for name, most := range map[string]float64{"join, with the note that it was announced": 2, "leave, with the note that it was announced": 2, "renew a lease": 1} {
		if u := all.by[name]; u.writes != most || u.reads > 0 {
			t.Errorf("%s costs %g read and %g write units, 0 and %g are promised", name, u.reads, u.writes, most)
		}
	}
	if u := all.by["a sweep over 10,000 members, of whom 100 have vanished"]; u.reads > 350 {
		t.Errorf("a sweep over 10,000 members costs %g read units, at most 350 are promised", u.reads)
	}
	doc, err := os.ReadFile(unitsDoc)
	if err != nil {
		t.Error(err)
	}
	want := strings.Join(all.lines, "\n") + "\n\n"
	if _, table, _ := strings.Cut(string(doc), unitsBegin); !strings.HasPrefix(table, want) {
		t.Errorf("%s does not have the table that was measured. It is:\n\n%s%s", unitsDoc, unitsBegin, want)
	}
}

func measureConnections(t *testing.T, m *metered, all *measurement) {
	ctx := t.Context()
	put := func(s *dynamostore.Store, c wirepost.Connection) func() error {
		return func() error { return s.Put(ctx, c) }
	}
	measure := func(name string, f func() error) { all.add(name, m.of(t, f)) }

	first := m.process(t)
	measure("connect, the first one of a stage", put(first, m.connection()))
	measure("put the record of a stage", func() error { _, err := first.PutStage(ctx, m.stage()); return err })
	measure("connect, the first one of a process", put(m.s, m.connection()))
	c := m.connection()
	measure("connect, with a user and a topic", put(m.s, c))
	var got []string
	for _, r := range scan(t, m.s) {
		if _, id := place(r); id == c.ID {
			got = append(got, r.name()+fmt.Sprint(r.size()))
		}
	}
	var want []string
	for _, it := range dynamostore.RowsOf(m.s, c) {
		want = append(want, wire(it).name()+fmt.Sprint(wire(it).size()))
	}
	sameSet(t, "the rows of a connection", got, want)

	measure("the same event again", put(m.s, c))
	bare := m.connection()
	bare.User, bare.Topics = "", nil
	measure("connect, without both", put(m.s, bare))
	m.fault, m.faultOf = exceeded, "BatchWriteItem"
	measure("connect, throttled once", put(m.s, m.connection()))
	m.fault, m.faultOf = resetAfter, "PutItem"
	measure("connect, the last answer lost", put(m.s, m.connection()))
	measure("look a connection up", func() error { _, err := m.s.Connection(ctx, c.ID); return err })
	measure("subscribe", func() error { return m.s.Subscribe(ctx, bare.ID, topicOf16) })
	measure("subscribe, where it is already", func() error { return m.s.Subscribe(ctx, bare.ID, topicOf16) })
	measure("unsubscribe", func() error { return m.s.Unsubscribe(ctx, bare.ID, topicOf16) })
	measure("unsubscribe, where it is not", func() error { return m.s.Unsubscribe(ctx, bare.ID, topicOf16) })
	measure("disconnect, with a user and a topic", func() error { _, err := m.s.Delete(ctx, c.Key()); return err })
	measure("disconnect, without both", func() error { _, err := m.s.Delete(ctx, bare.Key()); return err })
	measure("disconnect, of what has gone", func() error { _, err := m.s.Delete(ctx, c.Key()); return err })
}

// measureEvents gives events to a Mux, as API Gateway does.
func measureEvents(t *testing.T, m *metered, all *measurement) {
	mux := wirepost.NewMux(m.s, &wirepost.MuxOptions{Connect: func(context.Context, *wirepost.ConnectRequest) (wirepost.Accept, error) {
		return wirepost.Accept{User: userOf16, Topics: []string{topicOf16}}, nil
	}})
	mux.Handle("$default", func(context.Context, *wirepost.Message) ([]byte, error) { return nil, nil })
	event := func(kind, route string, after time.Duration) used {
		t.Helper()
		at := metersClock.Add(after).UnixMilli()
		payload := must(json.Marshal(map[string]any{"requestContext": map[string]any{"eventType": kind, "routeKey": route, "connectionId": m.connection().ID,
			"apiId": production.APIID, "stage": production.Stage, "domainName": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com", "connectedAt": at, "requestTimeEpoch": at}}))
		return m.of(t, func() error {
			out, err := mux.Invoke(t.Context(), payload)
			if err == nil && !strings.Contains(string(out), `"statusCode":200`) {
				err = fmt.Errorf("the %s event was answered with %s", kind, out)
			}
			return err
		})
	}
	event("CONNECT", "$connect", 0)
	all.add("a CONNECT event", event("CONNECT", "$connect", time.Second))
	all.add("a CONNECT event, once in ten minutes", event("CONNECT", "$connect", 10*time.Minute))
	all.add("a MESSAGE event", event("MESSAGE", "$default", 10*time.Minute+time.Second))
}

func measureListings(t *testing.T, tables []*metered, all *measurement) {
	ctx := t.Context()
	sizes := []string{"1", "100", "10,000"}
	measure := func(name string, m *metered, s *dynamostore.Store, a wirepost.Audience) (last wirepost.Listed) {
		t.Helper()
		n := 0
		all.add(name, m.of(t, func() error {
			for l, err := range s.Connections(ctx, a, wirepost.ListOptions{}) {
				if err != nil {
					return err
				}
				last = l
				n++
			}
			return nil
		}))
		t.Logf("%s: %d items", name, n)
		return last
	}
	topic, user := wirepost.ToTopic(topicOf16), wirepost.ToUser(userOf16)
	measure("publish to a topic of 100, the first of a process", tables[1], tables[1].process(t), topic)
	measure("publish to a topic of 10,000, when its shards are doubled", tables[2], tables[2].s, topic)
	for i, m := range tables {
		measure("publish to a topic of "+sizes[i], m, m.s, topic)
	}
	for i, m := range tables {
		measure("publish to everyone, "+sizes[i], m, m.s, wirepost.Everyone())
	}

	m := tables[0]
	reap := func(name string, a wirepost.Audience, l wirepost.Listed) {
		t.Helper()
		all.add(name, m.of(t, func() error {
			removed, err := m.s.Reap(ctx, a, l)
			if err == nil && !removed {
				err = fmt.Errorf("Reap of %s removed nothing", l.ID)
			}
			return err
		}))
	}
	c := m.connection()
	if err := m.s.Put(ctx, c); err != nil {
		t.Fatal(err)
	}
	l := measure("publish to a user", m, m.s, user)
	measure("publish to one connection", m, m.s, wirepost.ToConnection(c.ID))
	reap("reap one that has gone", user, l)
	// What a connect has left that was cut before its last write.
	c = m.connection()
	for _, it := range dynamostore.RowsOf(m.s, c) {
		if strings.HasPrefix(it["p"].(*types.AttributeValueMemberS).Value, "u:") {
			if _, err := dynamostore.DB(m.s).PutItem(ctx, &dynamodb.PutItemInput{TableName: dynamostore.TableName(m.s), Item: it}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for l, err := range m.s.Connections(ctx, user, wirepost.ListOptions{}) {
		if err != nil || l.ID != c.ID {
			t.Fatalf("the user's connections have %v, %v", l, err)
		}
		reap("reap a user or topic row by itself", user, l)
	}
	all.add("read the record of a stage", m.of(t, func() error { _, err := m.s.Stage(ctx, production); return err }))
}
