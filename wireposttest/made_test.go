package wireposttest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/httpstore"
	"github.com/wirepost/wirepost/sqlitestore"
)

// nobody is a provider of credentials that would panic in a goroutine of AWS's.
type nobody struct{ aws.Credentials }

func (n *nobody) Retrieve(context.Context) (aws.Credentials, error) { return n.Credentials, nil }

// A driver's Open that failed has returned a nil pointer, and a caller that did not look at the
// error has it as a store.
func TestAStoreThatOpenDidNotMakeSaysSoOnTheCallersGoroutine(t *testing.T) {
	panicOf := func(f func()) (value any) {
		defer func() { value = recover() }()
		f()
		return nil
	}
	var (
		noTable  *dynamostore.Store
		noFile   *sqlitestore.Store
		noServer *httpstore.Store
	)
	for name, store := range map[string]wirepost.Store{
		"a nil dynamostore": noTable, "a zero dynamostore": &dynamostore.Store{},
		"a nil sqlitestore": noFile, "a zero sqlitestore": &sqlitestore.Store{},
		"a nil httpstore": noServer, "a zero httpstore": &httpstore.Store{},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			c := newClock()
			connection := row(c, "A=", "alice", "lobby", "news")
			for method, f := range map[string]func(){
				"Put":         func() { store.Put(ctx, connection) },
				"Delete":      func() { store.Delete(ctx, connection.Key()) },
				"Reap":        func() { store.Reap(ctx, wirepost.Everyone(), wirepost.Listed{ID: "A="}) },
				"Connection":  func() { store.Connection(ctx, "A=") },
				"Subscribe":   func() { store.Subscribe(ctx, "A=", "lobby") },
				"Unsubscribe": func() { store.Unsubscribe(ctx, "A=", "lobby") },
				"Connections": func() {
					for range store.Connections(ctx, wirepost.Everyone(), wirepost.ListOptions{}) {
					}
				},
				"PutStage": func() {
					store.PutStage(ctx, wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: production, URL: "https://x"}, EventTime: c.Now()})
				},
				"Stage":  func() { store.Stage(ctx, production) },
				"Stages": func() { store.Stages(ctx) },
				"DeleteStage": func() {
					store.DeleteStage(ctx, wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: production}})
				},
			} {
				if got := fmt.Sprint(panicOf(f)); !strings.Contains(got, "was not made by Open") {
					t.Errorf("%s: %s", method, got)
				}
			}
			if err := store.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	if got := fmt.Sprint(panicOf(func() { httpstore.NewHandler(nil, nil) })); !strings.Contains(got, "the store is nil") {
		t.Errorf("NewHandler(nil): %s", got)
	}
	if got := fmt.Sprint(panicOf(func() { httpstore.NewHandler(noFile, nil) })); !strings.Contains(got, "the store is nil") {
		t.Errorf("NewHandler of a nil pointer: %s", got)
	}
	if _, err := dynamostore.Open(t.Context(), &dynamostore.Options{Table: "connections", Region: "us-east-1", Credentials: (*nobody)(nil)}); err == nil || !strings.Contains(err.Error(), "the credentials are a nil *wireposttest.nobody") {
		t.Errorf("Open with nil credentials: %v", err)
	}
	if _, _, err := StartGateway(nil, nil); err == nil || !strings.Contains(err.Error(), "has no function") {
		t.Errorf("StartGateway(nil): %v", err)
	}
	if _, _, err := StartGateway((*wirepost.Mux)(nil), nil); err == nil || !strings.Contains(err.Error(), "is a nil *wirepost.Mux") {
		t.Errorf("StartGateway of a nil pointer: %v", err)
	}
}
