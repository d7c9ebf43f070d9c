package dynamostore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/wireposttest"
)

var logFrame = []byte(`{"type":"message","id":"5K7QJ2Z4WEXAMPLE7N3V6T2AQI","to":"topic:lobby","data":{"text":"hi"}}`)

func logEntry(i int) []wirepost.LogEntry {
	return []wirepost.LogEntry{{Data: logFrame, ID: fmt.Sprint("m", i), Keep: time.Hour}}
}

// BenchmarkAppendToALog is one append of a process that has appended before, next to the
// conditional put that it consists of, by AWS's own client.
func BenchmarkAppendToALog(b *testing.B) {
	s := create(b, dynamolocal.Start(b, dynamolocal.DynamoDBLocal), &dynamostore.Options{})
	db := dynamostore.DB(s)
	var appends, puts time.Duration
	const rounds, each = 40, 25
	for round := range rounds + 2 {
		start := time.Now()
		for i := range each {
			if _, err := s.Append(b.Context(), "lobby", logEntry(i), nil); err != nil {
				b.Fatal(err)
			}
		}
		middle := time.Now()
		for i := range each {
			_, err := db.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: dynamostore.TableName(s), ConditionExpression: aws.String("attribute_not_exists(p)"),
				Item: map[string]types.AttributeValue{
					"p": &types.AttributeValueMemberS{Value: "bench"}, "s": &types.AttributeValueMemberS{Value: fmt.Sprintf("%09d", round*each+i)},
					"d": &types.AttributeValueMemberS{Value: string(logFrame)}, "x": &types.AttributeValueMemberN{Value: "2000000000"},
				}})
			if err != nil {
				b.Fatal(err)
			}
		}
		if round >= 2 { // both are warm
			appends, puts = appends+middle.Sub(start), puts+time.Since(middle)
		}
	}
	b.ReportMetric(float64(appends.Microseconds())/rounds/each, "value")
	b.ReportMetric(float64(puts.Microseconds())/rounds/each, "reference")
	b.ReportMetric(float64(appends)/float64(puts), "ratio")
	b.ReportMetric(1.15, "goal-max")
}

// writers append at the same time for a while, each in a process of its own, and the
// result is appends a second.
func writers(b *testing.B, endpoint, table string, n int, topic string) float64 {
	b.Helper()
	var all sync.WaitGroup
	const each = 100
	start := time.Now()
	for w := range n {
		s, err := dynamostore.Open(b.Context(), &dynamostore.Options{Table: table, Endpoint: endpoint})
		if err != nil {
			b.Fatal(err)
		}
		all.Go(func() {
			for i := range each {
				if _, err := s.Append(b.Context(), topic, logEntry(w*each+i), nil); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(n*each) / time.Since(start).Seconds()
}

// BenchmarkAppendsOf4Writers and of 16, each in a process of its own, a second, next to
// those of one.
func BenchmarkAppendsOf4Writers(b *testing.B)  { benchmarkWriters(b, 4) }
func BenchmarkAppendsOf16Writers(b *testing.B) { benchmarkWriters(b, 16) }

func benchmarkWriters(b *testing.B, n int) {
	endpoint := dynamolocal.Start(b, dynamolocal.DynamoDBLocal)
	s := create(b, endpoint, &dynamostore.Options{})
	table := *dynamostore.TableName(s)
	writers(b, endpoint, table, 4, "warm")
	one := writers(b, endpoint, table, 1, "one")
	many := writers(b, endpoint, table, n, "many")
	b.ReportMetric(many, "value")
	b.ReportMetric(one, "reference")
	b.ReportMetric(many/one, "ratio")
	if n == 16 {
		b.ReportMetric(1, "goal-min")
	}
}

// BenchmarkGroupCommitOf16 is 16 appends of one process at the same moment, next to 16
// one after the other.
func BenchmarkGroupCommitOf16(b *testing.B) {
	s := create(b, dynamolocal.Start(b, dynamolocal.DynamoDBLocal), &dynamostore.Options{})
	var together, inTurn time.Duration
	for round := range 30 {
		start := time.Now()
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				if _, err := s.Append(b.Context(), "together", logEntry(i), nil); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
		middle := time.Now()
		for i := range 16 {
			if _, err := s.Append(b.Context(), "turn", logEntry(i), nil); err != nil {
				b.Fatal(err)
			}
		}
		if round >= 5 {
			together, inTurn = together+middle.Sub(start), inTurn+time.Since(middle)
		}
	}
	b.ReportMetric(float64(together.Microseconds())/25, "value")
	b.ReportMetric(float64(inTurn.Microseconds())/25, "reference")
	b.ReportMetric(float64(inTurn)/float64(together), "ratio")
	b.ReportMetric(8, "goal-min")
}

// BenchmarkKeptPublishTo500 is a publish that is kept to 500 connections, next to one that
// is not, with the rows and the log on DynamoDB Local.
func BenchmarkKeptPublishTo500(b *testing.B) {
	s := create(b, dynamolocal.Start(b, dynamolocal.DynamoDBLocal), &dynamostore.Options{})
	publisher := wirepost.NewPublisher(s, nil)
	defer publisher.CloseIdleConnections()
	mux := wirepost.NewMux(s, &wirepost.MuxOptions{Connect: func(context.Context, *wirepost.ConnectRequest) (wirepost.Accept, error) {
		return wirepost.Accept{Topics: []string{"lobby"}}, nil
	}})
	g := wireposttest.NewGateway(b, mux, nil)
	var reading sync.WaitGroup
	ctx, cancel := context.WithCancel(b.Context())
	defer reading.Wait()
	defer cancel()
	for range 500 {
		c, err := wireposttest.Dial(ctx, g.URL, nil)
		if err != nil {
			b.Fatal(err)
		}
		reading.Go(func() {
			defer c.Cut()
			for {
				if _, err := c.Receive(ctx); err != nil {
					return
				}
			}
		})
	}
	to := wirepost.ToTopic("lobby")
	publish := func(keep time.Duration) time.Duration {
		frame, err := wirepost.NewEnvelope(to, []byte(`"hi"`)).Frame()
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		r, err := publisher.Publish(ctx, to, frame, &wirepost.PublishOptions{Keep: keep})
		if err != nil || r.Sent != 500 {
			b.Fatalf("%v, %v", r, err)
		}
		return time.Since(start)
	}
	var kept, plain time.Duration
	for round := range 45 {
		k, p := publish(time.Hour), publish(-1)
		if round >= 5 {
			kept, plain = kept+k, plain+p
		}
	}
	b.ReportMetric(float64(kept.Microseconds())/40, "value")
	b.ReportMetric(float64(plain.Microseconds())/40, "reference")
	b.ReportMetric(float64(kept)/float64(plain), "ratio")
	b.ReportMetric(1.15, "goal-max")
}
