package v01

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/wirepost/wirepost/internal/dynamodb"
)

const (
	// firstPause and longestPause bound the waits between attempts: full jitter in
	// a ceiling that doubles.
	firstPause   = 25 * time.Millisecond
	longestPause = time.Second
	// longestCall bounds a call whose context has no deadline.
	longestCall = 30 * time.Second
	// refusedAttempts is how often a refused connection is tried again: DynamoDB's
	// hosts do not refuse, and a local server that is starting is soon there.
	refusedAttempts = 6
	// writesPerBatch is the most that BatchWriteItem takes (AWS, API reference).
	writesPerBatch = 25
)

// call makes one request to DynamoDB and repeats it, with jitter and inside the
// deadline, while it is throttled, fails inside the service or is not answered.
// unsure tells that an attempt may have taken effect without saying so.
func call[T any](ctx context.Context, s *Store, f func(context.Context) (T, error)) (out T, unsure bool, err error) {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		deadline = time.Now().Add(longestCall)
	}
	for attempt := 0; ; attempt++ {
		var once context.Context
		once, cancel := context.WithTimeout(ctx, s.o.AttemptTimeout)
		var last error
		out, last = f(once)
		late := once.Err() != nil
		cancel()
		if last == nil {
			return out, unsure, nil
		}
		if ctx.Err() != nil {
			return out, true, ended(ctx, err)
		}
		err = last
		switch {
		case late:
			err = fmt.Errorf("no answer within %v: %w", s.o.AttemptTimeout, errNoAnswer)
			// A pool whose connections died, as those of a frozen Lambda do, would
			// keep handing them out.
			s.transport.CloseIdleConnections()
		case !mayPass(last):
			return out, unsure, last
		case errors.Is(last, syscall.ECONNREFUSED) && attempt >= refusedAttempts:
			return out, unsure, last
		}
		unsure = unsure || mayHaveHappened(err)
		pause := time.Duration(s.o.Random() * float64(min(firstPause<<min(attempt, 10), longestPause)))
		if time.Until(deadline) <= pause {
			return out, unsure, err
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return out, unsure, ended(ctx, err)
		}
	}
}

var (
	errNoAnswer = errors.New("DynamoDB does not answer")

	// AWS, developer guide, "Error handling with DynamoDB"; the second line is of AWS's
	// services in general, as AWS's clients know them.
	throttles = []string{"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException", "LimitExceededException",
		"Throttling", "ThrottledException", "RequestThrottled", "RequestThrottledException", "TooManyRequestsException", "SlowDown", "BandwidthLimitExceeded", "PriorRequestNotComplete"}
	timeouts = []string{"RequestTimeout", "RequestTimeoutException", "TransactionInProgressException"}
	// passing are the statuses of a service, or of what is before it, that has trouble.
	passing = []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
)

func throttled(err error) bool { return slices.Contains(throttles, dynamodb.Code(err)) }

// mayPass reports whether the same request may succeed in a moment: DynamoDB is busy
// or fails, or the network does, also that to where credentials come from. What is
// wrong with the request, with the credentials, with the name of the host or with its
// certificate stays wrong.
func mayPass(err error) bool {
	e, ok := errors.AsType[*dynamodb.Error](err)
	if !ok {
		return false
	}
	if e.Code != "" {
		return e.Corrected || slices.Contains(passing, e.Status) || throttled(err) || slices.Contains(timeouts, e.Code)
	}
	if e.Status != 0 { // an answer that broke off, or is no answer of DynamoDB's
		return !errors.Is(err, dynamodb.ErrNotAnswer)
	}
	if _, network := errors.AsType[net.Error](err); dynamodb.Unsigned(err) && !network {
		return false
	}
	if _, wrong := errors.AsType[*tls.CertificateVerificationError](err); wrong {
		return false
	}
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
		return false
	}
	dns, ok := errors.AsType[*net.DNSError](err)
	return !ok || !dns.IsNotFound
}

// mayHaveHappened reports whether a failed attempt may have written: all but those
// that DynamoDB refused as a whole, or that were never sent.
func mayHaveHappened(err error) bool {
	e, ok := errors.AsType[*dynamodb.Error](err)
	if !ok {
		return true
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" || dynamodb.Unsigned(err) {
		return false
	}
	return e.Status < http.StatusBadRequest || e.Status >= http.StatusInternalServerError
}

// ended is the error of a call whose context has ended, with what was wrong until
// then.
func ended(ctx context.Context, last error) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); !errors.Is(cause, err) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	if last != nil {
		return fmt.Errorf("%w; until then: %w", err, last)
	}
	return err
}

// conditionFailed reports whether a conditional write found another row than it
// was made for.
func conditionFailed(err error) bool {
	return dynamodb.Code(err) == "ConditionalCheckFailedException"
}

// get reads one row, as it is now or (consistent=false, at half the price) as it
// was a moment ago. A row that is absent is nil.
func (s *Store) get(ctx context.Context, k key, consistent bool) (item, error) {
	out, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.GetItemOutput, error) {
		return s.db.GetItem(ctx, dynamodb.GetItemInput{TableName: s.o.Table, Key: k.item(), ConsistentRead: consistent})
	})
	if err != nil {
		return nil, s.explain("read", k.String(), err)
	}
	return out.Item, nil
}

// write puts and deletes rows that need no condition, each if it is the only
// one by itself, else in batches, which cost the same.
func (s *Store) write(ctx context.Context, puts []item, deletes []key) error {
	switch {
	case len(puts) == 1 && len(deletes) == 0:
		_, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.WriteOutput, error) {
			return s.db.PutItem(ctx, dynamodb.PutItemInput{TableName: s.o.Table, Item: puts[0]})
		})
		return s.explain("write", keyOf(puts[0]).String(), err)
	case len(puts) == 0 && len(deletes) == 1:
		_, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.WriteOutput, error) {
			return s.db.DeleteItem(ctx, dynamodb.DeleteItemInput{TableName: s.o.Table, Key: deletes[0].item()})
		})
		return s.explain("delete", deletes[0].String(), err)
	}
	requests := make([]dynamodb.WriteRequest, 0, len(puts)+len(deletes))
	for _, it := range puts {
		requests = append(requests, dynamodb.WriteRequest{PutRequest: &dynamodb.PutRequest{Item: it}})
	}
	for _, k := range deletes {
		requests = append(requests, dynamodb.WriteRequest{DeleteRequest: &dynamodb.DeleteRequest{Key: k.item()}})
	}
	for len(requests) > 0 {
		n := min(len(requests), writesPerBatch)
		batch := requests[:n]
		requests = requests[n:]
		// DynamoDB may take a part only. The rest is asked for again as what was
		// throttled is: that is what it means.
		_, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.BatchWriteItemOutput, error) {
			out, err := s.db.BatchWriteItem(ctx, dynamodb.BatchWriteItemInput{RequestItems: map[string][]dynamodb.WriteRequest{s.o.Table: batch}})
			if err == nil {
				if rest := out.UnprocessedItems[s.o.Table]; len(rest) > 0 {
					batch = rest
					return out, &dynamodb.Error{Operation: "BatchWriteItem", Status: http.StatusBadRequest, Code: "ProvisionedThroughputExceededException", Message: fmt.Sprintf("%d rows of a batch were not taken", len(rest))}
				}
			}
			return out, err
		})
		if err != nil {
			return s.explain(fmt.Sprintf("write %d rows, such as", len(batch)), requestKey(batch[0]), err)
		}
	}
	return nil
}

func requestKey(r dynamodb.WriteRequest) string {
	if r.PutRequest != nil {
		return keyOf(r.PutRequest.Item).String()
	}
	return keyOf(r.DeleteRequest.Key).String()
}

// compare writes with a condition. It reports whether the condition held; ambiguous
// tells that an earlier attempt of the same call may have made it fail.
func (s *Store) compare(ctx context.Context, verb string, k key, f func(context.Context) error) (held, ambiguous bool, err error) {
	_, unsure, err := call(ctx, s, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	if conditionFailed(err) {
		return false, unsure, nil
	}
	return err == nil, unsure, s.explain(verb, k.String(), err)
}
