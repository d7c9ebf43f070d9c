package eventsource

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// The operations of DynamoDB and of its streams that a Stream needs (AWS docs, DynamoDB
// and DynamoDB Streams API references).

// errNoStream is a table without a stream.
var errNoStream = errors.New("the table has no stream, as it was made without one; delete it so that it is made again, or switch its stream on with 'aws dynamodb update-table'")

// latestStream is the ARN and the label of a table's stream, as the server has them.
func (s *Server) latestStream(ctx context.Context, table string) (arn, label string, err error) {
	var out struct {
		Table struct{ LatestStreamArn, LatestStreamLabel string }
	}
	if err := s.call(ctx, dynamodb, "DescribeTable", callTime, map[string]string{"TableName": table}, &out); err != nil {
		return "", "", err
	}
	if out.Table.LatestStreamArn == "" {
		return "", "", errNoStream
	}
	return out.Table.LatestStreamArn, out.Table.LatestStreamLabel, nil
}

// shard is a part of a stream. One that ends has a child or two after it.
type shard struct {
	ID     string                                `json:"ShardId"`
	Parent string                                `json:"ParentShardId"`
	Range  struct{ EndingSequenceNumber string } `json:"SequenceNumberRange"`
}

func (s *shard) closed() bool { return s.Range.EndingSequenceNumber != "" }

// maxPages bounds the pages of one listing: DynamoDB gives 100 shards in each.
const maxPages = 1000

func (s *Server) shards(ctx context.Context, stream string) (all []shard, err error) {
	after := ""
	for range maxPages {
		in := map[string]string{"StreamArn": stream}
		if after != "" {
			in["ExclusiveStartShardId"] = after
		}
		var out struct {
			StreamDescription struct {
				Shards               []shard
				LastEvaluatedShardID string `json:"LastEvaluatedShardId"`
			}
		}
		if err := s.call(ctx, streams, "DescribeStream", callTime, in, &out); err != nil {
			return nil, err
		}
		all = append(all, out.StreamDescription.Shards...)
		if after = out.StreamDescription.LastEvaluatedShardID; after == "" {
			break
		}
	}
	return all, nil
}

// iterator is where to read from in a shard: after a sequence number, or from its oldest
// record if that is empty. It lives for 15 minutes.
func (s *Server) iterator(ctx context.Context, stream, shard, after string) (string, error) {
	in := map[string]string{"StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
	if after != "" {
		in["ShardIteratorType"], in["SequenceNumber"] = "AFTER_SEQUENCE_NUMBER", after
	}
	var out struct{ ShardIterator string }
	err := s.call(ctx, streams, "GetShardIterator", callTime, in, &out)
	return out.ShardIterator, err
}

// maxRecords is how many records DynamoDB gives in one answer.
const maxRecords = 1000

// records are those at an iterator. The next iterator is empty at the end of the shard.
func (s *Server) records(ctx context.Context, iterator string) (got []*change, next string, err error) {
	var out struct {
		Records           []*change
		NextShardIterator string
	}
	err = s.call(ctx, streams, "GetRecords", callTime, map[string]any{"ShardIterator": iterator, "Limit": maxRecords}, &out)
	for _, r := range out.Records {
		if r == nil || r.Change.SequenceNumber == "" {
			return nil, "", errors.New("GetRecords: a record has no sequence number")
		}
	}
	return out.Records, out.NextShardIterator, err
}

// change is a record of a stream as GetRecords gives it, with the names of fields that
// events have, too.
type change struct {
	ID      string `json:"eventID"`
	Name    string `json:"eventName"`
	Version string `json:"eventVersion"`
	Source  string `json:"eventSource"`
	Region  string `json:"awsRegion"`
	Change  struct {
		Created        json.Number     `json:"ApproximateCreationDateTime,omitempty"`
		Keys           json.RawMessage `json:"Keys,omitempty"`
		NewImage       json.RawMessage `json:"NewImage,omitempty"`
		OldImage       json.RawMessage `json:"OldImage,omitempty"`
		SequenceNumber string          `json:"SequenceNumber"`
		SizeBytes      json.Number     `json:"SizeBytes,omitempty"`
		ViewType       string          `json:"StreamViewType,omitempty"`
	} `json:"dynamodb"`
	ARN string `json:"eventSourceARN"`

	// Identity is there if DynamoDB has deleted the item itself, as it has expired. The
	// names of its fields begin with capitals in the API, and not in events.
	Identity *struct {
		Principal string `json:"principalId"`
		Type      string `json:"type"`
	} `json:"userIdentity,omitempty"`

	record json.RawMessage
}

// complete makes the record that events have: with the region and the ARN of the
// template and not those of the server. (AWS docs, Lambda developer guide, "Using AWS
// Lambda with Amazon DynamoDB".)
func (c *change) complete(region, arn string) {
	c.Source, c.Region, c.ARN = "aws:dynamodb", region, arn
	if c.Version == "" {
		c.Version = "1.1"
	}
	if created, err := c.Change.Created.Float64(); err == nil {
		c.Change.Created = json.Number(strconv.FormatInt(int64(created), 10))
	}
	c.record = encode(c)
}

// age is how old a record is. One that does not say is new.
func (c *change) age() time.Duration {
	seconds, err := c.Change.Created.Float64()
	if err != nil {
		return 0
	}
	return time.Since(time.Unix(int64(seconds), 0))
}
