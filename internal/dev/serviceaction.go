package dev

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
)

// serviceActions call services of AWS for integrations of type AWS: those of which there
// is an engine here, at the engine, and others on AWS, if the caller's own credentials
// may be used for that.
type serviceActions struct {
	// engine is what answers for a service, by the name that its host has, such as
	// dynamodb; nil for one that is not here.
	engine func(service string) http.Handler

	pair    gateway.Credentials
	inherit bool
	client  *http.Client // to AWS
}

// targets are the names that services of AWS's JSON protocols have before an operation,
// and their content types (AWS SDK, their models).
var targets = map[string]struct{ prefix, version string }{
	"dynamodb": {"DynamoDB_20120810", "1.0"}, "states": {"AWSStepFunctions", "1.0"}, "events": {"AWSEvents", "1.1"},
	"kinesis": {"Kinesis_20131202", "1.1"}, "firehose": {"Firehose_20150804", "1.1"}, "logs": {"Logs_20140328", "1.1"},
	"ssm": {"AmazonSSM", "1.1"}, "secretsmanager": {"secretsmanager", "1.1"}, "cognito-idp": {"AWSCognitoIdentityProviderService", "1.1"},
}

// of is the Call of an integration, or why it cannot be made here.
func (s *serviceActions) of(i *app.Integration) (func(context.Context, gateway.IntegrationCall) (*gateway.IntegrationAnswer, error), error) {
	var engine http.Handler
	if s.engine != nil {
		engine = s.engine(i.Service)
	}
	if engine == nil && !s.inherit {
		way := "--credentials inherit lets it be called on AWS"
		switch i.Service {
		case "dynamodb":
			way = "start one with --dynamodb local, or use AWS's own with --credentials inherit"
		case "sqs", "sns":
			way = "start one with --sqs local, or use AWS's own with --credentials inherit"
		}
		return nil, fmt.Errorf("its integration calls %s, which is not here; %s", serviceNamed(i.Service), way)
	}
	client := s.client
	if engine != nil {
		client = &http.Client{Transport: handlerTransport{engine}, CheckRedirect: stay}
	}
	return func(ctx context.Context, c gateway.IntegrationCall) (*gateway.IntegrationAnswer, error) {
		r, err := s.request(ctx, i, &c)
		if err != nil {
			return nil, fmt.Errorf("call %s: %w", i.Service, err)
		}
		answer, err := client.Do(r)
		if err != nil {
			return nil, fmt.Errorf("call %s: %w", i.Service, err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(io.LimitReader(answer.Body, maxForwarded+1))
		switch {
		case err != nil:
			return nil, fmt.Errorf("read the answer of %s: %w", i.Service, err)
		case len(body) > maxForwarded:
			return nil, fmt.Errorf("the answer of %s has more than %d bytes", i.Service, maxForwarded)
		}
		return &gateway.IntegrationAnswer{Body: body, Status: answer.StatusCode, Header: answer.Header}, nil
	}, nil
}

func serviceNamed(service string) string {
	if name := map[string]string{"dynamodb": "DynamoDB", "sqs": "SQS", "sns": "SNS", "states": "Step Functions", "events": "EventBridge", "kinesis": "Kinesis", "firehose": "Data Firehose", "s3": "S3"}[service]; name != "" {
		return name
	}
	return "the service " + app.Clip(service)
}

// request is what API Gateway sends to a service: for action/NAME of a service that
// speaks JSON, the operation in X-Amz-Target; for others, Action in the query; and for
// path/PATH, a request for that path (AWS docs, API Gateway's API reference, IntegrationUri).
func (s *serviceActions) request(ctx context.Context, i *app.Integration, c *gateway.IntegrationCall) (*http.Request, error) {
	if !regionName.MatchString(i.Region) || !regionName.MatchString(strings.ReplaceAll(i.Service, ".", "-")) {
		return nil, fmt.Errorf("there is no service %.40q in a region %.40q", i.Service, i.Region)
	}
	base := "https://" + i.Service + "." + i.Region + ".amazonaws.com"
	if strings.HasPrefix(i.Region, "cn-") {
		base += ".cn"
	}
	header := http.Header{}
	query := url.Values{}
	path := "/"
	if name, isAction := strings.CutPrefix(i.Action, "action/"); isAction {
		if t, ok := targets[i.Service]; ok {
			header.Set("X-Amz-Target", t.prefix+"."+name)
			header.Set("Content-Type", "application/x-amz-json-"+t.version)
		} else {
			query.Set("Action", name)
		}
	} else {
		path += strings.TrimPrefix(i.Action, "path/")
	}
	to, err := c.Target(base + path)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	for name, values := range u.Query() {
		query[name] = values
	}
	u.RawQuery = query.Encode()
	method := i.Method
	if method == "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(c.Payload))
	if err != nil {
		return nil, err
	}
	header.Set("Accept", "application/json") // as API Gateway does, so that SQS and SNS answer in JSON (UNCERTAIN)
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	for name, values := range c.Header {
		header[name] = values
	}
	r.Header = header
	sum := sha256.Sum256(c.Payload)
	pair := aws.Credentials{AccessKeyID: s.pair.AccessKeyID, SecretAccessKey: s.pair.SecretAccessKey, SessionToken: s.pair.SessionToken}
	name := i.Service[strings.LastIndexByte(i.Service, '.')+1:] // runtime.sagemaker is signed for sagemaker
	return r, v4.NewSigner().SignHTTP(ctx, pair, r, hex.EncodeToString(sum[:]), name, i.Region, time.Now())
}

// handlerTransport sends requests to a handler in this process.
type handlerTransport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper. It ends with the request's context only as far
// as the handler does.
func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.Host = r.URL.Host
	in.RemoteAddr = "127.0.0.1:0"
	w := &keptAnswer{header: http.Header{}}
	t.handler.ServeHTTP(w, in)
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return &http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// keptAnswer is a ResponseWriter in memory.
type keptAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *keptAnswer) Header() http.Header { return w.header }

func (w *keptAnswer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *keptAnswer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}
