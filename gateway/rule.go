package gateway

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FaultRule is one line that says what goes wrong, where and how often:
//
//	WHERE:WHAT[:KEY=VALUE,…]
//
// WHERE is connect, message or disconnect (an event, before its function), invoke
// (the function itself, for any event), post, get or delete (a management call) or
// frame-out (what is sent to a client).
//
// WHAT is
//
//	STATUS        200 to 599; what AWS answers with it (see [Fault].Status)
//	denied        403 AccessDeniedException in AWS's words
//	buffer-full   429 LimitExceededException, as for a client that does not read
//	drop          it is lost and looks like success
//	hang          no answer, until the client leaves or the time is up
//	reset-before  the TCP connection is reset before anything happens
//	reset-after   it happens, then the connection is reset instead of an answer
//	close=CODE    the WebSocket connection is closed with this code
//
// KEY is
//
//	p=0.1             how likely, from 0 to 1
//	n=3               so many times at most
//	after=5 after=2s  not for the first five, not in the first two seconds
//	for=10s           only so long from then on
//	delay=200ms       wait first
//	route=KEY         only events of this route
//	connection=ID     only this connection
//	message=TEXT      the text of the answer; it takes the rest of the line
type FaultRule struct {
	text  string
	where CallKind
	fault Fault

	p          float64
	n          int // 0: no bound
	afterCalls int
	afterTime  time.Duration
	forTime    time.Duration
	route      string
	connection string
}

// String is the rule as it was parsed.
func (r FaultRule) String() string { return r.text }

// Which WHAT has a meaning WHERE.
var (
	faultPlaces = []CallKind{CallConnect, CallMessage, CallDisconnect, CallInvoke, CallPost, CallGet, CallDelete, CallFrameOut}
	faultKinds  = []string{"denied", "buffer-full", "drop", "hang", "reset-before", "reset-after"}
)

// ParseFaultRule parses one rule, and says in one sentence what is wrong with it.
func ParseFaultRule(text string) (FaultRule, error) {
	fail := func(format string, args ...any) (FaultRule, error) {
		return FaultRule{}, fmt.Errorf("fault %q: %s", text, fmt.Sprintf(format, args...))
	}
	where, rest, ok := strings.Cut(text, ":")
	if !ok {
		return fail("write WHERE:WHAT, such as post:429:p=0.1")
	}
	r := FaultRule{text: text, where: CallKind(where), p: 1}
	if !slices.Contains(faultPlaces, r.where) {
		return fail("there is no place %q; places are %s", where, list(faultPlaces))
	}
	what, keys, _ := strings.Cut(rest, ":")
	status, statusErr := strconv.Atoi(what)
	code, isClose := strings.CutPrefix(what, "close=")
	event := r.where == CallConnect || r.where == CallMessage || r.where == CallDisconnect || r.where == CallInvoke
	switch {
	case statusErr == nil && (status < 200 || status > 599):
		return fail("%d is not a status from 200 to 599", status)
	case statusErr == nil:
		r.fault.Status = status
	case isClose:
		n, err := strconv.Atoi(code)
		if err != nil || !mayBeSent(n) {
			return fail("%q is not a close code that may be sent (1000 to 1003, 1007 to 1014, 3000 to 4999)", code)
		}
		if r.where == CallDisconnect || r.where == CallInvoke {
			return fail("there is no connection to close at %s", where)
		}
		r.fault.Close = n
	case what == "denied":
		r.fault.Status, r.fault.ErrorType = http.StatusForbidden, "AccessDeniedException"
	case what == "buffer-full":
		r.fault.Status, r.fault.ErrorType = http.StatusTooManyRequests, "LimitExceededException"
	case what == "drop":
		r.fault.Drop = true
	case what == "hang":
		r.fault.Hang = true
	case what == "reset-before":
		r.fault.ResetBefore = true
	case what == "reset-after":
		r.fault.ResetAfter = true
	default:
		return fail("%q cannot happen; a status can, and close=CODE, %s", what, list(faultKinds))
	}
	switch {
	case (what == "denied" || what == "buffer-full") && event:
		return fail("%s is what a management call or a frame-out can get, not %s", what, where)
	case r.where == CallFrameOut && r.fault.Status != 0 && what != "buffer-full":
		return fail("a frame has no status; buffer-full, drop, hang, reset-before, reset-after and close=CODE can happen to it")
	case r.where == CallDisconnect && (r.fault.Status != 0 || r.fault.ResetBefore || r.fault.ResetAfter):
		return fail("there is nobody left to see it; drop and hang can happen to a disconnect")
	case r.where == CallInvoke && (r.fault.ResetBefore || r.fault.ResetAfter):
		return fail("a function is not a connection; a status, drop and hang can happen to it")
	}
	for keys != "" {
		var pair string
		if strings.HasPrefix(keys, "message=") {
			pair, keys = keys, ""
		} else {
			pair, keys, _ = strings.Cut(keys, ",")
		}
		if err := r.set(pair); err != nil {
			return fail("%v", err)
		}
	}
	switch {
	case r.route != "" && !event:
		return fail("a %s has no route", where)
	case r.fault.Body != "" && (r.fault.Status == 0 || r.where == CallInvoke || r.where == CallFrameOut):
		return fail("message is the text of an answer, and %s at %s has none", what, where)
	}
	return r, nil
}

func (r *FaultRule) set(pair string) (err error) {
	key, value, _ := strings.Cut(pair, "=")
	if value == "" {
		return fmt.Errorf("%q: write KEY=VALUE", pair)
	}
	duration := func() (time.Duration, error) {
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("%s=%s: want a duration such as 2s", key, value)
		}
		return d, nil
	}
	count := func() (int, error) {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return 0, fmt.Errorf("%s=%s: want a number from 1", key, value)
		}
		return n, nil
	}
	switch key {
	case "p":
		if r.p, err = strconv.ParseFloat(value, 64); err != nil || !(r.p >= 0 && r.p <= 1) {
			err = fmt.Errorf("p=%s: want a number from 0 to 1", value)
		}
	case "n":
		r.n, err = count()
	case "after":
		if _, numErr := strconv.Atoi(value); numErr == nil {
			r.afterCalls, err = count()
		} else {
			r.afterTime, err = duration()
		}
	case "for":
		r.forTime, err = duration()
	case "delay":
		r.fault.Delay, err = duration()
	case "route":
		r.route = value
	case "connection":
		r.connection = value
	case "message":
		r.fault.Body = messageBody(value)
	default:
		err = fmt.Errorf("there is no key %q; keys are p, n, after, for, delay, route, connection and message", key)
	}
	return err
}

func list[T ~string](all []T) string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = string(v)
	}
	return strings.Join(out[:len(out)-1], ", ") + " and " + out[len(out)-1]
}

// Faults decides by rules what goes wrong: its Ask is a Server.Fault. Of several
// rules that apply the first wins. All methods may be called concurrently.
//
// Each rule has a stream of random numbers of its own, drawn from the seed and
// its text, and one number of it for each call: another rule does not change
// which calls it applies to, only, where it is before it, which of them it gets.
//
// The zero value has no rules and the seed 0.
type Faults struct {
	seed uint64
	now  func() time.Time // nil: time.Now

	mu    sync.Mutex
	rules []*activeRule
}

type activeRule struct {
	FaultRule
	random *rand.Rand
	since  time.Time
	calls  int
	hits   int
}

// NewFaults makes a Faults with these rules in force. now may be nil for time.Now.
func NewFaults(seed uint64, now func() time.Time, rules ...FaultRule) *Faults {
	f := &Faults{seed: seed, now: now}
	f.Set(rules)
	return f
}

func (f *Faults) clock() time.Time {
	if f.now == nil {
		return time.Now()
	}
	return f.now()
}

// Set replaces the rules. One that was in force before stays as it is, with its
// counts and its time.
func (f *Faults) Set(rules []FaultRule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.rules
	f.rules = make([]*activeRule, 0, len(rules))
	same := map[string]uint64{} // equal rules have streams of their own too
	for _, r := range rules {
		if i := slices.IndexFunc(old, func(a *activeRule) bool { return a.text == r.text }); i >= 0 {
			f.rules = append(f.rules, old[i])
			old = slices.Delete(slices.Clone(old), i, i+1)
			same[r.text]++
			continue
		}
		h := fnv.New64a()
		h.Write([]byte(r.text))
		f.rules = append(f.rules, &activeRule{FaultRule: r, random: rand.New(rand.NewPCG(f.seed, h.Sum64()+same[r.text])), since: f.clock()})
		same[r.text]++
	}
}

// FaultCount is a rule in force, and how often it was hit.
type FaultCount struct {
	Rule  string `json:"rule"`
	Calls int    `json:"calls"` // that it was held against
	Hits  int    `json:"hits"`
}

// Counts lists the rules in force.
func (f *Faults) Counts() []FaultCount {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]FaultCount, len(f.rules))
	for i, r := range f.rules {
		all[i] = FaultCount{r.text, r.calls, r.hits}
	}
	return all
}

// Ask is a Server.Fault.
func (f *Faults) Ask(c Call) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	var now time.Time
	var first *activeRule
	for _, r := range f.rules {
		if r.where != c.Kind || r.route != "" && r.route != c.RouteKey || r.connection != "" && r.connection != c.ConnectionID {
			continue
		}
		if now.IsZero() {
			now = f.clock()
		}
		// Also those after the first that applies are held against the call: else
		// which calls they hit would depend on it.
		if r.applies(now) && first == nil {
			r.hits++
			first = r
		}
	}
	if first == nil {
		return Fault{}
	}
	return first.fault
}

func (r *activeRule) applies(now time.Time) bool {
	r.calls++
	drawn := r.p == 1 || r.random.Float64() < r.p // for each call, whatever else holds
	age := max(0, now.Sub(r.since))               // a clock may be set back
	return drawn && r.calls > r.afterCalls && age >= r.afterTime && (r.forTime == 0 || age < r.afterTime+r.forTime) &&
		(r.n == 0 || r.hits < r.n)
}

// ParseFaultRules parses many, and reports every mistake.
func ParseFaultRules(texts []string) ([]FaultRule, error) {
	var rules []FaultRule
	var errs []error
	for _, text := range texts {
		r, err := ParseFaultRule(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rules = append(rules, r)
	}
	return rules, errors.Join(errs...)
}
