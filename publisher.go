package wirepost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// MaxMessage is the largest message that API Gateway passes on, in bytes (AWS,
// WebSocket quotas page: 128 KB; that KB means 1,024 is UNCERTAIN).
const MaxMessage = 128 << 10

// PublisherOptions are all optional.
type PublisherOptions struct {
	// Credentials to sign with. Default: AWS's default chain; for a loopback
	// endpoint, the development pair.
	Credentials aws.CredentialsProvider
	// Endpoint is used for a connection ID that has no row in the store, and for
	// nothing else: a message never goes to another API than its connection's.
	// Default: WIREPOST_ENDPOINT, then AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI.
	Endpoint string
	// Region to sign for with Endpoint, if its host does not name one. Default:
	// AWS_REGION, and us-east-1 for a loopback endpoint.
	Region string
	// Concurrency bounds the posts in flight of one publish, and the connections
	// to one endpoint. Default 64.
	Concurrency int
	// PostTimeout bounds one post with its retries. Default 10 s.
	PostTimeout time.Duration
	// Margin is kept free before the context's deadline: when it is reached no
	// post starts and those in flight are ended. Default 500 ms, or a quarter of
	// the time there is if that is less.
	Margin time.Duration
	// StageMaxAge is how long a stage record is used before it is read again.
	// Default 30 s. An answer that says the endpoint is wrong reads it at once.
	StageMaxAge time.Duration
	// Transport replaces the pool of connections, for tests and proxies.
	Transport http.RoundTripper
	// Logger gets debug lines and removals. It never sees a payload, a credential
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
	store       Store
	o           PublisherOptions
	credentials credentialSource

	mu        sync.Mutex
	endpoints map[Identity]knownEndpoint
	direct    *management // for the override

	reading sync.Mutex // one reader of stage records at a time; taken before mu
}

// knownEndpoint is what this process knows of a stage.
type knownEndpoint struct {
	client *management
	read   time.Time // when the record was last read, by the wall clock
	reads  int       // how often
}

// NewPublisher makes a publisher on a store.
func NewPublisher(store Store, o *PublisherOptions) *Publisher {
	p := &Publisher{store: store, endpoints: map[Identity]knownEndpoint{}}
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
	if p.o.Logger == nil {
		p.o.Logger = slog.New(slog.DiscardHandler)
	}
	if p.o.Now == nil {
		p.o.Now = time.Now
	}
	if p.o.Random == nil {
		p.o.Random = rand.Float64
	}
	p.credentials.given = p.o.Credentials
	return p
}

// Close closes idle connections. It does not close the store.
func (p *Publisher) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.endpoints {
		k.client.close()
	}
	if p.direct != nil {
		p.direct.close()
	}
	return nil
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
	// OnResult is told every outcome, from many goroutines at once.
	OnResult func(Outcome)
}

// Outcome is what became of one post.
type Outcome struct {
	ConnectionID string
	Endpoint     Identity
	// Err is nil if the post was accepted, [ErrGone] if the connection has ended,
	// an [*Error] otherwise.
	Err error
	// Removed tells that the row of a gone connection was removed.
	Removed bool
	// Kept says why the row of a gone connection was not removed.
	Kept string
}

// Result counts the outcomes of a publish.
type Result struct {
	Sent    int // accepted by API Gateway
	Gone    int // connections that had ended
	Removed int // rows of gone connections that were removed
	Failed  int
	// Problems counts the failures by what explains them, completely.
	Problems map[Problem]int
	// Kept counts gone connections whose rows stayed, by reason.
	Kept map[string]int
	// Errors has the first 100 failures.
	Errors []error
	// Next is not empty if time ran out before every post was started: publish
	// again with PublishOptions.After to send to the rest.
	Next Cursor
}

// String is the line that people read: "sent 2, gone 1 (removed), failed 1
// (throttled)".
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sent %d", r.Sent)
	if r.Gone > 0 {
		fmt.Fprintf(&b, ", gone %d", r.Gone)
		var notes []string
		switch {
		case r.Removed == r.Gone:
			notes = append(notes, "removed")
		case r.Removed > 0:
			notes = append(notes, fmt.Sprintf("%d removed", r.Removed))
		}
		for _, reason := range sortedKeys(r.Kept) {
			if n := r.Kept[reason]; n == r.Gone {
				notes = append(notes, "kept: "+reason)
			} else {
				notes = append(notes, fmt.Sprintf("%d kept: %s", n, reason))
			}
		}
		if len(notes) > 0 {
			fmt.Fprintf(&b, " (%s)", strings.Join(notes, ", "))
		}
	}
	if r.Failed > 0 {
		fmt.Fprintf(&b, ", failed %d", r.Failed)
		var notes []string
		for _, p := range sortedKeys(r.Problems) {
			if n := r.Problems[p]; n == r.Failed {
				notes = append(notes, string(p))
			} else {
				notes = append(notes, fmt.Sprintf("%d %s", n, p))
			}
		}
		fmt.Fprintf(&b, " (%s)", strings.Join(notes, ", "))
	}
	if r.Next != "" {
		b.WriteString(", not finished")
	}
	return b.String()
}

// maxErrors is how many failures a Result keeps.
const maxErrors = 100

func (r *Result) add(o Outcome) {
	switch {
	case o.Err == nil:
		r.Sent++
	case errors.Is(o.Err, ErrGone):
		r.Gone++
		if o.Removed {
			r.Removed++
		} else if o.Kept != "" {
			if r.Kept == nil {
				r.Kept = map[string]int{}
			}
			r.Kept[o.Kept]++
		}
	default:
		r.Failed++
		problem := ProblemOf(o.Err)
		if problem == "" {
			problem = ProblemUnexpected
		}
		if r.Problems == nil {
			r.Problems = map[Problem]int{}
		}
		r.Problems[problem]++
		if len(r.Errors) < maxErrors {
			r.Errors = append(r.Errors, o.Err)
		}
	}
}

// Publish posts data to every connection of an audience and returns when every
// post has ended: a Lambda is frozen after it returns.
//
// The error is for what concerns the whole: invalid input, an audience that
// cannot be read, a context that had ended. What became of the posts is in the
// Result, which is complete as far as the publish came even with an error.
//
// Gone is no error. The row of a gone connection is removed if the post went to
// the row's own endpoint and the connection is older than 30 s by the gateway's
// own clock: until its $connect function has returned, 29 s at the longest, a
// live connection answers 410 too (AWS, re:Post 410-gone-api-gateway).
//
// At most once: repeated are a failed dial and a 429, which cannot have
// delivered. See [PublishOptions].AtLeastOnce.
//
// Two publishes reach a connection in order if the second starts after the first
// has returned with that post sent. Data must be UTF-8 of at most [MaxMessage]
// bytes.
func (p *Publisher) Publish(ctx context.Context, to Audience, data []byte, o *PublishOptions) (Result, error) {
	if err := CheckMessage(data); err != nil {
		return Result{}, err
	}
	return p.fanOut(ctx, to, request{method: http.MethodPost, data: data, hash: payloadHash(data)}, o)
}

// Disconnect closes every connection of an audience (DELETE @connections). API
// Gateway gives the client close code 1000 and runs $disconnect, which removes
// the row.
func (p *Publisher) Disconnect(ctx context.Context, to Audience, o *PublishOptions) (Result, error) {
	return p.fanOut(ctx, to, request{method: http.MethodDelete, hash: emptyPayloadHash}, o)
}

// CheckMessage says why a message would be refused before it is sent.
func CheckMessage(data []byte) error {
	if len(data) > MaxMessage {
		return &Error{Problem: ProblemMessageSize, Detail: fmt.Sprintf("the message has %d bytes, %d at most are allowed", len(data), MaxMessage)}
	}
	if !utf8.Valid(data) {
		return &Error{Problem: ProblemMessageText}
	}
	return nil
}

// Post sends to one connection. It returns [ErrGone] if the connection has ended.
// Its endpoint is that of its row; without a row see [PublisherOptions].Endpoint.
func (p *Publisher) Post(ctx context.Context, connectionID string, data []byte) error {
	if err := CheckMessage(data); err != nil {
		return err
	}
	_, err := p.one(ctx, connectionID, request{method: http.MethodPost, data: data, hash: payloadHash(data)})
	return err
}

// Delete closes one connection. It returns [ErrGone] if it has ended already.
func (p *Publisher) Delete(ctx context.Context, connectionID string) error {
	_, err := p.one(ctx, connectionID, request{method: http.MethodDelete, hash: emptyPayloadHash})
	return err
}

// Get asks API Gateway about one connection. It returns [ErrGone] if it has ended.
func (p *Publisher) Get(ctx context.Context, connectionID string) (ConnectionInfo, error) {
	a, err := p.one(ctx, connectionID, request{method: http.MethodGet, hash: emptyPayloadHash, repeatable: true})
	if err != nil {
		return ConnectionInfo{}, err
	}
	return parseConnectionInfo(a.body)
}

func (p *Publisher) one(ctx context.Context, id string, r request) (answer, error) {
	if err := ValidateConnectionID(id); err != nil {
		return answer{}, err
	}
	l := Listed{ID: id}
	c, err := p.store.Connection(ctx, id)
	switch {
	case err == nil:
		l.Endpoint = c.Endpoint
	case !errors.Is(err, ErrNotFound):
		return answer{}, &Error{Problem: ProblemStore, ConnectionID: id, Detail: "the connection could not be looked up", Err: err}
	}
	a, o := p.deliver(ctx, l, r, time.Time{})
	return a, o.Err
}

// fanOut sends one request to each connection of an audience.
func (p *Publisher) fanOut(ctx context.Context, to Audience, r request, o *PublishOptions) (Result, error) {
	if o == nil {
		o = &PublishOptions{}
	}
	if err := to.Validate(); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("publish to %s: %w", to, err)
	}
	r.repeatable = r.repeatable || o.AtLeastOnce
	stop := p.stopTime(ctx)

	var (
		result Result
		mu     sync.Mutex
		wg     sync.WaitGroup
		work   = make(chan Listed)
	)
	report := func(out Outcome) {
		mu.Lock()
		result.add(out)
		mu.Unlock()
		if o.OnResult != nil {
			o.OnResult(out)
		}
	}
	// Workers start as they are needed, up to the bound, and end with this call.
	workers := 0
	hand := func(l Listed) bool {
		select {
		case work <- l:
			return true
		default:
		}
		if workers < p.o.Concurrency {
			workers++
			wg.Go(func() {
				for l := range work {
					_, out := p.deliver(ctx, l, r, stop)
					report(out)
				}
			})
		}
		var timeout <-chan time.Time
		if !stop.IsZero() {
			t := time.NewTimer(time.Until(stop))
			defer t.Stop()
			timeout = t.C
		}
		select {
		case work <- l:
			return true
		case <-timeout:
			return false
		case <-ctx.Done():
			return false
		}
	}

	var failure error
	last := o.After
	found := false
	for l, err := range p.store.Connections(ctx, to, ListOptions{After: o.After, Part: o.Part, Parts: o.Parts}) {
		if err != nil {
			failure = &Error{Problem: ProblemStore, Detail: fmt.Sprintf("the connections of %s could not be listed", to), Err: err}
			result.Next = last
			break
		}
		found = true
		if l.ID == o.Except || o.Only != nil && *o.Only != l.Endpoint {
			last = l.Cursor
			continue
		}
		if !stop.IsZero() && !time.Now().Before(stop) || !hand(l) {
			result.Next = last
			if last == "" {
				failure = fmt.Errorf("publish to %s: no time was left to start: %w", to, context.DeadlineExceeded)
			}
			break
		}
		last = l.Cursor
	}
	close(work)
	wg.Wait()

	// A connection ID that the store does not know has no row, and so nobody to
	// send to, unless the caller named an endpoint.
	if to.Kind == KindConnection && !found && failure == nil && o.After == "" && to.Name != o.Except {
		_, out := p.deliver(ctx, Listed{ID: to.Name}, r, stop)
		if errors.Is(out.Err, ErrNoEndpoint) {
			out.Err = ErrGone
			out.Kept = "" // there is no row
		}
		report(out)
	}
	if failure == nil {
		if err := ctx.Err(); err != nil {
			failure = fmt.Errorf("publish to %s: %w", to, err)
		}
	}
	return result, failure
}

// stopTime is when no more posts may start; zero means never.
func (p *Publisher) stopTime(ctx context.Context) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	margin := p.o.Margin
	if quarter := time.Until(deadline) / 4; quarter < margin {
		margin = quarter
	}
	return deadline.Add(-margin)
}

// request is what is sent to each connection.
type request struct {
	method     string
	data       []byte
	hash       string
	repeatable bool // doing it twice does no harm, or was asked for
}

// removeAfter is the age from which a 410 means that a connection has ended:
// the longest a $connect function may run (29 s, AWS, WebSocket quotas page),
// plus one.
const removeAfter = 30 * time.Second

// deliver sends to one connection, with the retries that are safe, and removes
// the row if the connection is gone.
func (p *Publisher) deliver(ctx context.Context, l Listed, r request, stop time.Time) (answer, Outcome) {
	out := Outcome{ConnectionID: l.ID, Endpoint: l.Endpoint}
	limit := time.Now().Add(p.o.PostTimeout)
	if !stop.IsZero() && stop.Before(limit) {
		limit = stop
	}
	postCtx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()

	reads := p.reads(l.Endpoint)
	m, err := p.endpoint(postCtx, l.Endpoint)
	if err != nil {
		out.Err = err
		return answer{}, out
	}
	reread := false
	for attempt := 0; ; attempt++ {
		creds, err := p.credentials.retrieve(postCtx, m.loopback)
		if err != nil {
			out.Err = &Error{Problem: ProblemCredentialsMissing, Endpoint: m.endpoint.URL, ConnectionID: l.ID, Err: err}
			return answer{}, out
		}
		a, err := m.call(postCtx, r.method, l.ID, r.data, r.hash, creds, p.o.Now())
		var (
			problem *Error
			again   bool
		)
		switch {
		case err != nil:
			var sent bool
			problem, sent = m.transportProblem(err, l.ID)
			again = !sent || r.repeatable
			if ctxErr := postCtx.Err(); ctxErr != nil && !sent {
				problem = &Error{Problem: ProblemDeadline, Endpoint: m.endpoint.URL, ConnectionID: l.ID, Err: err}
			}
		case a.status/100 == 2 && !a.html:
			out.Err = nil
			return a, out
		case a.status == http.StatusGone:
			out.Err = ErrGone
			out.Removed, out.Kept = p.remove(ctx, l, m, a)
			return a, out
		default:
			problem = m.problem(a, l.ID)
			again = problem.Problem == ProblemThrottled || problem.Problem == ProblemServerError && r.repeatable
		}
		out.Err = problem
		// A definite wrong-endpoint answer: the stage may have moved. Read its
		// record once, and try once more if it says something else.
		switch problem.Problem {
		case ProblemEndpointUnresolved, ProblemEndpointRefused, ProblemForbidden:
			if !reread && l.Endpoint != (Identity{}) {
				reread = true
				if fresh, err := p.reread(postCtx, l.Endpoint, max(reads, 1)); err == nil && fresh != m {
					m = fresh
					continue
				}
			}
			// A refused dial may be a gateway that is just starting again; more than
			// a moment of that is an answer.
			if problem.Problem != ProblemEndpointRefused || attempt >= 3 {
				return a, out
			}
		case ProblemEndpointCertificate, ProblemNotAPIGateway:
			return a, out
		}
		if !again || !p.pause(postCtx, attempt) {
			return a, out
		}
	}
}

// pause waits before attempt+2, with full jitter: somewhere in [0, 100 ms × 2^n),
// 3.2 s at most. It reports false if the deadline comes first.
func (p *Publisher) pause(ctx context.Context, attempt int) bool {
	ceiling := 100 * time.Millisecond << min(attempt, 5)
	wait := time.Duration(p.o.Random() * float64(ceiling))
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// remove deletes the row of a connection that answered 410 if that is certain to
// be right, and says why not otherwise.
func (p *Publisher) remove(ctx context.Context, l Listed, m *management, a answer) (bool, string) {
	if l.Endpoint == (Identity{}) || l.Endpoint != m.endpoint.Identity {
		return false, "" // no row, or a post that went elsewhere: it says nothing of the row
	}
	c, err := p.store.Connection(ctx, l.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return false, "" // its $disconnect was quicker
	case err != nil:
		return false, "the store did not answer"
	case c.Endpoint != l.Endpoint:
		return false, "another API's connection now"
	case a.date.IsZero():
		return false, "the answer has no date"
	case a.date.Sub(c.ConnectedAt) < removeAfter:
		return false, "younger than 30 s"
	}
	removed, err := p.store.Delete(ctx, c.Key())
	if err != nil {
		return false, "the store did not answer"
	}
	if removed {
		p.o.Logger.Debug("removed the row of a gone connection", "connectionId", l.ID, "endpoint", l.Endpoint.String())
	}
	return removed, ""
}

// endpoint is the client of a stage, from the cache or the store. The zero
// identity is a connection without a row.
func (p *Publisher) endpoint(ctx context.Context, id Identity) (*management, error) {
	if id == (Identity{}) {
		return p.endpointWithoutRow(ctx)
	}
	now := p.o.Now().Round(0)
	p.mu.Lock()
	k := p.endpoints[id]
	p.mu.Unlock()
	if k.client != nil && now.Sub(k.read) < p.o.StageMaxAge && !now.Before(k.read) {
		return k.client, nil
	}
	m, err := p.reread(ctx, id, k.reads)
	if err != nil && k.client != nil && !errors.Is(err, ErrNoEndpoint) {
		return k.client, nil // the store is away; what was right a moment ago is better than nothing
	}
	return m, err
}

// reread reads the stage record and returns the client for it: the known one if
// the URL is the same, else a new one that takes its place. Of many posts that
// want it at once, one reads: reads is how often it had been read when the caller
// last looked.
func (p *Publisher) reread(ctx context.Context, id Identity, reads int) (*management, error) {
	p.reading.Lock()
	defer p.reading.Unlock()
	p.mu.Lock()
	known := p.endpoints[id]
	p.mu.Unlock()
	if known.client != nil && known.reads > reads {
		return known.client, nil
	}
	r, err := p.store.Stage(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, &Error{Problem: ProblemEndpointUnset, Detail: fmt.Sprintf("the store has no endpoint for %s", id), Err: ErrNoEndpoint}
	}
	if err != nil {
		return nil, &Error{Problem: ProblemStore, Detail: fmt.Sprintf("the endpoint of %s could not be read", id), Err: err}
	}
	// The record's own identity decides; a host that contradicts its region is
	// found here and never sent to.
	if _, err := ParseEndpoint(r.URL, &EndpointOptions{Region: id.Region, APIID: id.APIID}); err != nil {
		return nil, err
	}
	next := knownEndpoint{client: known.client, read: p.o.Now().Round(0), reads: known.reads + 1}
	if known.client == nil || known.client.endpoint.URL != r.URL {
		if next.client, err = newManagement(r.Endpoint, p.o.Concurrency, p.o.Transport); err != nil {
			return nil, err
		}
		if known.client != nil {
			known.client.close()
			p.o.Logger.Info("the endpoint of a stage has moved", "endpoint", id.String(), "from", known.client.endpoint.URL, "to", r.URL)
		}
	}
	p.mu.Lock()
	p.endpoints[id] = next
	p.mu.Unlock()
	return next.client, nil
}

// reads is how often the record of a stage has been read.
func (p *Publisher) reads(id Identity) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.endpoints[id].reads
}

// endpointWithoutRow is where a bare connection ID is sent: to the override, or
// to the only stage that there is.
func (p *Publisher) endpointWithoutRow(ctx context.Context) (*management, error) {
	if raw := endpointOverride(p.o.Endpoint, os.Getenv); raw != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.direct != nil && p.direct.endpoint.URL == strings.TrimSuffix(raw, "/") {
			return p.direct, nil
		}
		region := p.o.Region
		if region == "" {
			region = os.Getenv("AWS_REGION")
		}
		ep, err := ParseEndpoint(raw, &EndpointOptions{Region: region})
		if ProblemOf(err) == ProblemSigningRegion && region == "" {
			ep, err = ParseEndpoint(raw, &EndpointOptions{Region: developmentRegion})
			if err == nil && !strings.HasPrefix(ep.URL, "http://") && executeAPIHost.FindString(raw) == "" {
				err = &Error{Problem: ProblemSigningRegion, Endpoint: raw, Detail: "the region of the endpoint is not known", FixText: "set AWS_REGION to the region of the API"}
			}
		}
		if err != nil {
			return nil, err
		}
		m, err := newManagement(ep, p.o.Concurrency, p.o.Transport)
		if err == nil {
			p.direct = m
		}
		return m, err
	}
	stages, err := p.store.Stages(ctx)
	if err != nil {
		return nil, &Error{Problem: ProblemStore, Detail: "the known endpoints could not be listed", Err: err}
	}
	if len(stages) == 1 {
		return p.endpoint(ctx, stages[0].Identity)
	}
	detail := "the connection has no row in the store, and no endpoint is known"
	if len(stages) > 1 {
		names := make([]string, len(stages))
		for i, s := range stages {
			names[i] = s.Identity.String()
		}
		detail = "the connection has no row in the store, and it could belong to any of " + strings.Join(names, ", ")
	}
	return nil, &Error{Problem: ProblemEndpointUnset, Detail: detail, Err: ErrNoEndpoint}
}
