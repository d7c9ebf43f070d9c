package eventsource

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

// streamedTable makes a table with a stream in DynamoDB Local.
func streamedTable(t *testing.T, name string) *Server {
	t.Helper()
	s := testServer(dynamolocal.Start(t, dynamolocal.DynamoDBLocal), http.DefaultTransport)
	mustDo(t, s, "CreateTable", map[string]any{
		"TableName": name, "BillingMode": "PAY_PER_REQUEST",
		"KeySchema":            []any{map[string]string{"AttributeName": "id", "KeyType": "HASH"}},
		"AttributeDefinitions": []any{map[string]string{"AttributeName": "id", "AttributeType": "S"}},
		"StreamSpecification":  map[string]any{"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
	})
	t.Cleanup(func() { // the next run of the test makes it again
		s.call(context.Background(), dynamodb, "DeleteTable", callTime, map[string]string{"TableName": name}, nil)
	})
	return s
}

func mustDo(t *testing.T, s *Server, operation string, in any) {
	t.Helper()
	if err := s.call(t.Context(), dynamodb, operation, callTime, in, nil); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s *Server, table, id string) {
	t.Helper()
	mustDo(t, s, "PutItem", map[string]any{"TableName": table, "Item": map[string]any{"id": map[string]string{"S": id}, "n": map[string]string{"N": "1"}}})
}

func TestARecordOfDynamoDBLocalHasTheShapeOfLambdasEvents(t *testing.T) {
	server := streamedTable(t, "Shape")
	put(t, server, "Shape", "a")
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var event []byte
	s := &Stream{
		Name: "shape", Table: "Shape", ARN: "arn:aws:dynamodb:eu-west-1:123456789012:table/Shape", Region: "eu-west-1", Server: server, Folder: t.TempDir(),
		Function: functionOf(func(_ context.Context, payload []byte) ([]byte, error) {
			event = payload
			stop()
			return nil, nil
		}),
	}
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	var e struct{ Records []map[string]any }
	if err := json.Unmarshal(event, &e); err != nil || len(e.Records) != 1 {
		t.Fatalf("%v: %s", err, event)
	}
	r := e.Records[0]
	arn, _ := r["eventSourceARN"].(string)
	if id, _ := r["eventID"].(string); id == "" || !strings.HasPrefix(arn, s.ARN+"/stream/20") {
		t.Errorf("the record has the ID %q and the ARN %s", id, arn)
	}
	change, _ := r["dynamodb"].(map[string]any)
	created, _ := change["ApproximateCreationDateTime"].(float64)
	if age := time.Since(time.Unix(int64(created), 0)); age < 0 || age > 5*time.Minute {
		t.Errorf("it was made %v ago", age)
	}
	delete(r, "eventID")
	delete(r, "eventSourceARN")
	if number, _ := change["SequenceNumber"].(string); len(number) != 21 {
		t.Errorf("the sequence number is %q", number)
	}
	delete(change, "ApproximateCreationDateTime")
	delete(change, "SequenceNumber")
	want := `{"awsRegion":"eu-west-1","dynamodb":{"Keys":{"id":{"S":"a"}},"NewImage":{"id":{"S":"a"},"n":{"N":"1"}},"SizeBytes":9,"StreamViewType":"NEW_AND_OLD_IMAGES"},"eventName":"INSERT","eventSource":"aws:dynamodb","eventVersion":"1.1"}`
	if got, _ := json.Marshal(r); string(got) != want {
		t.Errorf("the record is\n%s\nand should be\n%s", got, want)
	}
	if strings.Contains(string(event), "ddblocal") {
		t.Errorf("the event has the server's own region: %s", event)
	}
}

func TestAfterAKillInTheMiddleOfAStreamEachRecordArrivesAtLeastOnce(t *testing.T) {
	server := streamedTable(t, "Kill")
	put(t, server, "Kill", "before")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var mu sync.Mutex
	arrived := map[string]int{}
	half, all, began, killed := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	transport := &killable{}
	first := &Stream{
		Name: "kill", Table: "Kill", ARN: "arn:aws:dynamodb:eu-west-1:123456789012:table/Kill", Region: "eu-west-1",
		Server: testServer(server.URL, transport), Folder: t.TempDir(), Batch: app.Batch{StartAt: "LATEST", Size: 7},
		Function: functionOf(func(_ context.Context, payload []byte) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			before := len(arrived)
			for _, k := range keysOf(t, payload) {
				arrived[k]++
			}
			if before < 100 && len(arrived) >= 100 {
				close(half)
				<-killed // its answer is heard by nobody
				return nil, fmt.Errorf("killed")
			}
			if before < 300 && len(arrived) >= 300 {
				close(all)
			}
			return nil, nil
		}),
	}
	second := *first
	second.Server = server
	run, kill := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() { first.Run(run) })
	go func() { // it ends with the position or with ctx
		for sleep(ctx, 20*time.Millisecond) {
			if p, isNew, _ := loadPositions(first.Folder, "kill", streamARN(t, server, "Kill")); p != nil && !isNew {
				close(began)
				return
			}
		}
	}()
	wait := func(what string, c <-chan struct{}) {
		select {
		case <-c:
		case <-ctx.Done():
			mu.Lock()
			defer mu.Unlock()
			t.Fatalf("%s: not in time; %d records have arrived", what, len(arrived))
		}
	}
	wait("the beginning", began)
	for i := range 150 {
		put(t, server, "Kill", fmt.Sprint("a", i))
	}
	wait("half of the records", half)
	transport.dead.Store(true)
	kill()
	close(killed)
	ended.Wait()
	for i := range 150 {
		put(t, server, "Kill", fmt.Sprint("b", i))
	}
	run, stop := context.WithCancel(ctx)
	defer stop()
	ended.Go(func() { second.Run(run) })
	wait("all records", all)
	stop()
	ended.Wait()
	twice := 0
	for k, n := range arrived {
		if n > 1 {
			twice++
		}
		if k == "before" {
			t.Error("a record arrived that was there before the first start with LATEST")
		}
	}
	t.Logf("%d records arrived more than once", twice)
	if twice == 0 {
		t.Error("nothing was with the function when it was killed")
	}
}

func streamARN(t *testing.T, s *Server, table string) string {
	arn, _, err := s.latestStream(t.Context(), table)
	if err != nil {
		t.Error(err)
	}
	return arn
}
