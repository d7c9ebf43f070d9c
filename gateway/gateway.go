// Package gateway is the WebSocket side of Amazon API Gateway on one machine.
//
// It hides RFC 6455 and API Gateway's semantics: the handshake that waits for
// $connect, the events a function gets, the route selection expression, the
// limits and close codes, and the signed management API under
// /{stage}/@connections/{id}. It needs no AWS account and knows nothing about
// who uses it: a function is anything with Invoke(ctx, payload), which is what
// lambda.Start accepts, and a publisher is anything that signs its requests.
//
//	server := &gateway.Server{Function: function}
//	err := server.Serve(listener)
//
// Clients then connect to ws://HOST/dev and publishers post to
// http://HOST/dev/@connections/{id}.
//
// # What is known and what is not
//
// Each emulated behaviour cites its source. Facts come from the API Gateway
// developer guide ("AWS docs"), from AWS's own SDK models and from recorded
// traffic in public repositories. Where nothing authoritative was found the
// code says UNCERTAIN: treat such behaviour as a default, not as a fact.
//
// # Refusals
//
// What the gateway itself refuses is answered in AWS's words, which rarely say why.
// Server.Notice is told the reason, once and then how often, and an Observer sees it
// with each refusal.
//
// # Limits
//
// A connection is HTTP/1.1 with an upgrade; permessage-deflate is never
// negotiated and HTTP/2 is not offered. Models and the integration type HTTP are not
// emulated; templates of the type AWS are functions of the caller's.
package gateway

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Function is what a route invokes: the integration, in AWS's words. A payload
// is one event as JSON, the result one Lambda proxy answer as JSON.
//
// Invoke is called concurrently, also for messages of one connection: API
// Gateway does not serialise them. The payload belongs to the function. The
// context ends at the integration timeout or when the server has ended; a
// function that ignores it is left running, but nothing waits for it any
// longer. A panic is recovered, logged with its stack and treated as an error.
type Function interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// FunctionFunc makes a Function of a plain function.
type FunctionFunc func(ctx context.Context, payload []byte) ([]byte, error)

// Invoke calls f.
func (f FunctionFunc) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

// Route says what is done with the events of one route key.
type Route struct {
	// Function is invoked for the events of this route. Nil means
	// Server.Function.
	Function Function

	// Authorizer is asked before $connect. No other route can have one (a
	// validated test of another emulator).
	Authorizer *Authorizer

	// IntegrationTimeout is the time an invocation of this route may take, from
	// 50 ms to 29 s. Zero means Server.IntegrationTimeout.
	IntegrationTimeout time.Duration

	// RouteResponse makes the route two-way: the body of the function's
	// answer is sent back to the connection. Its statusCode is ignored, as on
	// AWS. It has no meaning for $connect and $disconnect.
	RouteResponse bool

	// Model is asked for each message, if it is not nil. If it gives an error, the client
	// gets the error frame Bad request body, on a one-way route too (UNCERTAIN), and
	// nothing is invoked (AWS docs, "Request validation for WebSocket APIs in API
	// Gateway"). The error is what an observer sees. It has no meaning for $connect and
	// $disconnect, which have no body (UNCERTAIN). It is called concurrently.
	Model func(message []byte) error
}

// Credentials is a key pair that may sign management calls.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // when set, X-Amz-Security-Token must be equal to it
}

// DevelopmentCredentials is the fixed pair, wirepost and wirepost, that is
// accepted on a loopback address unless Server.Credentials says otherwise.
func DevelopmentCredentials() Credentials {
	return Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost"}
}

// AWS's limits (AWS docs, WebSocket quotas page; that KB means 1024 there is
// an assumption) and this package's own.
const (
	DefaultMessageBytes       = 128 << 10
	DefaultFrameBytes         = 32 << 10
	DefaultQueueBytes         = 1 << 20
	DefaultMaxInvocations     = 1000
	DefaultIdleTimeout        = 10 * time.Minute
	DefaultMaxAge             = 2 * time.Hour
	DefaultIntegrationTimeout = 29 * time.Second
	DefaultClockSkew          = 5 * time.Minute
	DefaultCloseWait          = 5 * time.Second
	DefaultURLBytes           = 4096
	DefaultConnectRate        = 500
	DefaultRequestRate        = 10_000
	DefaultRequestBurst       = 5_000

	// What an API may have (the same page).
	maxRoutes      = 300
	maxAuthorizers = 10
	minIntegration = 50 * time.Millisecond
	maxIntegration = 29 * time.Second
)

// Server is the gateway and its own configuration. The zero value with a
// Function is ready for use. It is an http.Handler; all its methods may be
// called concurrently. Fields must not change after the first call of a
// method, and a Server must not be copied.
type Server struct {
	// Function is invoked by each route without a Function of its own.
	Function Function

	// Routes maps route keys to what they do. Nil means $connect, $disconnect
	// and $default on Function, all one-way. A map without $connect accepts
	// every connection, one without $disconnect tells nobody of its end (both
	// as on AWS). Keys of one's own must not begin with a dollar sign (AWS docs).
	Routes map[string]Route

	// RouteSelection is the route selection expression. Empty means
	// $request.body.action. Supported is $request.body with a JSON path of
	// names and indexes, with or without braces, mixed with literals; \$ is a
	// dollar sign. Anything else is an error of Validate.
	RouteSelection string

	// Stage is the first path segment of every URL. Empty means dev.
	Stage string

	// StageVariables are in every event where there are some. That they are
	// absent where there are none is what recorded events show; that they are
	// there otherwise is UNCERTAIN.
	StageVariables map[string]string

	// APIID is the apiId of events. Empty means ten random lowercase
	// alphanumerics.
	APIID string

	// Region is the one that management calls must be signed for. Empty means
	// us-east-1.
	Region string

	// AccountID is in the methodArn of an authorizer's event, and in the text of AWS's
	// AccessDeniedException, which a Fault can ask for. Empty means 000000000000.
	AccountID string

	// Domain is the domainName of events, with a port if it needs one. Empty
	// means the address that the connection was accepted on. It never comes
	// from the client's Host header.
	Domain string

	// Credentials may sign management calls. Nil means: the development pair
	// if the listener's address is loopback (or, for a Server used as a
	// handler, the address that the request arrived at); otherwise a pair is
	// generated and announced once through Notice. An empty list that is not
	// nil refuses every call.
	Credentials []Credentials

	// MessageBytes bounds a message in either direction, FrameBytes a frame
	// from a client. Zero means 128 KiB and 32 KiB.
	MessageBytes, FrameBytes int

	// QueueBytes bounds what waits for a connection that does not read,
	// in addition to the kernel's own buffers. Zero means 1 MiB. At most 4096 frames
	// wait, however small. A message that no longer fits is refused with 429
	// LimitExceededException (SDK model: "the client side buffer is full").
	// One message is always taken when nothing waits.
	QueueBytes int

	// IdleTimeout closes a connection that has seen no message in either
	// direction, MaxAge each connection. Zero means 10 minutes and 2 hours.
	IdleTimeout, MaxAge time.Duration

	// IntegrationTimeout is the time an invocation may take. Zero means 29 s.
	IntegrationTimeout time.Duration

	// URLBytes bounds the URL of a handshake or a management call. Zero means 4096
	// (AWS docs: "URL length 4096 characters"); the answer over it, 414, is
	// UNCERTAIN.
	URLBytes int

	// ConnectRate bounds new connections a second, RequestRate what else counts
	// against the account, messages and management calls together, with
	// RequestBurst at once. Over ConnectRate a handshake gets 429; over
	// RequestRate a management call gets 429 TooManyRequestsException and a
	// message an error frame "Too Many Requests" (that frame's text is
	// UNCERTAIN). Zero means AWS's 500, 10,000 and 5,000 (2,500 and 1,250 in
	// af-south-1 and eu-south-1); negative, no bound.
	// Both are averages: a second of each may come at once.
	ConnectRate, RequestRate, RequestBurst int

	// Origin decides about a handshake with an Origin header, which browsers
	// send and other clients do not; false answers 403. AWS checks none. Nil means
	// that every origin may connect. Page's own origin is not asked about: the host of
	// the handshake, if that is an IP address or one of Hosts.
	Origin func(origin string) bool

	// Page answers GET and HEAD requests outside of the stage that ask for no
	// upgrade: a page that connects to its own origin. AWS has no such thing; nil
	// answers them 403, as before. An answer has a minute to be taken;
	// what takes longer sets its own deadline (http.ResponseController).
	Page http.Handler

	// Hosts are the names that management calls, and requests for Page, may be sent
	// to, with or without a port. A call to another is refused with 403, because a
	// page could point a name of its own at this machine. Nil means every name.
	Hosts []string

	// LoosePaths takes management calls whose path has no stage, as the path of a custom
	// domain has none, and calls with empty segments, which an endpoint with a slash at its
	// end makes: clients send /{stage}//@connections/{id}, and some of them (AWS SDK for
	// JavaScript 3.930 and later) sign it without the empty segment. Its signature is right
	// for the path as sent or without empty segments. Each is told once through Notice. What
	// AWS does with empty segments is UNCERTAIN; a call to an API's own name without the
	// stage is refused there, so the zero value refuses both.
	LoosePaths bool

	// TLS makes Serve answer TLS too, on the same port: the first byte of a
	// connection tells. Nil means plain HTTP only.
	TLS *tls.Config

	// ClockSkew is how far a signature's time may be from Now. Zero means 5
	// minutes (UNCERTAIN for execute-api; the usual value of AWS services).
	ClockSkew time.Duration

	// CloseWait bounds the wait for a client's close frame after the gateway
	// has sent its own. Zero means 5 seconds.
	CloseWait time.Duration

	// MaxInvocations bounds the invocations that run at one time. Zero means
	// 1000, Lambda's default account quota. Over it, connections are not read
	// until an invocation has ended or timed out.
	MaxInvocations int

	// MaxDisconnects bounds how many of them are of $disconnect. Zero means as
	// many. Where few invocations can really run at once, as in processes, a bound
	// keeps the messages of those who stay from waiting behind the thousands of
	// $disconnect of those who left together.
	MaxDisconnects int

	// PingKeepsAlive lets a client's ping reset the idle timer. UNCERTAIN on
	// AWS, where reports conflict; off, so that nobody comes to rely on it.
	PingKeepsAlive bool

	// Fault is asked once for each management call whose signature is right
	// and once for each event, before either has any effect; and for each
	// invocation of a function ([CallInvoke]) and each message on its way to a
	// client ([CallFrameOut]). It may be called concurrently. Nil means no faults;
	// [Faults] decides by rules.
	Fault func(Call) Fault

	// Observer sees what happens, for a recorder. Nil means nobody: then it costs a
	// comparison.
	Observer Observer

	// Now is the clock of events, signatures and answers. Nil means time.Now.
	// Timeouts always run on the time package's own clock.
	Now func() time.Time

	// Random makes identifiers and the generated pair. It may be read
	// concurrently. Nil means crypto/rand.
	Random io.Reader

	// Notice gets sentences for people: the generated secret, and why the gateway
	// refused a handshake, a management call or a message, which AWS's answer to the
	// client does not say. Of equal ones that follow each other it gets the first, and
	// later how many there were. Nil discards the secret; the reasons go to Logger then,
	// as warnings. It is called concurrently, in the goroutines that do the work, and
	// should not wait.
	Notice func(string)

	// Settings are the names by which people change fields of this Server, such as
	// "--connect-rate" for "ConnectRate": a Notice of what such a field has refused
	// names it. Without one it names the field. Named are ConnectRate, RequestRate,
	// RequestBurst, Origin, Hosts, Region, Credentials, ClockSkew, MessageBytes,
	// FrameBytes, QueueBytes and URLBytes.
	Settings map[string]string

	// Logger gets what an operator may want to know; never payloads and never
	// credentials. Nil discards it.
	Logger *slog.Logger

	once   sync.Once
	engine *engine
	err    error
}

// Validate reports the first mistake in the configuration, which is also what
// Serve would return.
func (s *Server) Validate() error {
	_, err := s.ready()
	return err
}

// ConnectionCount is the number of connections that can be posted to.
func (s *Server) ConnectionCount() int {
	e, err := s.ready()
	if err != nil {
		return 0
	}
	return int(e.table.open.Load())
}

// ServeHTTP answers handshakes and management calls. A Server with an invalid
// configuration answers 500 and says why through Notice.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, err := s.ready()
	if err != nil {
		if s.Notice != nil {
			s.Notice(err.Error())
		}
		internalError.answer(w)
		return
	}
	e.ServeHTTP(w, r)
}

func (s *Server) ready() (*engine, error) {
	s.once.Do(func() { s.engine, s.err = newEngine(s) })
	return s.engine, s.err
}
