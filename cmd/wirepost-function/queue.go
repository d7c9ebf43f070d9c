package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/awsconfig"
)

// queue is where the rest of a publish goes on.
type queue interface {
	// send returns nil when the queue has the job, and an error when it has not or
	// nobody knows.
	send(ctx context.Context, body []byte, job wirepost.Job) error
}

// queueURL is a queue that requests can be signed for.
type queueURL struct {
	url    string
	base   string // scheme and host
	region string
	fifo   bool
}

// regionOf is that of a host such as sqs.eu-west-1.amazonaws.com; empty for others.
func regionOf(host string) string {
	service, rest, _ := strings.Cut(host, ".")
	region, domain, _ := strings.Cut(rest, ".")
	if service != "sqs" && service != "sqs-fips" || domain == "" {
		return ""
	}
	return region
}

func parseQueueURL(raw, region string) (*queueURL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Count(strings.Trim(u.Path, "/"), "/") != 1,
		u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return nil, errors.New("it is not the URL of an SQS queue, such as https://sqs.REGION.amazonaws.com/ACCOUNT/NAME")
	}
	if r := regionOf(u.Hostname()); r != "" {
		region = r
	}
	if region == "" {
		return nil, errors.New("its region is not known; set AWS_REGION")
	}
	return &queueURL{u.String(), u.Scheme + "://" + u.Host, region, strings.HasSuffix(u.Path, ".fifo")}, nil
}

// sqs calls SendMessage and nothing else. One signed request is not worth a client
// of AWS's, which would be a sixth of the program.
type sqs struct {
	queueURL
	client *http.Client
	signer *v4.Signer

	mu          sync.Mutex
	credentials aws.CredentialsProvider
}

func newSQS(q queueURL) *sqs {
	return &sqs{queueURL: q, signer: v4.NewSigner(), client: &http.Client{
		Timeout:       5 * time.Second,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 2 * time.Second, MaxResponseHeaderBytes: 32 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// send is not repeated when it was sent and not answered: the queue might have the
// job twice then, and its messages would be delivered twice.
func (s *sqs) send(ctx context.Context, body []byte, job wirepost.Job) error {
	message := map[string]string{"QueueUrl": s.url, "MessageBody": string(body)}
	if s.fifo {
		// One group for each part: parts may overtake each other, and a rest never
		// overtakes what it is the rest of.
		sum := sha256.Sum256(body)
		message["MessageGroupId"] = fmt.Sprintf("%s-%d", job.Publish, job.Part)
		message["MessageDeduplicationId"] = hex.EncodeToString(sum[:])
	}
	payload, err := json.Marshal(message)
	if err != nil {
		return err
	}
	credentials, err := s.retrieve(ctx)
	if err != nil {
		return fmt.Errorf("find credentials for %s: %w", s.url, err)
	}
	for attempt := 0; ; attempt++ {
		err = s.post(ctx, payload, credentials)
		var dial *net.OpError
		if attempt > 0 || !errors.As(err, &dial) || dial.Op != "dial" || ctx.Err() != nil {
			return err
		}
	}
}

func (s *sqs) post(ctx context.Context, payload []byte, credentials aws.Credentials) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/", bytes.NewReader(payload))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
	sum := sha256.Sum256(payload)
	if err := s.signer.SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), "sqs", s.region, time.Now()); err != nil {
		return fmt.Errorf("sign for %s: %w", s.url, err)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return fmt.Errorf("send to %s: %w", s.url, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 2<<10))
	switch {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("send to %s: answered %d: %s", s.url, resp.StatusCode, strings.TrimSpace(string(answer)))
	case err != nil:
		return fmt.Errorf("send to %s: read the answer: %w", s.url, err)
	}
	var sent struct{ MessageId string }
	if json.Unmarshal(answer, &sent) != nil || sent.MessageId == "" {
		return fmt.Errorf("send to %s: the answer is not SQS's", s.url)
	}
	return nil
}

// retrieve finds AWS's credentials at the first send, and keeps them.
func (s *sqs) retrieve(ctx context.Context) (aws.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.credentials == nil {
		c, err := awsconfig.Load(ctx, nil)
		if err != nil {
			return aws.Credentials{}, err
		}
		s.credentials = aws.NewCredentialsCache(c.Credentials)
	}
	return s.credentials.Retrieve(ctx)
}
