package eventsource

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
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Server is a server of SQS or DynamoDB. All fields are required, and it may be used
// concurrently.
//
// AWS's own client of SQS is not linked: eight operations of one JSON protocol are what
// this package needs of two services.
type Server struct {
	URL         string // without a path
	Region      string // that requests are signed for
	Credentials aws.CredentialsProvider
	Transport   http.RoundTripper // one that bounds the size of headers
}

// service is one of AWS's, by how its requests are addressed and signed.
type service struct{ name, target, content string }

// The protocols: AWS docs, "AWS JSON 1.0 protocol", and the API references of SQS,
// DynamoDB and DynamoDB Streams.
var (
	sqs      = service{"sqs", "AmazonSQS.", "application/x-amz-json-1.0"}
	dynamodb = service{"dynamodb", "DynamoDB_20120810.", "application/x-amz-json-1.0"}
	streams  = service{"dynamodb", "DynamoDBStreams_20120810.", "application/x-amz-json-1.0"}
)

// maxAnswer is more than any answer has: ten messages are 10 MB at the most, and twice
// that as JSON.
const maxAnswer = 64 << 20

// refusal is an answer that is an error.
type refusal struct {
	operation string
	status    int
	code      string // such as QueueDoesNotExist
	message   string
}

func (e *refusal) Error() string {
	return fmt.Sprintf("%s was answered with %d %s", e.operation, e.status, strings.TrimSuffix(e.code+": "+e.message, ": "))
}

// codeOf is the code of a refusal; empty for other errors.
func codeOf(err error) string {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.code
	}
	return ""
}

// causeOf is what was heard: the server's code and sentence, or the innermost error.
func causeOf(err error) string {
	if e, ok := errors.AsType[*refusal](err); ok {
		return strings.TrimSuffix(e.code+": "+e.message, ": ")
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err.Error()
}

// call sends one request, once, and decodes the answer into out if that is not nil. It
// takes at most the time that is given.
func (s *Server) call(ctx context.Context, to service, operation string, limit time.Duration, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: encode the request: %w", operation, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.URL, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	r.Header = http.Header{"Content-Type": {to.content}, "X-Amz-Target": {to.target + operation}, "Accept-Encoding": {"identity"}}
	pair, err := s.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("%s: find credentials: %w", operation, err)
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, pair, r, hex.EncodeToString(sum[:]), to.name, s.Region, time.Now()); err != nil {
		return fmt.Errorf("%s: sign the request: %w", operation, err)
	}
	resp, err := s.Transport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(answer) > maxAnswer {
		err = fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	if err != nil {
		return fmt.Errorf("%s: read the answer: %w", operation, err)
	}
	if resp.StatusCode/100 != 2 {
		return refusalOf(operation, resp, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: the answer is not that of %s: %w", operation, to.name, err)
	}
	return nil
}

func refusalOf(operation string, resp *http.Response, answer []byte) *refusal {
	var said struct {
		Type    string `json:"__type"`
		Code    string
		Message string
	}
	if json.Unmarshal(answer, &said) != nil {
		said.Message = string(answer[:min(len(answer), 200)])
	}
	// com.amazonaws.sqs#QueueDoesNotExist:http://…
	code, _, _ := strings.Cut(cmp.Or(said.Type, said.Code, resp.Header.Get("X-Amzn-Errortype")), ":")
	code = code[strings.LastIndexByte(code, '#')+1:]
	return &refusal{operation, resp.StatusCode, cmp.Or(code, http.StatusText(resp.StatusCode), "an error"), said.Message}
}
