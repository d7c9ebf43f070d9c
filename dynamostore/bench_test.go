package dynamostore_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

const (
	subscribers = 10_000
	bystanders  = 10_000
	// A sender that posts 20,000 messages a second, which one of 64 in flight does
	// at 3 ms a post.
	pause     = 50 * time.Millisecond
	pauseEach = 1000
)

// BenchmarkListing is what a publish to a topic of 10,000 among 20,000 connections
// waits for: the listing with its next page in flight while the sender works, and
// the Scan of AWS's own sample, which reads a table of connections page by page and
// picks out those with the topic.
func BenchmarkListing(b *testing.B) {
	endpoint := dynamolocal.Start(b, dynamolocal.DynamoDBLocal)
	s := create(b, endpoint, &dynamostore.Options{})
	fill(b, s)
	naive := naiveTable(b, s)

	list := func(work func(n int)) time.Duration {
		start, n := time.Now(), 0
		for _, err := range s.Connections(b.Context(), wirepost.ToTopic("0123456789abcdef"), wirepost.ListOptions{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
			work(n)
		}
		if n != subscribers {
			b.Fatalf("listed %d of %d", n, subscribers)
		}
		return time.Since(start)
	}
	scan := func(work func(n int)) time.Duration {
		start, n := time.Now(), 0
		in := &dynamodb.ScanInput{TableName: &naive}
		for {
			out, err := dynamostore.DB(s).Scan(b.Context(), in)
			if err != nil {
				b.Fatal(err)
			}
			for _, it := range out.Items {
				topics := it["topics"].(*types.AttributeValueMemberSS).Value
				if topics[0] == "0123456789abcdef" {
					n++
					work(n)
				}
			}
			if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
				break
			}
		}
		if n != subscribers {
			b.Fatalf("scanned %d of %d", n, subscribers)
		}
		return time.Since(start)
	}
	idle := func(int) {}
	send := func(n int) {
		if n%pauseEach == 0 {
			<-time.After(pause)
		}
	}
	for range 3 { // the server compiles its code meanwhile
		list(idle)
		scan(idle)
	}
	for _, row := range []struct {
		name string
		work func(int)
	}{{"listing_10,000_subscribers,_ms,_beside_a_Scan", idle}, {"listing_10,000_with_a_sender_of_20,000/s,_ms,_beside_a_Scan", send}} {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				var mine, theirs []time.Duration
				for range 5 {
					mine, theirs = append(mine, list(row.work)), append(theirs, scan(row.work))
				}
				value, reference := middle(mine), middle(theirs)
				b.ReportMetric(float64(value.Microseconds())/1000, "value")
				b.ReportMetric(float64(reference.Microseconds())/1000, "reference")
				b.ReportMetric(float64(value)/float64(reference), "ratio")
				b.ReportMetric(1, "goal-max")
			}
		})
	}
	// What the next page in flight is worth: reading and sending in parallel,
	// of reading and sending one after the other.
	b.Run("reading_and_sending_at_once,_ms,_of_one_after_the_other", func(b *testing.B) {
		for b.Loop() {
			var both, alone []time.Duration
			for range 5 {
				both, alone = append(both, list(send)), append(alone, list(idle))
			}
			sending := subscribers / pauseEach * pause
			b.ReportMetric(float64(middle(both).Microseconds())/1000, "value")
			b.ReportMetric(float64((middle(alone)+sending).Microseconds())/1000, "reference")
			b.ReportMetric(float64(middle(both))/float64(middle(alone)+sending), "ratio")
			b.ReportMetric(1, "goal-max")
		}
	})
}

func middle(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func fill(b *testing.B, s *dynamostore.Store) {
	b.Helper()
	const writers = 16
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := w; i < subscribers+bystanders; i += writers {
				c := connection(fmt.Sprintf("R1kmx%08dIA=", i), "", "0123456789abcdef")
				if i >= subscribers {
					c.Topics = nil
				}
				if err := s.Put(b.Context(), c); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// naiveTable has the same connections in the way of the common tutorial: one row
// each, with its endpoint and its topics.
func naiveTable(b *testing.B, s *dynamostore.Store) string {
	b.Helper()
	name, db := "naive-connections", dynamostore.DB(s)
	if _, err := db.CreateTable(b.Context(), &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("connectionId"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("connectionId"), AttributeType: types.ScalarAttributeTypeS}},
	}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}) })
	for from := 0; from < subscribers+bystanders; from += 25 {
		var batch []types.WriteRequest
		for i := from; i < from+25; i++ {
			topic := "0123456789abcdef"
			if i >= subscribers {
				topic = "another"
			}
			batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
				"connectionId": &types.AttributeValueMemberS{Value: fmt.Sprintf("R1kmx%08dIA=", i)},
				"domainName":   &types.AttributeValueMemberS{Value: "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"},
				"stage":        &types.AttributeValueMemberS{Value: "production"},
				"topics":       &types.AttributeValueMemberSS{Value: []string{topic}},
				"ttl":          &types.AttributeValueMemberN{Value: "1790000000"},
			}}})
		}
		if _, err := db.BatchWriteItem(b.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{name: batch}}); err != nil {
			b.Fatal(err)
		}
	}
	return name
}
