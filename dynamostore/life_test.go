package dynamostore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/wireposttest"
)

func byUser(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
	return wirepost.Accept{User: r.Query("user")[0], Topics: []string{"lobby"}}, nil
}

// api runs a gateway whose function keeps its connections in a store of its own on
// the table.
func api(t *testing.T, s *dynamostore.Store, endpoint string, configure func(*gateway.Server)) *wireposttest.Gateway {
	t.Helper()
	var region gateway.Server
	configure(&region)
	// A host of this machine names no region: the function's own is taken.
	function := wirepost.NewMux(again(t, s, endpoint, &dynamostore.Options{}), &wirepost.MuxOptions{Connect: byUser, Region: region.Region})
	return wireposttest.NewGateway(t, function, configure)
}

func dial(t *testing.T, g *wireposttest.Gateway, user string) *wireposttest.Client {
	t.Helper()
	c, err := wireposttest.Dial(t.Context(), g.URL+"?user="+user, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Cut() })
	return c
}

func wantMessage(t *testing.T, c *wireposttest.Client, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if got, err := c.Receive(ctx); got != want {
		t.Errorf("the client got %q, %v, want %q", got, err, want)
	}
}

func publish(t *testing.T, p *wirepost.Publisher, to wirepost.Audience, text string, o *wirepost.PublishOptions) wirepost.Result {
	t.Helper()
	r, err := p.Publish(t.Context(), to, []byte(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Two APIs, a second stage and a second region, all in one table, and a publisher
// that has never seen any of them.
func TestEachAPIStageAndRegionOfATableGetsItsOwnMessages(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	s := create(t, endpoint, &dynamostore.Options{})
	var clients []*wireposttest.Client
	var identities []wirepost.Identity
	for i, id := range []wirepost.Identity{
		{APIID: "aaaaaaaaaa", Stage: "production", Region: "us-east-1"},
		{APIID: "aaaaaaaaaa", Stage: "staging", Region: "us-east-1"},
		{APIID: "bbbbbbbbbb", Stage: "production", Region: "us-east-1"},
		{APIID: "aaaaaaaaaa", Stage: "production", Region: "eu-central-1"},
	} {
		g := api(t, s, endpoint, func(g *gateway.Server) { g.APIID, g.Stage, g.Region = id.APIID, id.Stage, id.Region })
		clients = append(clients, dial(t, g, fmt.Sprintf("user%d", i)))
		identities = append(identities, id)
	}
	p := wirepost.NewPublisher(again(t, s, endpoint, &dynamostore.Options{}), nil)
	defer p.CloseIdleConnections()
	for i, c := range clients {
		if r := publish(t, p, wirepost.ToUser(fmt.Sprintf("user%d", i)), fmt.Sprint("for ", i), nil); r.Sent != 1 {
			t.Errorf("user%d: %v", i, r)
		}
		wantMessage(t, c, fmt.Sprint("for ", i))
	}
	if r := publish(t, p, wirepost.ToTopic("lobby"), "staging only", &wirepost.PublishOptions{Only: &identities[1]}); r.Sent != 1 {
		t.Errorf("to one stage: %v", r)
	}
	wantMessage(t, clients[1], "staging only")
}

// The stage keeps its identity and moves: a laptop's gateway on another port, an
// endpoint that was disabled in favour of a domain.
func TestAStageThatMovesTakesItsMessagesWithIt(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	s := create(t, endpoint, &dynamostore.Options{})
	p := wirepost.NewPublisher(again(t, s, endpoint, &dynamostore.Options{}), nil)
	defer p.CloseIdleConnections()
	same := func(g *gateway.Server) { g.APIID = "aaaaaaaaaa" }
	first, stop, err := wireposttest.StartGateway(wirepost.NewMux(again(t, s, endpoint, &dynamostore.Options{}), &wirepost.MuxOptions{Connect: byUser}), same)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	c := dial(t, first, "alice")
	publish(t, p, wirepost.ToUser("alice"), "before", nil)
	wantMessage(t, c, "before")
	stop()
	second := api(t, s, endpoint, same)
	c = dial(t, second, "alice")
	if r := publish(t, p, wirepost.ToUser("alice"), "after", nil); r.Sent != 1 || r.Failed != 0 {
		t.Errorf("after the move: %v", r)
	}
	wantMessage(t, c, "after")
}

// A new deployment of the stack makes a new API. The old one's rows stay until they
// are swept, and keep nobody from getting messages.
func TestARecreatedAPIIsReachedBesideTheRowsOfTheOldOne(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	s := create(t, endpoint, &dynamostore.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	dead := wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: wirepost.Identity{APIID: "oldoldold1", Stage: "dev", Region: "us-east-1"}, URL: "http://" + strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1) + "/dev"}, EventTime: time.Now().Add(-time.Hour)}
	if _, err := s.PutStage(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c := connection(fmt.Sprintf("old%d", i), "alice", "lobby")
		c.Endpoint = dead.Identity
		if err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	g := api(t, s, endpoint, func(g *gateway.Server) { g.APIID = "newnewnew1" })
	c := dial(t, g, "alice")
	p := wirepost.NewPublisher(s, &wirepost.PublisherOptions{PostTimeout: time.Second})
	defer p.CloseIdleConnections()
	r := publish(t, p, wirepost.ToTopic("lobby"), "hello", nil)
	if r.Sent != 1 || r.Failed != 3 || r.Removed != 0 {
		t.Errorf("publish: %v, want 1 sent and 3 failed: an API that does not answer says nothing of its connections", r)
	}
	wantMessage(t, c, "hello")
}

// Clients come through a custom domain and through the API's own host. Neither
// name is the endpoint, which is derived, so the record never goes to and fro.
func TestACustomDomainBesideTheAPIsOwnHostLeavesOneEndpoint(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	s := create(t, endpoint, &dynamostore.Options{})
	id := wirepost.Identity{APIID: "a1b2c3d4e5", Stage: "production", Region: "eu-central-1"}
	event := func(domain, connectionID string, at time.Time) []byte {
		b, err := json.Marshal(map[string]any{"headers": map[string]string{}, "requestContext": map[string]any{
			"eventType": "CONNECT", "routeKey": "$connect", "connectionId": connectionID, "apiId": id.APIID, "stage": id.Stage,
			"domainName": domain, "connectedAt": at.UnixMilli(), "requestTimeEpoch": at.UnixMilli(),
		}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	at := time.Now()
	for i, domain := range []string{"ws.example.com", id.APIID + ".execute-api.eu-central-1.amazonaws.com", "ws.example.com"} {
		mux := wirepost.NewMux(s, &wirepost.MuxOptions{Region: id.Region})
		if out, err := mux.Invoke(t.Context(), event(domain, fmt.Sprint("c", i), at.Add(time.Duration(i)*time.Second))); err != nil || !strings.Contains(string(out), "200") {
			t.Fatalf("connect through %s: %s, %v", domain, out, err)
		}
		all, err := s.Stages(t.Context())
		if err != nil || len(all) != 1 || all[0].Identity != id || all[0].URL != "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/production" {
			t.Errorf("after a connect through %s the stages are %+v, %v", domain, all, err)
		}
	}
}

// Whatever explains the codes of subscription rows may be lost: a stage record that
// was swept by mistake, a second program of an older day.
func TestASubscriptionWhoseIdentityIsUnknownIsFoundThroughItsConnection(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	s := create(t, endpoint, &dynamostore.Options{})
	if err := s.Put(t.Context(), connection("c1", "alice", "a")); err != nil {
		t.Fatal(err)
	}
	r := wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: production, URL: "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/production"}, EventTime: time.Now()}
	if _, err := s.PutStage(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if removed, err := s.DeleteStage(t.Context(), r); err != nil || !removed {
		t.Fatalf("DeleteStage = %v, %v", removed, err)
	}
	for range 2 {
		fresh := again(t, s, endpoint, &dynamostore.Options{})
		for _, a := range []wirepost.Audience{wirepost.ToUser("alice"), wirepost.ToTopic("a")} {
			for l, err := range fresh.Connections(t.Context(), a, wirepost.ListOptions{}) {
				if err != nil || l.Endpoint != production {
					t.Errorf("%s: %+v, %v", a, l, err)
				}
			}
			sameSet(t, a.String(), list(t, fresh, a, wirepost.ListOptions{}), []string{"c1"})
		}
	}
	// It is explained again, for everybody.
	found := false
	for _, k := range dynamostore.Rows(t, s) {
		found = found || k == "s | "+production.String()
	}
	if !found {
		t.Error("the identity has no row after it was found")
	}
	// Without the connection's row there is no connection.
	other := connection("c2", "bob")
	other.Endpoint.APIID = "zzzzzzzzzz"
	if err := s.Put(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	dynamostore.DeleteRow(t, s, "s", other.Endpoint.String())
	dynamostore.DeleteConnectionRow(t, s, "c2")
	fresh := again(t, s, endpoint, &dynamostore.Options{})
	sameSet(t, "user:bob", list(t, fresh, wirepost.ToUser("bob"), wirepost.ListOptions{}), nil)
}

// TTL deletes late: until then a sweep removes what is over, and what is nobody's.
func TestASweepRemovesLeftoversAndNothingElse(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	s := create(t, endpoint, &dynamostore.Options{})
	old := connection("lost", "alice", "a", "b")
	old.ConnectedAt = time.Now().Add(-10 * time.Minute)
	young := connection("young", "alice", "a")
	young.ConnectedAt = time.Now()
	for _, c := range []wirepost.Connection{old, young, connection("live", "alice", "a")} {
		if err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	dynamostore.DeleteConnectionRow(t, s, "lost")
	dynamostore.DeleteConnectionRow(t, s, "young") // a connect that is still running looks the same
	before := len(dynamostore.Rows(t, s))
	if n, err := s.Sweep(t.Context()); n != 3 || err != nil {
		t.Errorf("Sweep = %d, %v, want the three rows of the lost connection", n, err)
	}
	if after := len(dynamostore.Rows(t, s)); after != before-3 {
		t.Errorf("the table had %d rows and has %d", before, after)
	}
	sameSet(t, "topic:a", list(t, s, wirepost.ToTopic("a"), wirepost.ListOptions{}), []string{"young", "live"})
}
