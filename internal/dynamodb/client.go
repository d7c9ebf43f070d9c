// Package dynamodb speaks as much of DynamoDB's JSON protocol as the store on it
// needs: eleven operations, attributes of three types, one attempt a call.
//
// AWS's own client is not linked because a Lambda would pay for it at every cold
// start: the schemas and endpoint tables of all its operations are made before main,
// which takes half as long as a hello world's whole start (docs/benchmarks.md). What is
// left out with it, retries and the search for credentials, the store does by itself
// or is given. The tests hold requests, answers and the hosts of regions against AWS's
// client; what that has and this has not is the host of one's own account, which is
// another name for the same.
//
// The protocol: AWS, developer guide, "DynamoDB low-level API", and the API reference.
package dynamodb

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// maxAnswer is more than any answer has: a page is 1 MB of rows at the most, and what
// a batch did not take is below the 16 MB of the batch (AWS, API reference, Query and
// BatchWriteItem).
const maxAnswer = 32 << 20

// Client sends requests to one server. All its fields are required, and none may be
// changed later; its methods may be called concurrently. A clock that is wrong is
// corrected by the server's, as AWS's clients do.
type Client struct {
	URL         string // of the server, without a path
	Region      string
	Credentials aws.CredentialsProvider
	Transport   http.RoundTripper
	UserAgent   string
	signer      *v4.Signer
	ahead       *atomic.Int64 // nanoseconds by which the server's clock is ahead of ours
}

// New makes a client.
func New(c Client) *Client {
	c.URL = strings.TrimSuffix(c.URL, "/")
	c.signer, c.ahead = v4.NewSigner(), &atomic.Int64{}
	return &c
}

// Error is a request that did not succeed: refused, with Status and Code, or not
// answered, with Err.
type Error struct {
	Operation string
	Status    int    // 0: not answered
	Code      string // such as ConditionalCheckFailedException
	Message   string // of the server
	RequestID string
	Err       error // why it was not answered, or could not be read
	// Corrected tells that it was refused because this machine's clock is wrong, and
	// that the next one is signed by the server's.
	Corrected bool
	// Item is the row that a conditional write has found in its place, if it asked.
	Item Item
}

func (e *Error) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("DynamoDB %s: %v", e.Operation, e.Err)
	}
	s := fmt.Sprintf("DynamoDB %s answered %d %s", e.Operation, e.Status, e.Cause())
	if e.RequestID != "" {
		s += " (request ID " + e.RequestID + ")"
	}
	return s
}

// Cause is what was heard: the server's code and sentence, or why nothing was.
func (e *Error) Cause() string {
	if e.Err == nil {
		return strings.TrimSuffix(e.Code+": "+e.Message, ": ")
	}
	if errors.Is(e.Err, ErrNotAnswer) {
		return e.Err.Error()
	}
	inner := e.Err
	for next := errors.Unwrap(inner); next != nil; next = errors.Unwrap(inner) {
		inner = next
	}
	return inner.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// ErrNotAnswer is in the error of an answer that no DynamoDB gives.
var ErrNotAnswer = errors.New("the answer is not DynamoDB's")

// Code is the code with which a server refused, empty for other errors.
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// errCredentials tells a request that could not be signed from one that was sent.
type errCredentials struct{ error }

func (e errCredentials) Error() string { return "find credentials: " + e.error.Error() }
func (e errCredentials) Unwrap() error { return e.error }

// Unsigned reports whether a request failed for want of credentials, before anything
// was sent.
func Unsigned(err error) bool {
	_, unsigned := errors.AsType[errCredentials](err)
	return unsigned
}

// do sends one request, once. The context bounds it.
func do[Output any](ctx context.Context, c *Client, operation string, in any) (*Output, error) {
	fail := func(err error) (*Output, error) { return nil, &Error{Operation: operation, Err: err} }
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("DynamoDB %s: encode the request: %w", operation, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("DynamoDB %s: %w", operation, err)
	}
	r.Header = http.Header{
		"Content-Type": {"application/x-amz-json-1.0"},
		"X-Amz-Target": {"DynamoDB_20120810." + operation},
		"User-Agent":   {c.UserAgent},
		// net/http would ask for gzip, which costs more time than it saves inside a region.
		"Accept-Encoding": {"identity"},
	}
	credentials, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return fail(errCredentials{err})
	}
	sum := sha256.Sum256(body)
	signed := time.Now().Add(time.Duration(c.ahead.Load()))
	if err := c.signer.SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), "dynamodb", c.Region, signed); err != nil {
		return fail(errCredentials{err})
	}
	resp, err := c.Transport.RoundTrip(r)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	answer, err := read(resp)
	e := &Error{Operation: operation, Status: resp.StatusCode, RequestID: resp.Header.Get("X-Amzn-Requestid"), Err: err}
	if resp.StatusCode/100 != 2 {
		e.explain(resp.Header.Get("X-Amzn-Errortype"), answer)
		e.Corrected = c.correct(e.Code, resp.Header.Get("Date"), signed)
		return nil, e
	}
	out := new(Output)
	if _, write := any(out).(*WriteOutput); write && e.Err == nil && len(answer) == 0 {
		return out, nil // it has nothing to say
	}
	if e.Err == nil {
		if rows, ok := any(out).(decodes); ok {
			e.Err = (&decoder{b: answer}).whole(rows)
		} else {
			e.Err = json.Unmarshal(answer, out)
		}
		if e.Err == nil {
			return out, nil
		}
		e.Err = fmt.Errorf("%w: %w", ErrNotAnswer, e.Err)
	}
	return nil, e
}

func read(resp *http.Response) ([]byte, error) {
	var b bytes.Buffer
	if resp.ContentLength > 0 {
		b.Grow(int(min(resp.ContentLength, maxAnswer)) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && n > maxAnswer {
		err = fmt.Errorf("%w: it has more than %d bytes", ErrNotAnswer, maxAnswer)
	}
	return b.Bytes(), err
}

// explain reads the answer of a refusal.
func (e *Error) explain(header string, answer []byte) {
	var said struct {
		Type    string `json:"__type"`
		Code    string
		Message string // "message" of DynamoDB, "Message" of what is before it
		Item    Item
	}
	if json.Unmarshal(answer, &said) != nil {
		said.Type, said.Code, said.Message = "", "", string(answer[:min(len(answer), 200)])
	}
	// com.amazonaws.dynamodb.v20120810#ResourceNotFoundException:http://…
	if e.Code, _, _ = strings.Cut(cmp.Or(header, said.Type, said.Code), ":"); e.Code != "" {
		e.Code = e.Code[strings.LastIndexByte(e.Code, '#')+1:]
		e.Message, e.Item, e.Err = said.Message, said.Item, nil
		return
	}
	if e.Err == nil {
		e.Code = cmp.Or(http.StatusText(e.Status), fmt.Sprintf("status %d", e.Status))
		e.Message = said.Message
	}
}

// maxSkew is how wrong a clock may be before a refusal is put down to it, as in AWS's
// clients (AWS SDK for Go v2, aws/retry).
const maxSkew = 4 * time.Minute

// skewed are codes of refusals that a wrong clock causes, among other things (AWS SDK
// for Go v2, aws/retry).
var skewed = []string{"InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "AuthFailure", "AccessDeniedException"}

// correct takes over the server's clock if that explains a refusal. The same clock
// explains none a second time.
func (c *Client) correct(code, date string, signed time.Time) bool {
	theirs, err := http.ParseTime(date)
	if err != nil || !slices.Contains(skewed, code) || theirs.Sub(signed).Abs() <= maxSkew {
		return false
	}
	c.ahead.Store(int64(time.Until(theirs)))
	return true
}
