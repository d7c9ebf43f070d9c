// Package httpstore lends a [wirepost.Store] to other processes of one machine
// over loopback HTTP: [NewHandler] serves any store, and the client that
// [wirepost.OpenStore] opens for an http: URL is a Store again. It hides the
// protocol between them. "wirepost dev" lends its store to the functions that it
// starts in this way, so that they need not know which one it is.
//
// Importing it links the schemes "http" and "https" (to refuse it) into
// [wirepost.OpenStore]:
//
//	import _ "github.com/wirepost/wirepost/httpstore"
//
//	store, err := wirepost.OpenStore(ctx, "http://:TOKEN@127.0.0.1:PORT/")
//
// The token is the URL's password. It goes to the server in a header, and no
// error or description of a store has it.
//
// # What the contract costs here
//
// Each call is one request. A call is sent again when nothing listened, as while
// the server starts again, and once when the answer was lost. A listing is one
// request for every 1,000 connections; the next one is under way while the body
// works on the one before.
package httpstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost"
)

func init() {
	open := func(_ context.Context, rawURL string) (wirepost.Store, error) {
		s, err := Open(rawURL, nil)
		if err != nil {
			return nil, err // not a nil *Store in an interface
		}
		return s, nil
	}
	wirepost.RegisterStore("http", open)
	wirepost.RegisterStore("https", open) // which Open refuses, saying why
}

// Options are optional.
type Options struct {
	// CallTimeout bounds each call, also one whose context leaves more time; a
	// listing makes a call for each page. Default 30 s.
	CallTimeout time.Duration
	// RedialTime is how long a call goes on dialling while nothing listens. Default
	// 5 s, and never longer than the call may take.
	RedialTime time.Duration
	// PageItems is how many items of a listing are asked for at once. Default and
	// maximum 1,000.
	PageItems int
	// Random gives numbers in [0,1) for the jitter of retries. Default
	// math/rand/v2; it must be safe for concurrent use.
	Random func() float64
}

// Store is a [wirepost.Store] that another process of this machine serves. All
// methods may be called concurrently.
type Store struct {
	base      string // scheme, host and prefix; no token
	o         Options
	transport *http.Transport
	client    *http.Client
	// authorize adds the token. It is in no field, so that no way of printing a
	// store shows it.
	authorize func(http.Header)
}

var _ wirepost.Store = (*Store)(nil)

// Open makes a client of the store that a URL such as
// http://:TOKEN@127.0.0.1:PORT/PREFIX names. It asks nobody: a server that is not
// there, or refuses the token, is found by the first call.
func Open(rawURL string, o *Options) (*Store, error) {
	base, token, err := parseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{base: base, transport: newTransport()}
	if o != nil {
		s.o = *o
	}
	if s.o.CallTimeout <= 0 {
		s.o.CallTimeout = 30 * time.Second
	}
	if s.o.RedialTime <= 0 {
		s.o.RedialTime = 5 * time.Second
	}
	if s.o.PageItems <= 0 || s.o.PageItems > maxItems {
		s.o.PageItems = maxItems
	}
	if s.o.Random == nil {
		s.o.Random = rand.Float64
	}
	s.client = &http.Client{
		Transport: s.transport,
		// A redirect would take the token somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.authorize = func(h http.Header) { h.Set("Authorization", "Bearer "+token) }
	return s, nil
}

// What can be wrong with a URL. No part of it is in these sentences: where it is
// malformed, any part may be the token.
const urlForm = "write http://:TOKEN@127.0.0.1:PORT"

var (
	errURLForm   = errors.New("the URL of an HTTP store is malformed; " + urlForm)
	errURLScheme = errors.New("an HTTP store is on this machine and has no TLS; " + urlForm)
	errURLHost   = errors.New("the host of an HTTP store is not this machine's loopback; " + urlForm + ", or let programs elsewhere use a dynamodb: store")
	errURLPort   = errors.New("the URL of an HTTP store has no port; " + urlForm)
	errURLToken  = errors.New("the token of an HTTP store is missing or malformed: it is the URL's password, of printable ASCII; " + urlForm)
	errURLUser   = errors.New("the URL of an HTTP store has a user name: the token belongs behind a colon; " + urlForm)
	errURLMore   = errors.New("the URL of an HTTP store has a query or a fragment, which it does not take; " + urlForm)
)

// parseURL takes the token out of a URL.
func parseURL(rawURL string) (base, token string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", "", errURLForm
	}
	port, portErr := strconv.ParseUint(u.Port(), 10, 16)
	token, _ = u.User.Password()
	switch {
	case u.Scheme == "https":
		return "", "", errURLScheme
	case u.Scheme != "http" || u.Opaque != "" || u.Host == "":
		return "", "", errURLForm
	case u.User.Username() != "":
		return "", "", errURLUser
	case token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", "", errURLToken
	case !isLoopback(u.Host):
		return "", "", errURLHost
	case portErr != nil || port == 0:
		return "", "", errURLPort
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", "", errURLMore
	}
	return "http://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), token, nil
}

// String names the server, without the token.
func (s *Store) String() string { return s.base }

// made panics if the store is not one of Open's: it has nothing to ask.
func (s *Store) made() {
	if s == nil || s.client == nil {
		panic("httpstore: this Store was not made by Open")
	}
}

// Close closes idle connections to the server, whose store stays open. Calls that
// are running go on.
func (s *Store) Close() error {
	if s == nil || s.transport == nil {
		return nil
	}
	s.transport.CloseIdleConnections()
	return nil
}

// fail says what was attempted, and where.
func (s *Store) fail(err error, what string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: store %s: %w", fmt.Sprintf(what, args...), s.base, err)
}

// unencodable says which of some strings JSON could not carry unchanged. Names
// and IDs are checked by their own rules; an API ID or a URL may have any bytes.
func unencodable(what string, texts ...string) error {
	for _, t := range texts {
		if !utf8.ValidString(t) {
			return fmt.Errorf("%w: %s %.100q is not UTF-8", wirepost.ErrInvalid, what, t)
		}
	}
	return nil
}

func checkIdentity(id wirepost.Identity) error {
	return unencodable("endpoint identity", id.APIID, id.Stage, id.Region)
}

// absent reports whether no row can have an ID.
func absent(id string) bool { return wirepost.ValidateConnectionID(id) != nil }

// Put implements [wirepost.Store].
func (s *Store) Put(ctx context.Context, c wirepost.Connection) error {
	s.made()
	if err := cmp.Or(ended(ctx, nil), c.Validate(), checkIdentity(c.Endpoint)); err != nil {
		return err
	}
	c.Marks = nil
	_, _, err := ask[none](ctx, s, "put", rowOf(c))
	return s.fail(err, "put connection %s", c.ID)
}

// Delete implements [wirepost.Store].
func (s *Store) Delete(ctx context.Context, k wirepost.ConnectionKey) (bool, error) {
	s.made()
	if err := cmp.Or(ended(ctx, nil), checkIdentity(k.Endpoint)); err != nil || absent(k.ID) {
		return false, err
	}
	removed, err := s.remove(ctx, "delete", rowKey{k.ID, k.Endpoint, moment{k.ConnectedAt}})
	return removed, s.fail(err, "delete connection %s", k.ID)
}

// Reap implements [wirepost.Store].
func (s *Store) Reap(ctx context.Context, a wirepost.Audience, l wirepost.Listed) (bool, error) {
	s.made()
	if err := cmp.Or(ended(ctx, nil), a.Validate(), checkIdentity(l.Endpoint), unencodable("cursor", string(l.Cursor))); err != nil || absent(l.ID) {
		return false, err
	}
	removed, err := s.remove(ctx, "reap", reaping{audience(a), item{l.ID, l.Endpoint, moment{l.ConnectedAt}, l.Cursor, false}})
	return removed, s.fail(err, "reap connection %s", l.ID)
}

// Connection implements [wirepost.Store].
func (s *Store) Connection(ctx context.Context, id string) (wirepost.Connection, error) {
	s.made()
	if err := ended(ctx, nil); err != nil {
		return wirepost.Connection{}, err
	}
	if absent(id) {
		return wirepost.Connection{}, wirepost.ErrNotFound
	}
	r, _, err := ask[row](ctx, s, "connection", rowID{id})
	if err != nil {
		return wirepost.Connection{}, s.fail(err, "find connection %s", id)
	}
	return r.connection(), nil
}

// Subscribe implements [wirepost.Store].
func (s *Store) Subscribe(ctx context.Context, id, topic string) error {
	s.made()
	if err := cmp.Or(ended(ctx, nil), wirepost.ValidateName(topic)); err != nil {
		return err
	}
	if absent(id) {
		return wirepost.ErrNotFound
	}
	_, _, err := ask[none](ctx, s, "subscribe", subscription{id, topic})
	return s.fail(err, "subscribe connection %s", id)
}

// Unsubscribe implements [wirepost.Store].
func (s *Store) Unsubscribe(ctx context.Context, id, topic string) error {
	s.made()
	if err := cmp.Or(ended(ctx, nil), wirepost.ValidateName(topic)); err != nil || absent(id) {
		return err
	}
	_, _, err := ask[none](ctx, s, "unsubscribe", subscription{id, topic})
	return s.fail(err, "unsubscribe connection %s", id)
}

// PutStage implements [wirepost.Store].
func (s *Store) PutStage(ctx context.Context, r wirepost.StageRecord) (wirepost.StageRecord, error) {
	s.made()
	if err := cmp.Or(ended(ctx, nil), r.Validate(), checkIdentity(r.Identity), unencodable("endpoint URL", r.URL)); err != nil {
		return wirepost.StageRecord{}, err
	}
	kept, _, err := ask[record](ctx, s, "put-stage", recordOf(r))
	if err != nil {
		return wirepost.StageRecord{}, s.fail(err, "put stage %s", r.Identity)
	}
	return kept.stage(), nil
}

// Stage implements [wirepost.Store].
func (s *Store) Stage(ctx context.Context, id wirepost.Identity) (wirepost.StageRecord, error) {
	s.made()
	if err := cmp.Or(ended(ctx, nil), checkIdentity(id)); err != nil {
		return wirepost.StageRecord{}, err
	}
	r, _, err := ask[record](ctx, s, "stage", stageID{id})
	if err != nil {
		return wirepost.StageRecord{}, s.fail(err, "find stage %s", id)
	}
	return r.stage(), nil
}

// Stages implements [wirepost.Store].
func (s *Store) Stages(ctx context.Context) ([]wirepost.StageRecord, error) {
	s.made()
	if err := ended(ctx, nil); err != nil {
		return nil, err
	}
	out, _, err := ask[records](ctx, s, "stages", none{})
	if err != nil {
		return nil, s.fail(err, "list stages")
	}
	all := make([]wirepost.StageRecord, 0, len(out.Stages))
	for _, r := range out.Stages {
		all = append(all, r.stage())
	}
	return all, nil
}

// DeleteStage implements [wirepost.Store].
func (s *Store) DeleteStage(ctx context.Context, r wirepost.StageRecord) (bool, error) {
	s.made()
	if err := cmp.Or(ended(ctx, nil), checkIdentity(r.Identity), unencodable("endpoint URL", r.URL)); err != nil {
		return false, err
	}
	removed, err := s.remove(ctx, "delete-stage", recordOf(r))
	return removed, s.fail(err, "delete stage %s", r.Identity)
}

// remove makes a call whose answer is whether it removed something.
func (s *Store) remove(ctx context.Context, method string, in any) (bool, error) {
	out, repeated, err := ask[removal](ctx, s, method, in)
	if err == nil && !out.Removed && repeated {
		return false, errors.New("it is gone; the answer to a first attempt was lost, so whether this call removed it is not known")
	}
	return out.Removed, err
}
