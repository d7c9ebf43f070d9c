package dev

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/awslocal"
)

// caller calls SQS and SNS at a server, signed as functions sign.
type caller struct {
	server *awslocal.Backend
	region string
	client *http.Client
}

func newCaller(c *Config, server *awslocal.Backend) *caller {
	return &caller{server: server, region: c.Region, client: serverClient(server)}
}

// serverClient is a client of one server, which lets it answer. It follows no redirect.
func serverClient(server *awslocal.Backend) *http.Client {
	return &http.Client{Transport: authorized{server, boundedTransport()}, CheckRedirect: stay}
}

type authorized struct {
	server *awslocal.Backend
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.server.Authorize != nil {
		r = r.Clone(r.Context())
		a.server.Authorize(r)
	}
	return a.next.RoundTrip(r)
}

// refusalOfServer is what a server has answered instead of a result.
type refusalOfServer struct {
	status int
	text   string
}

// Error is what the server said.
func (e *refusalOfServer) Error() string { return e.text }

// sqs calls an operation of SQS. output may be nil.
func (c *caller) sqs(ctx context.Context, operation string, input, output any) error {
	body, err := json.Marshal(input)
	if err != nil {
		return err
	}
	answer, err := c.call(ctx, "sqs", http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS." + operation}}, body)
	if err != nil || output == nil {
		return err
	}
	return json.Unmarshal(answer, output)
}

// createTopic creates a topic if there is none, and returns its ARN.
func (c *caller) createTopic(ctx context.Context, t app.Topic) (arn string, err error) {
	form := url.Values{"Action": {"CreateTopic"}, "Name": {t.Name}}
	withEntries(form, t.Attributes)
	var answer struct {
		Result struct{ TopicArn string } `xml:"CreateTopicResult"`
	}
	err = c.sns(ctx, form, &answer)
	return answer.Result.TopicArn, err
}

// subscribe subscribes a queue to a topic, if it is not.
func (c *caller) subscribe(ctx context.Context, topic, queue string, s app.Subscription) error {
	form := url.Values{"Action": {"Subscribe"}, "TopicArn": {topic}, "Protocol": {"sqs"}, "Endpoint": {queue}, "ReturnSubscriptionArn": {"true"}}
	withEntries(form, s.Attributes)
	var answer struct {
		Result struct{ SubscriptionArn string } `xml:"SubscribeResult"`
	}
	if err := c.sns(ctx, form, &answer); err != nil {
		return err
	}
	// One of an earlier run keeps the attributes that it had.
	for _, name := range sortedKeys(s.Attributes) {
		set := url.Values{"Action": {"SetSubscriptionAttributes"}, "SubscriptionArn": {answer.Result.SubscriptionArn}, "AttributeName": {name}, "AttributeValue": {s.Attributes[name]}}
		if err := c.sns(ctx, set, nil); err != nil {
			return err
		}
	}
	return nil
}

func withEntries(form url.Values, attributes map[string]string) {
	for i, name := range sortedKeys(attributes) {
		form.Set(fmt.Sprintf("Attributes.entry.%d.key", i+1), name)
		form.Set(fmt.Sprintf("Attributes.entry.%d.value", i+1), attributes[name])
	}
}

func sortedKeys(m map[string]string) (all []string) {
	for name := range m {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// sns calls an operation of SNS. output may be nil.
func (c *caller) sns(ctx context.Context, form url.Values, output any) error {
	form.Set("Version", "2010-03-31")
	answer, err := c.call(ctx, "sns", http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}, []byte(form.Encode()))
	if err != nil || output == nil {
		return err
	}
	return xml.Unmarshal(answer, output)
}

// maxCallAnswer bounds what is read of an answer.
const maxCallAnswer = 1 << 20

func (c *caller) call(ctx context.Context, service string, header http.Header, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.server.URL, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = header
	pair, sum := gateway.DevelopmentCredentials(), sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: pair.AccessKeyID, SecretAccessKey: pair.SecretAccessKey}, r, hex.EncodeToString(sum[:]), service, c.region, time.Now()); err != nil {
		return nil, err
	}
	response, err := c.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s", cause(err))
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxCallAnswer))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, &refusalOfServer{response.StatusCode, fmt.Sprintf("%s: %s", response.Status, strings.ToValidUTF8(string(answer[:min(len(answer), 500)]), "?"))}
	}
	return answer, nil
}
