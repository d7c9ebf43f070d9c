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

// BenchmarkAppendsPerSecond is how many messages a second 4 and 16 processes append to one
// topic, next to one process, and 16 writers in one process, whose appends share items.
func BenchmarkAppendsPerSecond(b *testing.B) {
	endpoint := dynamolocal.Start(b, dynamolocal.DynamoDBLocal)
	const during = 3 * time.Second
	measure := func(writers int, together bool) float64 {
		first := create(b, endpoint, &dynamostore.Options{})
		var all sync.WaitGroup
		counts := make([]int, writers)
		begin := time.Now()
		for w := range writers {
			s := first
			if !together {
				s = again(b, first, endpoint, &dynamostore.Options{})
			}
			all.Go(func() {
				for n := 0; time.Since(begin) < during; n++ {
					if _, err := s.Append(b.Context(), topicOf16, logged300(n, 1), nil); err != nil {
						b.Error(err)
						return
					}
					counts[w]++
				}
			})
		}
		all.Wait()
		took, total := time.Since(begin), 0
		for _, n := range counts {
			total += n
		}
		return float64(total) / took.Seconds()
	}
	one := measure(1, false)
	for _, row := range []struct {
		name     string
		writers  int
		together bool
	}{{"Of4Processes", 4, false}, {"Of16Processes", 16, false}, {"Of16InOneProcess", 16, true}} {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				n := measure(row.writers, row.together)
				b.ReportMetric(n, "value")
				b.ReportMetric(one, "reference")
				b.ReportMetric(n/one, "ratio")
				b.ReportMetric(1, "goal-min")
			}
		})
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
