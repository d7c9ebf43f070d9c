package httpstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/wirepost/wirepost"
)

const (
	// firstPause and longestPause bound the waits between attempts: half of a
	// ceiling that doubles, and a random part of the other half.
	firstPause   = 25 * time.Millisecond
	longestPause = 500 * time.Millisecond
	// maxConnections bounds the connections to the server of one store.
	maxConnections = 64
)

func newTransport() *http.Transport {
	dialer := &net.Dialer{
		Timeout: 2 * time.Second,
		// A name such as localhost is what the machine's configuration says it is.
		Control: func(_, address string, _ syscall.RawConn) error {
			if a, err := netip.ParseAddrPort(address); err != nil || !a.Addr().IsLoopback() {
				return errNotLoopback
			}
			return nil
		},
	}
	return &http.Transport{
		Proxy:                  nil, // the environment's is for other machines
		DialContext:            dialer.DialContext,
		MaxIdleConns:           maxConnections,
		MaxIdleConnsPerHost:    maxConnections,
		MaxConnsPerHost:        maxConnections,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true, // both ends are on this machine
		MaxResponseHeaderBytes: 32 << 10,
	}
}

var (
	errNotLoopback = errors.New("the host's address is not this machine's loopback; use 127.0.0.1")
	errTimeUp      = errors.New("the time that the server was given is up")
)

// answered is an error that the server has told: nothing is gained by asking
// again.
type answered struct {
	text string
	is   error // what it stands for here, or nil
}

func (a *answered) Error() string { return a.text }
func (a *answered) Unwrap() error { return a.is }

// unanswered is the error of a request that may have reached the store.
type unanswered struct{ err error }

func (u *unanswered) Error() string { return "the answer was lost: " + u.err.Error() }
func (u *unanswered) Unwrap() error { return u.err }

// ask makes a call. repeated tells that an earlier attempt of it may have taken
// effect without saying so.
//
// A failed dial is repeated as long as the options say: nothing has been sent, and
// the server may be starting again. A lost answer is repeated once: the contract of
// Store lets each method be repeated, because a function's events are delivered
// twice too, and only that tells the caller how it ended. Not more often: a server
// that dies of a request should not be made to do so for half a minute.
func ask[Out any](ctx context.Context, s *Store, method string, in any) (out Out, repeated bool, err error) {
	return request[Out](ctx, s, method, in, true)
}

// tell makes a call that is not repeated once the store may have it: to do it twice is
// not to do it once.
func tell[Out any](ctx context.Context, s *Store, method string, in any) (out Out, err error) {
	out, _, err = request[Out](ctx, s, method, in, false)
	return out, err
}

func request[Out any](ctx context.Context, s *Store, method string, in any, repeatable bool) (out Out, repeated bool, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, false, err
	}
	if len(body) > maxRequest {
		return out, false, fmt.Errorf("the request has %d bytes, %d at most are allowed", len(body), maxRequest)
	}
	bounded, cancel := context.WithTimeout(ctx, s.o.CallTimeout)
	defer cancel()
	deadline, _ := bounded.Deadline()
	var refused time.Time // since when nothing has listened
	var last error
	for attempt := 0; ; attempt++ {
		err := s.attempt(bounded, method, body, &out)
		if err == nil {
			return out, repeated, nil
		}
		timeUp := errors.Is(err, errTimeUp)
		if timeUp && time.Until(deadline) < firstPause {
			<-bounded.Done() // the server's timer was a moment faster than ours
		}
		_, told := errors.AsType[*answered](err)
		switch {
		case told && !timeUp:
			return out, repeated, err
		case ctx.Err() != nil:
			return out, repeated, ended(ctx, last)
		case bounded.Err() != nil:
			return out, repeated, fmt.Errorf("there is no answer within %v; the server or its store hangs, or is too slow", s.o.CallTimeout)
		case told:
			return out, repeated, err
		}
		pause := time.Duration((0.5 + s.o.Random()/2) * float64(min(firstPause<<min(attempt, 10), longestPause)))
		_, lost := errors.AsType[*unanswered](err)
		if !lost && refused.IsZero() {
			refused = time.Now()
		}
		switch {
		case lost && (repeated || !repeatable), !lost && time.Since(refused)+pause > s.o.RedialTime, time.Until(deadline) <= pause:
			return out, repeated, err
		case lost:
			repeated = true
			s.transport.CloseIdleConnections() // those to the same dead server
		}
		last = err
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return out, repeated, ended(ctx, last)
		}
	}
}

// attempt makes one request. Its error is an *answered, an *unanswered, or that
// of a dial that failed.
func (s *Store) attempt(ctx context.Context, method string, body []byte, out any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/v1/"+method, bytes.NewReader(body))
	if err != nil {
		return &answered{text: "the request cannot be made"} // the URL was checked
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(versionHeader, protocolVersion)
	if deadline, ok := ctx.Deadline(); ok {
		r.Header.Set(timeoutHeader, strconv.FormatInt(max(time.Until(deadline).Milliseconds(), 1), 10))
	}
	s.authorize(r.Header)
	resp, err := s.client.Do(r)
	if err != nil {
		return explain(err)
	}
	defer resp.Body.Close()
	if v := resp.Header.Get(versionHeader); v == "" {
		return &answered{text: fmt.Sprintf("what answers there (%.60s) is not the store of wirepost dev; check host, port and path of the store's URL", resp.Status)}
	} else if v != protocolVersion {
		return &answered{text: versionProblem(protocolVersion, v).Error()}
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return &unanswered{err}
	case len(b) > maxAnswer:
		return &answered{text: fmt.Sprintf("the answer has more than %d bytes", maxAnswer)}
	case resp.StatusCode == http.StatusOK:
		if err := json.Unmarshal(b, out); err != nil {
			return &answered{text: fmt.Sprintf("the answer cannot be read: %v", err)}
		}
		return nil
	}
	var p problem
	if err := json.Unmarshal(b, &p); err != nil || p.Error == "" {
		return &answered{text: fmt.Sprintf("the server answered %.60s and does not say why", resp.Status)}
	}
	switch p.Code {
	case codeNotFound:
		return &answered{p.Error, wirepost.ErrNotFound}
	case codeMoved:
		return &answered{p.Error, wirepost.ErrMoved}
	case codeUnknown:
		return &answered{p.Error, wirepost.ErrUnknown}
	case codeSuperseded:
		return &answered{p.Error, wirepost.ErrSuperseded}
	case codeNotSupported:
		return &answered{p.Error, wirepost.ErrNotSupported}
	case codeInvalid:
		if resp.StatusCode == http.StatusBadRequest {
			return &answered{p.Error, wirepost.ErrInvalid}
		}
	case codeDeadline:
		return &answered{"the call has taken longer than the server allows: " + p.Error, errTimeUp}
	case codeCanceled:
		// We still wait, so it is the server that ends; the next one may answer.
		return &unanswered{errors.New(p.Error)}
	}
	if resp.StatusCode == http.StatusUnauthorized {
		p.Error += "; use the URL that wirepost dev gives to its functions, which changes when it starts again"
	}
	return &answered{text: p.Error}
}

// explain tells a failed dial from a lost answer. The URL is left out of the
// error: the caller has it.
func explain(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	op, ok := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, errNotLoopback):
		return &answered{text: errNotLoopback.Error()}
	case !ok || op.Op != "dial":
		return &unanswered{err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens there; start wirepost dev: %w", err)
	}
	return err
}

// ended is the error of a context that has ended, with its cause and with what was
// wrong until then; nil if it has not ended.
func ended(ctx context.Context, last error) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); !errors.Is(cause, err) && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	if last != nil {
		return fmt.Errorf("%w; until then: %w", err, last)
	}
	return err
}
