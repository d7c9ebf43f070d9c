// Package awslocal answers for DynamoDB, SQS and SNS on this machine: by a server that
// stands in for the service, or, where there is none, with the service's own words for a
// table, queue or topic that does not exist. That costs a client nothing, while a port
// that refuses costs it half a minute of attempts.
//
// It speaks the protocols of today's clients and of old ones: JSON for DynamoDB and SQS,
// and AWS's query protocol for SQS and SNS.
package awslocal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// Service is what a service of AWS's is called: the first labels of its host.
type Service string

// The services.
const (
	DynamoDB Service = "dynamodb"
	Streams  Service = "streams.dynamodb"
	SQS      Service = "sqs"
	SNS      Service = "sns"
)

// Backend is a server that stands in for a service.
type Backend struct {
	URL string // such as http://127.0.0.1:8000

	// Authorize lets the server answer a request. Nil means that it answers all.
	Authorize func(*http.Request)
}

// Config says who answers. Region and Account are needed, and Base for queues.
type Config struct {
	// Region and Account are those of ARNs in answers.
	Region, Account string

	// Base is where the handler is reached, such as http://127.0.0.1:4100: what URLs of
	// queues in answers begin with.
	Base string

	// Tables is the server of DynamoDB and its streams, Queues that of SQS and SNS. Nil
	// means that there is none.
	Tables, Queues *Backend

	// Own reports whether a table, queue or topic belongs to the app: it is never looked
	// for on AWS. Nil means that none does.
	Own func(s Service, name string) bool

	// Forward answers requests for what is not here, such as AWS. The request is as it
	// came. Nil means that nobody does.
	Forward func(s Service, w http.ResponseWriter, r *http.Request)

	// Missing is told of each request for what is not here that nobody answers, with the
	// request, whose body has been read. It returns the sentence for the client. It may be
	// called concurrently. Nil means AWS's sentence.
	Missing func(*http.Request, Miss) string
}

// Miss is a request for something that is not here.
type Miss struct {
	Service   Service
	Operation string // such as PutItem; empty if the request names none
	Name      string // of the table, queue or topic; empty if the request names none

	// Err says why the server could not be asked. Nil means that there is none, or that
	// it has no such table, queue or topic.
	Err error
}

// Services are the handlers. They may be used concurrently.
type Services struct {
	c      Config
	client *http.Client

	// ddblocal says that ARNs of the server have the region of DynamoDB Local.
	ddblocal atomic.Bool
}

// New makes the handlers.
func New(c Config) *Services {
	if c.Own == nil {
		c.Own = func(Service, string) bool { return false }
	}
	if c.Missing == nil {
		c.Missing = func(_ *http.Request, m Miss) string { return "Requested resource not found: " + m.Name }
	}
	return &Services{c: c, client: &http.Client{
		// The server is on this machine or one that somebody named, and no proxy's matter.
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: time.Minute, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close ends the connections to the servers that nobody uses.
func (s *Services) Close() { s.client.CloseIdleConnections() }

// Handler answers for one service. Who may ask is the caller's matter.
func (s *Services) Handler(service Service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := readBody(w, r)
		if !ok {
			return
		}
		s.serve(service, w, r, body)
	})
}

// ServeHTTP answers for all services at one address, for programs of this machine: pages
// in a browser get nothing, whatever name they have for it.
func (s *Services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if foreign(r) {
		http.Error(w, "this address is for programs on this machine, not for pages", http.StatusForbidden)
		return
	}
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	service, ok := serviceOf(r, body)
	if !ok {
		http.Error(w, "this request is of none of the services here: DynamoDB, SQS and SNS", http.StatusBadRequest)
		return
	}
	s.serve(service, w, r, body)
}

// foreign reports whether a page has made the request, or a program that was led here by
// a name of somebody else's.
func foreign(r *http.Request) bool {
	if r.Header.Get("Origin") != "" {
		return true
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "none" {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return !strings.EqualFold(host, "localhost") && (ip == nil || !ip.IsLoopback())
}

// maxBody is more than any request may have: DynamoDB takes 16 MB.
const maxBody = 17 << 20

// readBody reads the body and leaves the request as it was.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the request cannot be read: "+err.Error(), http.StatusRequestEntityTooLarge)
		return nil, false
	}
	restore(r, body)
	return body, true
}

func restore(r *http.Request, body []byte) { r.Body = io.NopCloser(bytes.NewReader(body)) }

// scope is the credential scope of a signature, with region and service.
var scope = regexp.MustCompile(`Credential=[^/,\s]+/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/`)

// serviceOf is the service that a request is for.
func serviceOf(r *http.Request, body []byte) (Service, bool) {
	switch target := r.Header.Get("X-Amz-Target"); {
	case strings.HasPrefix(target, "DynamoDBStreams_"):
		return Streams, true
	case strings.HasPrefix(target, "DynamoDB_"):
		return DynamoDB, true
	case strings.HasPrefix(target, "AmazonSQS."):
		return SQS, true
	}
	if m := scope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		switch m[2] {
		case "sqs":
			return SQS, true
		case "sns":
			return SNS, true
		case "dynamodb":
			return DynamoDB, true
		}
	}
	switch formOf(r, body).Get("Version") {
	case "2012-11-05":
		return SQS, true
	case "2010-03-31":
		return SNS, true
	}
	return "", false
}

// formOf is a request of the query protocol, in its body or its URL.
func formOf(r *http.Request, body []byte) url.Values {
	if r.Method == http.MethodPost {
		if form, err := url.ParseQuery(string(body)); err == nil && form.Has("Action") {
			return form
		}
	}
	return r.URL.Query()
}

// regionOf is the region that a request is signed for.
func (s *Services) regionOf(r *http.Request) string {
	if region := RegionOf(r); region != "" {
		return region
	}
	return s.c.Region
}

// RegionOf is the region that a request is signed for; empty if it is not signed.
func RegionOf(r *http.Request) string {
	if m := scope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		return m[1]
	}
	return ""
}

func (s *Services) serve(service Service, w http.ResponseWriter, r *http.Request, body []byte) {
	switch service {
	case SQS:
		s.serveSQS(w, r, body)
	case SNS:
		s.serveSNS(w, r, body)
	default:
		s.serveDynamoDB(service, w, r, body)
	}
}

// answer is what a server has answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// unreached is the error of a server that has not got the request: it is not done, and to
// try again is of no use.
type unreached struct{ error }

func notReached(err error) bool {
	_, ok := errors.AsType[*unreached](err)
	return ok
}

// maxAnswer bounds an answer: DynamoDB's have 1 MB, and a batch 16.
const maxAnswer = 32 << 20

// ask asks a server. path is what of the URL comes after the server's own. The request is
// otherwise as it came: its host is signed, and some servers check that.
func (s *Services) ask(b *Backend, r *http.Request, header http.Header, path string, body []byte) (*answer, error) {
	out, err := http.NewRequestWithContext(r.Context(), http.MethodPost, strings.TrimSuffix(b.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = header.Clone()
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Accept-Encoding", "Content-Length"} {
		out.Header.Del(name)
	}
	out.Host = r.Host
	if b.Authorize != nil {
		b.Authorize(out)
		out.Host = "" // it checks the token, and makes URLs of the host
	}
	response, err := s.client.Do(out)
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return nil, &unreached{fmt.Errorf("nothing answers at %s: %w", b.URL, op.Err)}
	}
	if err != nil {
		return nil, fmt.Errorf("the server at %s does not answer: %w", b.URL, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("an answer of more than %d bytes", maxAnswer)
	}
	if err != nil {
		return nil, fmt.Errorf("read what the server at %s answered: %w", b.URL, err)
	}
	return &answer{response.StatusCode, response.Header, text}, nil
}

// write passes an answer on.
func (a *answer) write(w http.ResponseWriter) {
	for name, values := range a.header {
		switch name {
		case "Connection", "Content-Length", "Transfer-Encoding", "Keep-Alive", "Server", "Date":
		default:
			if !strings.HasPrefix(name, "Access-Control-") {
				w.Header()[name] = values
			}
		}
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may have gone
}

// ownRequestID is an ID for answers that no server has given one.
func ownRequestID() string { return rand.Text() }
