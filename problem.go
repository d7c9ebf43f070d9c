package wirepost

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Problem names one way in which pushing goes wrong. It is a stable
// kebab-case code: scripts may compare it.
type Problem string

// Problems lists the catalogue's codes in alphabetical order.
func Problems() []Problem {
	all := make([]Problem, 0, len(problems))
	for p := range problems {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

// Sentence says what the problem is, in one sentence without a full stop. It is
// empty for a code that is not in the catalogue.
func (p Problem) Sentence() string { return problems[p].sentence }

// Fix says what to do about it.
func (p Problem) Fix() string { return problems[p].fix }

// Seen is what the problem looks like without this package: the words of AWS's client,
// of the network or of API Gateway. It may be empty.
func (p Problem) Seen() string { return problems[p].seen }

// NotDelivered reports whether a message whose post failed with this problem
// certainly did not reach its client: to send it again gives it to nobody twice. It
// is false for a problem of which that is not known, or only from the single answer
// ([Error.NotDelivered]), and for one that no post fails with.
func (p Problem) NotDelivered() bool { return notDelivered[p] }

// URL is where docs/problems.md describes the problem.
func (p Problem) URL() string {
	return "https://github.com/wirepost/wirepost/blob/main/docs/problems.md#" + string(p)
}

var (
	// ErrNotFound says that a store has no live row for a connection or stage.
	ErrNotFound = errors.New("wirepost: not found")
	// ErrGone says that the connection has ended (410). Only the calls about a
	// single connection return it: [Publisher.Post], [Publisher.Get], [Publisher.Close],
	// [Message.Post] and [Message.Close]. In a publish, gone is a count.
	ErrGone = errors.New("wirepost: connection is gone")
	// ErrNoEndpoint says that no management endpoint is known for a connection.
	ErrNoEndpoint = errors.New("wirepost: no management endpoint known")
)

// Error is what went wrong at one endpoint or with one connection.
type Error struct {
	Problem      Problem
	Endpoint     string // the management endpoint as far as it is known
	ConnectionID string // empty if it is not about one connection
	// Status is the HTTP status that was answered; 0 means that there was no
	// answer and Problem is our own conclusion.
	Status int
	// Body is what was answered, cut at 2 KB. It never contains a payload of ours.
	Body string
	// Detail says what is the matter with the thing at hand. Empty means the
	// catalogue's sentence.
	Detail string
	// FixText overrides the catalogue's fix when the exact cure is known.
	FixText string
	// Candidates are what it may be, the likeliest first, where the answer alone
	// cannot tell. Nil where Problem is certain. [Explain] sets it.
	Candidates []Problem
	Err        error
}

// Answered reports whether the endpoint itself said so (an HTTP answer), as
// opposed to a conclusion of this package.
func (e *Error) Answered() bool { return e.Status != 0 }

// NotDelivered reports whether the post that failed with this error certainly did not
// deliver: its problem says so ([Problem.NotDelivered]), or a status from 300 to 499
// refused the request; after a status of 500 or more nobody knows. It speaks of the posts of this package. AWS's own client
// repeats a post by itself and shows the last attempt only, so an error that [Explain]
// read from that client says nothing of the attempts before.
func (e *Error) NotDelivered() bool {
	refused := e.Status >= 300 && e.Status <= 499
	switch {
	case e.Problem == ProblemUnexpected:
		return refused
	case e.Problem == ProblemNotAPIGateway: // without a status it was no HTTP at all, and nothing was sent
		return refused || e.Status == 0
	case e.Status >= 500 && e.Problem != ProblemEndpointAnotherAPI:
		return false
	}
	return e.Problem.NotDelivered()
}

// Fix says what to do.
func (e *Error) Fix() string {
	if e.FixText != "" {
		return e.FixText
	}
	if _, rest, found := strings.Cut(e.Endpoint, "://"); found {
		host, _, _ := strings.Cut(rest, "/")
		if fix := fixHere[e.Problem]; fix != "" && isLoopback(host) {
			return fix
		}
	}
	return e.Problem.Fix()
}

// fixHere are the cures that are others for a gateway on this machine.
var fixHere = map[Problem]string{
	ProblemSigningRegion:       "set AWS_REGION to the region of the gateway, which is " + developmentRegion + " unless 'wirepost dev' was told another",
	ProblemCredentialsInvalid:  "sign with the pair of that gateway: the development pair, or the one that 'wirepost dev' prints where other machines reach it",
	ProblemEndpointCertificate: "use http:// for a gateway on this machine, or trust its authority (SSL_CERT_FILE=.wirepost/ca.pem)",
	ProblemForbidden:           "use the endpoint that 'wirepost dev' prints, with its stage",
}

// Error is one line: what, on what, and what the other side said.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Problem))
	if e.ConnectionID != "" {
		fmt.Fprintf(&b, ": connection %s", e.ConnectionID)
	}
	if e.Endpoint != "" {
		fmt.Fprintf(&b, ": endpoint %s", e.Endpoint)
	}
	b.WriteString(": ")
	if e.Detail != "" {
		b.WriteString(e.Detail)
	} else {
		b.WriteString(e.Problem.Sentence())
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (answered %d", e.Status)
		if e.Body != "" {
			fmt.Fprintf(&b, ": %s", said(e.Body))
		}
		b.WriteString(")")
	}
	if len(e.Candidates) > 0 {
		names := make([]string, len(e.Candidates))
		for i, p := range e.Candidates {
			names[i] = string(p)
		}
		fmt.Fprintf(&b, " (in order of likelihood: %s)", strings.Join(names, ", "))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// said returns an answer in one line. It quotes answers with line ends or invisible
// characters: a log would show them as lines of its own, and a terminal would act on them.
func said(body string) string {
	body = strings.TrimSpace(body)
	if utf8.ValidString(body) && !strings.ContainsFunc(body, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return body
	}
	return strconv.Quote(body)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ProblemOf finds the problem that an error carries; empty if it carries none.
func ProblemOf(err error) Problem {
	var e *Error
	if errors.As(err, &e) {
		return e.Problem
	}
	return ""
}
