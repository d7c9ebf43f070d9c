package jobs

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
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/awsconfig"
)

// regionOf is that of a host such as sqs.eu-west-1.amazonaws.com; empty for others.
func regionOf(host string) string {
	service, rest, _ := strings.Cut(host, ".")
	region, domain, _ := strings.Cut(rest, ".")
	if service != "sqs" && service != "sqs-fips" || domain == "" {
		return ""
	}
	return region
}

// SQS is a queue of SQS's. It calls SendMessage and nothing else, with the credentials
// of the environment: one signed request is not worth a client of AWS's. It may be used
// concurrently.
type SQS struct {
	url    string
	base   string // scheme and host
	region string
	fifo   bool

	client *http.Client
	signer *v4.Signer

	lastUse     atomic.Int64 // wall clock, unix nanoseconds
	mu          sync.Mutex
	credentials aws.CredentialsProvider
}

// NewSQS makes a queue of its URL, such as
// https://sqs.REGION.amazonaws.com/ACCOUNT/NAME; nothing is sent. The region is that of
// the host, or else the one that is given, or else AWS_REGION.
func NewSQS(rawURL, region string) (*SQS, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Count(strings.Trim(u.Path, "/"), "/") != 1,
		u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return nil, errors.New("it is not the URL of an SQS queue, such as https://sqs.REGION.amazonaws.com/ACCOUNT/NAME")
	}
	region = cmp.Or(regionOf(u.Hostname()), region, os.Getenv("AWS_REGION"))
	if region == "" {
		return nil, errors.New("its region is not known; set AWS_REGION")
	}
	return &SQS{
		url: u.String(), base: u.Scheme + "://" + u.Host, region: region, fifo: strings.HasSuffix(u.Path, ".fifo"),
		signer: v4.NewSigner(),
		client: &http.Client{
			Timeout: 5 * time.Second,
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 2 * time.Second,
				MaxIdleConnsPerHost: sendsAtOnce, MaxConnsPerHost: sendsAtOnce, IdleConnTimeout: idleAfter, MaxResponseHeaderBytes: 32 << 10},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// String is the URL.
func (s *SQS) String() string { return s.url }

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// idleAfter is how long a connection may have lain idle by the wall clock and still be
// used. A Lambda is frozen between invocations, and its timers with it, while the other
// side closes what it holds: a send on such a connection would end without an answer.
const idleAfter = 2 * time.Second

// thaw closes idle connections that are too old to trust.
func (s *SQS) thaw() {
	now := time.Now().UnixNano()
	if last := s.lastUse.Swap(now); last != 0 && now-last > int64(idleAfter) {
		s.client.CloseIdleConnections()
	}
}

// Send implements [Queue]. A send that was made and not answered is not repeated: the
// queue might have the job twice then, and its message would be delivered twice.
func (s *SQS) Send(ctx context.Context, job wirepost.Job) error {
	if s == nil || s.client == nil {
		return errors.New("the queue was not made by NewSQS")
	}
	body, err := json.Marshal(job)
	if err != nil {
		return err
	}
	message := map[string]string{"QueueUrl": s.url, "MessageBody": string(body)}
	if s.fifo {
		sum := sha256.Sum256(body)
		message["MessageGroupId"] = groupOf(job)
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
	s.thaw()
	for attempt := 0; ; attempt++ {
		err = s.post(ctx, payload, credentials)
		var dial *net.OpError
		if attempt > 0 || !errors.As(err, &dial) || dial.Op != "dial" || ctx.Err() != nil {
			return err
		}
	}
}

// groupOf is the group of a job in a FIFO queue: one for each part, so that parts may
// overtake each other and a rest never overtakes what it is the rest of, and one for
// each single connection, so that one that fails holds up no other. A group has 128
// characters at most (AWS, SQS API reference, SendMessage).
func groupOf(job wirepost.Job) string {
	group := fmt.Sprintf("%s-%d", job.Publish, job.Part)
	if job.To.Kind == wirepost.KindConnection {
		group = fmt.Sprintf("%s-%s", job.Publish, job.To.Name)
	}
	if len(group) > 128 || strings.ContainsFunc(group, func(r rune) bool { return r <= ' ' || r > '~' }) {
		sum := sha256.Sum256([]byte(group))
		return hex.EncodeToString(sum[:])
	}
	return group
}

func (s *SQS) post(ctx context.Context, payload []byte, credentials aws.Credentials) error {
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
func (s *SQS) retrieve(ctx context.Context) (aws.Credentials, error) {
	provider, err := s.provider(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	// Without the lock: the cache asks once for all, and each waits no longer than its
	// own context.
	return provider.Retrieve(ctx)
}

func (s *SQS) provider(ctx context.Context) (aws.CredentialsProvider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.credentials == nil {
		c, err := awsconfig.Load(ctx, nil)
		if err != nil {
			return nil, err
		}
		s.credentials = aws.NewCredentialsCache(c.Credentials)
	}
	return s.credentials, nil
}
