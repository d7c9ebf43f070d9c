package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost/internal/management"
)

// MaxMessage is the largest message that API Gateway passes on, in bytes (AWS,
// WebSocket quotas page: 128 KB; that KB means 1,024 is UNCERTAIN).
const MaxMessage = 128 << 10

// PublisherOptions are all optional.
type PublisherOptions struct {
	// Credentials to sign with. Default: the environment's, where Lambda puts those
	// of the function's role (AWS's whole chain in a program that imports package
	// awschain); for a loopback endpoint the development pair, or that of the run which
	// dev gives to functions when other machines reach its gateway.
	Credentials aws.CredentialsProvider
	// Endpoint is where a connection ID is looked for that the store has no row of, such
	// as https://abc123.execute-api.eu-west-1.amazonaws.com/prod. A connection with a row
	// is posted to at the endpoint of its own stage, whatever Endpoint says.
	// Default: WIREPOST_ENDPOINT, then AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI. Without
	// any, an ID without a row is gone.
	Endpoint string
	// Region to sign for with Endpoint, if its host does not name one. Default:
	// AWS_REGION, and us-east-1 for a loopback endpoint.
	Region string
	// Concurrency bounds the posts in flight of one publish, those of all streams, and
	// the connections to one endpoint. Default 64.
	Concurrency int
	// MaxPerSecond bounds the posts that all publishes of this publisher start in a
	// second, retries included: a budget that leaves the rest of the account's rate
	// to others (10,000 requests/s in a region by default: AWS, WebSocket quotas
	// page). Zero means no bound. A publisher slows down by itself when API Gateway
	// throttles it, with or without a bound. Each process has its own.
	MaxPerSecond float64
	// PostTimeout bounds one post with its retries. Default 10 s.
	PostTimeout time.Duration
	// Margin is kept free before the context's deadline: when it is reached no
	// post starts and those in flight are ended. Default 500 ms, or a quarter of
	// the time there is if that is less.
	Margin time.Duration
	// StageMaxAge is how long a stage record is used before it is read again.
	// Default 30 s. An answer that says the endpoint is wrong reads it at once.
	StageMaxAge time.Duration
	// Keep says for how long messages to topics are kept whose publish does not say it,
	// by the topic's name, or by a prefix that ends with *; the longest that fits counts,
	// and 0 stands for "not kept". Default: WIREPOST_KEEP, such as
	// "lobby=24h,orders/*=10m" ([ParseKeep]). All programs of a system need the same
	// rules: what one of them does not keep is not in the log.
	Keep map[string]time.Duration
	// MaxKeep bounds Keep here and in PublishOptions. Default [DefaultMaxKeep].
	MaxKeep time.Duration
	// Transport replaces the connections of the library's own, for tests and proxies.
	// Those speak HTTP/1.1, are as many as Concurrency says, and are closed after 5 s
	// without use; a proxy of the environment (HTTPS_PROXY) is respected, by net/http. A
	// Transport bounds the header of an answer itself, as they do with 16 KiB. A body that
	// takes more than a second is closed while it is read, which net/http's bodies allow.
	Transport http.RoundTripper
	// Logger gets debug lines, removals, and what explains failed posts, each
	// problem once a minute for each endpoint. It never sees a payload, a credential
	// or a token. Default: nothing.
	Logger *slog.Logger
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	// Random gives numbers in [0,1) for the jitter of retries. Default
	// math/rand/v2; it must be safe for concurrent use.
	Random func() float64
}

// Publisher sends messages to audiences. Make one for a process and keep it: it
// holds the pools of connections. All methods may be called concurrently.
type Publisher struct {
	store  Store
	o      PublisherOptions
	stages *stageClients

	pacing   sync.Mutex
	paces    map[Identity]*pace
	budget   pace
	counters counters
	guards   []reapGuard
	failures failureLog
	keep     keepRules
	streams  chan struct{} // places: a post of a stream in flight has one
	crowds   crowds
}

// NewPublisher makes a publisher on a store; the options may be nil. It panics if the
// store is nil, or the credentials of the options are a nil pointer: otherwise the first
// publish would.
func NewPublisher(store Store, o *PublisherOptions) *Publisher {
	if isNil(store) {
		panic("wirepost.NewPublisher: the store is nil; the error of its Open says why")
	}
	p := &Publisher{store: store, paces: map[Identity]*pace{}, guards: reapGuards}
	if o != nil {
		p.o = *o
	}
	if p.o.Concurrency <= 0 {
		p.o.Concurrency = 64
	}
	if p.o.PostTimeout <= 0 {
		p.o.PostTimeout = 10 * time.Second
	}
	if p.o.Margin <= 0 {
		p.o.Margin = 500 * time.Millisecond
	}
	if p.o.StageMaxAge <= 0 {
		p.o.StageMaxAge = 30 * time.Second
	}
	if p.o.MaxKeep <= 0 {
		p.o.MaxKeep = DefaultMaxKeep
	}
	p.keep = newKeepRules(p.o.Keep)
	if p.o.Logger == nil {
		p.o.Logger = slog.New(slog.DiscardHandler)
	}
	if p.o.Now == nil {
		p.o.Now = time.Now
	}
	if p.o.Random == nil {
		p.o.Random = rand.Float64
	}
	p.budget.budget = max(p.o.MaxPerSecond, 0)
	p.streams = make(chan struct{}, p.o.Concurrency)
	if p.o.Credentials != nil && isNil(p.o.Credentials) { // AWS's cache asks it in a goroutine of its own
		panic(fmt.Sprintf("wirepost.NewPublisher: PublisherOptions.Credentials is a nil %T", p.o.Credentials))
	}
	p.stages = newStageClients(store, &p.o, &p.counters.opened)
	return p
}

// made panics if the publisher was not made by NewPublisher: it has no store.
func (p *Publisher) made(caller string) {
	if p == nil || p.store == nil {
		panic(caller + ": the Publisher was not made by NewPublisher")
	}
}

// CloseIdleConnections closes the connections to management endpoints that carry no
// call. The publisher may be used afterwards: it opens others. It does not close the store.
func (p *Publisher) CloseIdleConnections() {
	if p.stages != nil {
		p.stages.close()
	}
}

// PublishOptions are all optional.
type PublishOptions struct {
	// After continues a publish that ran out of time, from its Result.Next.
	After Cursor
	// Part of Parts sends to one part of the audience, as in [ListOptions].
	Part, Parts int
	// Only narrows the audience to the connections of one stage. Nil means all.
	Only *Identity
	// Except leaves out one connection, such as the sender's.
	Except string
	// AtLeastOnce repeats a post whose outcome is not known (a 5xx answer, or none
	// at all) until the deadline. A client may then get the message twice. Without
	// it such a post is counted as failed, and no client gets a message twice.
	AtLeastOnce bool
	// Keep is for how long the message stays in the log of its topic, from which clients
	// get what they missed. Zero means what the publisher's rules say, a negative value
	// that it is not kept. The data has to be a frame of [Envelope.Frame] then, of
	// [MaxKept] bytes at most, and the audience a topic as a whole: After, Part, Except and
	// Only are errors.
	Keep time.Duration
	// Again says that the message may have been kept before under its ID: after an
	// [ErrUnknown], or when a queue delivers it twice. The log is looked through for it,
	// from the end back to FirstSent, 1 MB at most; one that is there is sent again
	// under its old offset. One that is further back is appended a second time under
	// the same ID, which clients drop while they remember it.
	Again     bool
	FirstSent time.Time
	// OnResult is told the result of each post as it ends. It is called concurrently,
	// and the next post of its goroutine waits for it.
	OnResult func(Outcome)

	rows []Listed // if not nil: of the audience only these
}

// Publish posts data to every connection of an audience and returns when every
// post has ended: a Lambda is frozen after it returns.
//
// The error is for what concerns the whole. It is an [ErrInvalid] if the audience, the
// data or the options cannot be, has the [Problem] [ProblemStore] if the audience could
// not be read, or [ProblemCredentialsMissing] if no post could be signed for want of
// credentials, and wraps the context's error if that had ended. The result of each post
// is in the Result, which is complete as far as the publish came even with an error.
//
// Gone is no error. The row of a gone connection is removed if the post went to
// the row's own endpoint and the connection is older than 30 s by the gateway's
// own clock: until its $connect function has returned, 29 s at the longest, a
// live connection answers 410 too (AWS, re:Post 410-gone-api-gateway).
//
// At most once: repeated are a failed dial and a 429, which cannot have
// delivered. See [PublishOptions].AtLeastOnce.
//
// A publish that is kept ([PublishOptions].Keep) is appended to the log of its topic
// before anything is sent, and has three ends: Result.Position is set, and every
// subscriber will have the message, whatever the result of its post; an error without
// [ErrUnknown] in its chain and without a position: nothing was kept or sent; and an
// error with it: a repeat with the same ID and Again is safe.
//
// Two publishes reach a connection in order if the second starts after the first
// has returned with that post sent. Data must be UTF-8 of at most [MaxMessage]
// bytes.
func (p *Publisher) Publish(ctx context.Context, to Audience, data []byte, o *PublishOptions) (Result, error) {
	p.made("wirepost")
	if err := CheckMessage(data); err != nil {
		return Result{}, err
	}
	if o == nil {
		o = &PublishOptions{}
	}
	if err := to.Validate(); err != nil {
		return Result{}, err
	}
	keep, err := p.keepFor(to, o)
	if err != nil {
		return Result{}, err
	}
	if keep == 0 {
		return p.fanOut(ctx, to, request{Request: management.Post(data)}, o)
	}
	kept, err := p.append(ctx, to, data, keep, o)
	if err != nil {
		return Result{}, err
	}
	return p.sendKept(ctx, to, kept, o)
}

// sendKept sends a message that was appended. The listing begins after that: a
// connection that subscribes later reads the log.
func (p *Publisher) sendKept(ctx context.Context, to Audience, kept Kept, o *PublishOptions) (Result, error) {
	r, err := p.fanOut(ctx, to, request{Request: management.Post(kept.Frame)}, o)
	r.Position, r.Repeated = kept.Position, kept.Repeated
	return r, err
}

// CloseAll closes every connection of an audience (DELETE @connections). API
// Gateway gives the client close code 1000 and runs $disconnect, which removes
// the row. The result and the error are as those of [Publisher.Publish].
func (p *Publisher) CloseAll(ctx context.Context, to Audience, o *PublishOptions) (Result, error) {
	return p.fanOut(ctx, to, request{Request: management.Delete()}, o)
}

// CheckMessage checks what every publish and post checks before it sends anything. The
// error is an [*Error]: with [ProblemMessageSize] if data has more than [MaxMessage]
// bytes, or with [ProblemMessageText] if it is not UTF-8.
func CheckMessage(data []byte) error {
	if len(data) > MaxMessage {
		return &Error{Problem: ProblemMessageSize, Detail: fmt.Sprintf("the message has %d bytes, %d at most are allowed", len(data), MaxMessage)}
	}
	if !utf8.Valid(data) {
		return &Error{Problem: ProblemMessageText}
	}
	return nil
}

// Post sends to one connection. It returns [ErrGone] if the connection has ended, an
// [ErrInvalid] if the ID or the data cannot be, and otherwise an [*Error]. The endpoint
// is that of the connection's row; without a row see [PublisherOptions].Endpoint.
func (p *Publisher) Post(ctx context.Context, connectionID string, data []byte) error {
	if err := CheckMessage(data); err != nil {
		return err
	}
	_, err := p.one(ctx, connectionID, request{Request: management.Post(data)})
	return err
}

// Close closes one connection: the client gets close code 1000. It returns [ErrGone] if
// the connection has ended already, and otherwise the errors of [Publisher.Post].
func (p *Publisher) Close(ctx context.Context, connectionID string) error {
	_, err := p.one(ctx, connectionID, request{Request: management.Delete()})
	return err
}

// Get asks API Gateway about one connection. It returns [ErrGone] if it has ended, and
// otherwise the errors of [Publisher.Post].
func (p *Publisher) Get(ctx context.Context, connectionID string) (ConnectionInfo, error) {
	a, err := p.one(ctx, connectionID, request{Request: management.Get(), repeatable: true})
	if err != nil {
		return ConnectionInfo{}, err
	}
	var info ConnectionInfo
	err = json.Unmarshal(a.Body, &info)
	if err == nil && info.ConnectedAt.IsZero() { // which every description has (AWS, GetConnection reference)
		err = errors.New("it has no connectedAt")
	}
	if err != nil {
		return ConnectionInfo{}, &Error{Problem: ProblemNotAPIGateway, ConnectionID: connectionID, Status: a.Status, Err: err,
			Detail: "what answers at the endpoint did not answer with the description of a connection"}
	}
	return info, nil
}

// ConnectionInfo is what the management API tells of a connection.
type ConnectionInfo struct {
	ConnectedAt  time.Time `json:"connectedAt"`
	LastActiveAt time.Time `json:"lastActiveAt"`
	Identity     struct {
		SourceIP  string `json:"sourceIp"`
		UserAgent string `json:"userAgent,omitempty"`
	} `json:"identity"`
}

func (p *Publisher) one(ctx context.Context, id string, r request) (management.Answer, error) {
	p.made("wirepost")
	if err := ValidateConnectionID(id); err != nil {
		return management.Answer{}, err
	}
	l := Listed{ID: id}
	c, err := p.store.Connection(ctx, id)
	switch {
	case err == nil:
		l.Endpoint, l.ConnectedAt = c.Endpoint, c.ConnectedAt
	case !errors.Is(err, ErrNotFound):
		return management.Answer{}, &Error{Problem: ProblemStore, ConnectionID: id, Detail: "the connection could not be looked up", Err: err}
	}
	post := management.NewContext(ctx)
	defer post.Close()
	a, o := p.deliver(post, ToConnection(id), l, r, time.Time{}, nil)
	return a, o.Err
}
