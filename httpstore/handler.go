package httpstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
)

// HandlerOptions say who may use the store, and how much at once. Only Token is
// required.
type HandlerOptions struct {
	// Token is what every request must carry. It has to be as hard to guess as a
	// password: crypto/rand.Text makes one. Without a token every request is
	// refused.
	Token string
	// PageItems is how many items of a listing one answer has at most. Default and
	// maximum 1,000.
	PageItems int
	// MaxTime bounds each call, whatever time the caller gives. Default 1 minute.
	MaxTime time.Duration
	// Logger gets the requests that were refused, by their reason: 20 a second at
	// most, and the count of others. Default: discarded.
	Logger *slog.Logger
}

// bodyTimeout is how long a request's body may take, and how long its answer: those of
// a client of this package take no time.
const bodyTimeout = 30 * time.Second

// discardTime is what a request that is refused has to come to its end, so that its
// client sees the answer and no reset.
const discardTime = 5 * time.Second

// handler serves a store.
type handler struct {
	store wirepost.Store
	o     HandlerOptions
	token [sha256.Size]byte

	mu      sync.Mutex
	second  time.Time // in which refusals are counted
	refused int
	untold  int // that were not logged
}

// NewHandler serves a store to the clients of this package. It never closes the
// store, and keeps nothing of a call that has been answered: a listing is asked
// for page by page.
//
// A request is refused unless it has the token and a Host that is this machine's
// loopback, and if it has a header that only browsers set: a page that somebody
// visits can reach loopback addresses, also under a name of its own
// (DNS rebinding). Bodies are bounded to 4 MiB and to 30 s, and answers to 30 s. A call
// ends when its caller has gone away, or the time that the caller gave is up.
//
// The handler takes paths that begin with /v1/; use [http.StripPrefix] to serve it
// elsewhere. It may be called concurrently, as often as the store allows. It panics if
// the store is nil.
func NewHandler(store wirepost.Store, o *HandlerOptions) http.Handler {
	if v := reflect.ValueOf(store); store == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		panic("httpstore.NewHandler: the store is nil")
	}
	h := &handler{store: store}
	if o != nil {
		h.o = *o
	}
	if h.o.PageItems <= 0 || h.o.PageItems > maxItems {
		h.o.PageItems = maxItems
	}
	if h.o.MaxTime <= 0 {
		h.o.MaxTime = time.Minute
	}
	if h.o.Logger == nil {
		h.o.Logger = slog.New(slog.DiscardHandler)
	}
	h.token = sha256.Sum256([]byte(h.o.Token))
	return h
}

// refusal is a problem with the request itself.
type refusal struct {
	status int
	code   string
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }

func refuse(status int, code, format string, args ...any) error {
	return &refusal{status, code, fmt.Errorf(format, args...)}
}

// invalid marks what is wrong with a request's contents.
func invalid(err error) error {
	if err == nil {
		return nil
	}
	return &refusal{http.StatusBadRequest, codeInvalid, err}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(versionHeader, protocolVersion)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.ContentLength != 0 {
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // until net/http has read its end
	}
	if err := h.admit(r); err != nil {
		h.noteRefusal(err)
		w.Header().Set("Connection", "close") // its body is not worth reading
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(discardTime))
		h.answer(r.Context(), w, nil, err)
		return
	}
	f := methods[r.URL.Path]
	if f == nil {
		f = logMethods[r.URL.Path]
	}
	if f == nil {
		f = presenceMethods[r.URL.Path]
	}
	switch {
	case f == nil:
		h.answer(r.Context(), w, nil, refuse(http.StatusNotFound, codeInvalid, "the store has no call %.100q", r.URL.Path))
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		h.answer(r.Context(), w, nil, refuse(http.StatusMethodNotAllowed, codeInvalid, "calls of the store are POST requests"))
		return
	}
	limit, err := h.timeLimit(r)
	if err != nil {
		h.answer(r.Context(), w, nil, err)
		return
	}
	// The request's context ends when the client closes the connection, which is
	// what a client does that no longer waits.
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			err = refuse(http.StatusRequestEntityTooLarge, codeInvalid, "the request is larger than %d bytes", maxRequest)
		} else {
			err = invalid(fmt.Errorf("the request ends too soon: %w", err))
		}
		h.answer(ctx, w, nil, err)
		return
	}
	out, err := f(ctx, h, body)
	h.answer(ctx, w, out, err)
}

// maxRefusals is how many refusals are logged in a second: any page can ask.
const maxRefusals = 20

// noteRefusal logs a refusal, or counts it for the next one that is logged.
func (h *handler) noteRefusal(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.Sub(h.second) >= time.Second {
		h.second, h.refused = now, 0
	}
	if h.refused++; h.refused > maxRefusals {
		h.untold++
		return
	}
	attributes := []any{"reason", err}
	if h.untold > 0 {
		attributes = append(attributes, "notLogged", h.untold)
		h.untold = 0
	}
	h.o.Logger.Warn("a request to the store was refused", attributes...)
}

// admit says why a request is not one of a client of this package that was given
// the token.
func (h *handler) admit(r *http.Request) error {
	if !isLoopback(r.Host) {
		return refuse(http.StatusForbidden, codeRefused, "the request's Host is not this machine; use 127.0.0.1")
	}
	if _, ok := r.Header["Origin"]; ok {
		return refuse(http.StatusForbidden, codeRefused, "requests from browsers are refused")
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "Sec-Fetch-") {
			return refuse(http.StatusForbidden, codeRefused, "requests from browsers are refused")
		}
	}
	// Sums are compared so that the time does not tell the length either.
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(given))
	if same := subtle.ConstantTimeCompare(sum[:], h.token[:]) == 1; !same || h.o.Token == "" || !strings.EqualFold(scheme, "Bearer") {
		return refuse(http.StatusUnauthorized, codeRefused, "the token is missing or wrong")
	}
	if v := r.Header.Get(versionHeader); v != protocolVersion {
		return &refusal{http.StatusBadRequest, codeRefused, versionProblem(v, protocolVersion)}
	}
	return nil
}

// isLoopback reports whether a host, with or without a port, is this machine's
// loopback, as far as a name can tell.
func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && a.IsLoopback()
}

func (h *handler) timeLimit(r *http.Request) (time.Duration, error) {
	given := r.Header.Get(timeoutHeader)
	if given == "" {
		return h.o.MaxTime, nil
	}
	ms, err := strconv.ParseInt(given, 10, 64)
	if err != nil || ms < 1 {
		return 0, invalid(fmt.Errorf("the header %s is %.40q, not a number of milliseconds", timeoutHeader, given))
	}
	if ms > h.o.MaxTime.Milliseconds() {
		return h.o.MaxTime, nil
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// answer writes the result of a call, or what went wrong.
func (h *handler) answer(ctx context.Context, w http.ResponseWriter, out any, err error) {
	status := http.StatusOK
	if err != nil {
		p := problem{Error: err.Error()}
		refused, isRefusal := errors.AsType[*refusal](err)
		switch {
		case isRefusal:
			status, p.Code = refused.status, refused.code
		case errors.Is(err, wirepost.ErrNotFound):
			status, p.Code = http.StatusNotFound, codeNotFound
		case errors.Is(err, wirepost.ErrMoved):
			status, p.Code = http.StatusConflict, codeMoved
		case errors.Is(err, wirepost.ErrUnknown):
			status, p.Code = http.StatusInternalServerError, codeUnknown
		case errors.Is(err, wirepost.ErrSuperseded):
			status, p.Code = http.StatusConflict, codeSuperseded
		case errors.Is(err, wirepost.ErrNotSupported):
			status, p.Code = http.StatusNotImplemented, codeNotSupported
		case errors.Is(err, wirepost.ErrInvalid): // of which the driver alone can tell, such as a cursor
			status, p.Code = http.StatusBadRequest, codeInvalid
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			status, p.Code = http.StatusGatewayTimeout, codeDeadline
		case ctx.Err() != nil:
			status, p.Code = http.StatusServiceUnavailable, codeCanceled
		default:
			status, p.Code = http.StatusInternalServerError, codeStore
		}
		out = p
	}
	b, err := json.Marshal(out)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON","code":"store"}`)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(bodyTimeout))
	w.WriteHeader(status)
	w.Write(b) // who is gone needs no answer
}

// method runs one method of the contract on the body of a request.
type method func(ctx context.Context, h *handler, body []byte) (any, error)

// call makes a method of a function, whose argument it reads from the body.
func call[In, Out any](f func(context.Context, *handler, In) (Out, error)) method {
	return func(ctx context.Context, h *handler, body []byte) (any, error) {
		var in In
		if err := decode(body, &in); err != nil {
			return nil, invalid(err)
		}
		return f(ctx, h, in)
	}
}

// methods are checked here before the store is asked, because a store's error
// does not tell what was malformed from what has failed.
var methods = map[string]method{
	"/v1/put": call(func(ctx context.Context, h *handler, in row) (none, error) {
		c := in.connection()
		if err := c.Validate(); err != nil {
			return none{}, invalid(err)
		}
		return none{}, h.store.Put(ctx, c)
	}),
	"/v1/delete": call(func(ctx context.Context, h *handler, in rowKey) (removal, error) {
		removed, err := h.store.Delete(ctx, wirepost.ConnectionKey{ID: in.ID, Endpoint: in.Endpoint, ConnectedAt: in.ConnectedAt.Time})
		return removal{removed}, err
	}),
	"/v1/reap": call(func(ctx context.Context, h *handler, in reaping) (removal, error) {
		a := wirepost.Audience(in.Audience)
		if err := a.Validate(); err != nil {
			return removal{}, invalid(err)
		}
		removed, err := h.store.Reap(ctx, a, in.Listed.listed())
		return removal{removed}, err
	}),
	"/v1/connection": call(func(ctx context.Context, h *handler, in rowID) (row, error) {
		c, err := h.store.Connection(ctx, in.ID)
		return rowOf(c), err
	}),
	"/v1/subscribe": call(func(ctx context.Context, h *handler, in subscription) (none, error) {
		if err := wirepost.ValidateName(in.Topic); err != nil {
			return none{}, invalid(err)
		}
		return none{}, h.store.Subscribe(ctx, in.ID, in.Topic)
	}),
	"/v1/unsubscribe": call(func(ctx context.Context, h *handler, in subscription) (none, error) {
		if err := wirepost.ValidateName(in.Topic); err != nil {
			return none{}, invalid(err)
		}
		return none{}, h.store.Unsubscribe(ctx, in.ID, in.Topic)
	}),
	"/v1/connections": call(func(ctx context.Context, h *handler, in pageQuery) (page, error) { return h.page(ctx, in) }),
	"/v1/put-stage": call(func(ctx context.Context, h *handler, in record) (record, error) {
		r := in.stage()
		if err := r.Validate(); err != nil {
			return record{}, invalid(err)
		}
		kept, err := h.store.PutStage(ctx, r)
		return recordOf(kept), err
	}),
	"/v1/stage": call(func(ctx context.Context, h *handler, in stageID) (record, error) {
		r, err := h.store.Stage(ctx, in.Endpoint)
		return recordOf(r), err
	}),
	"/v1/stages": call(func(ctx context.Context, h *handler, _ none) (records, error) {
		all, err := h.store.Stages(ctx)
		out := records{make([]record, 0, len(all))}
		for _, r := range all {
			out.Stages = append(out.Stages, recordOf(r))
		}
		return out, err
	}),
	"/v1/delete-stage": call(func(ctx context.Context, h *handler, in record) (removal, error) {
		removed, err := h.store.DeleteStage(ctx, in.stage())
		return removal{removed}, err
	}),
}

// page reads the next items of a listing. The listing is broken off behind the
// last of them, and another one continues it: the contract makes that the same.
func (h *handler) page(ctx context.Context, q pageQuery) (page, error) {
	a, o := wirepost.Audience(q.Audience), wirepost.ListOptions{After: q.After, Part: q.Part, Parts: q.Parts}
	if err := cmp.Or(a.Validate(), o.Validate()); err != nil {
		return page{}, invalid(err)
	}
	limit := h.o.PageItems
	switch {
	case q.Limit < 0:
		return page{}, invalid(fmt.Errorf("the limit is %d items", q.Limit))
	case q.Limit > 0:
		limit = min(limit, q.Limit)
	}
	p := page{Items: make([]item, 0, min(limit, 64))}
	for l, err := range h.store.Connections(ctx, a, o) {
		if err != nil {
			if len(p.Items) > 0 {
				// What was listed is given. Who asks for more meets the error, or finds
				// that it has passed.
				p.More = true
				return p, nil
			}
			return page{}, err
		}
		if p.Items = append(p.Items, itemOf(l)); len(p.Items) == limit {
			p.More = true
			break
		}
	}
	return p, nil
}
