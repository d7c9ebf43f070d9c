package wirepost

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// Outcome is the result of one post.
type Outcome struct {
	ConnectionID string
	Endpoint     Identity
	// Err is nil if the post was accepted, [ErrGone] if the connection has ended,
	// an [*Error] otherwise.
	Err error
	// Removed tells that the row of a gone connection was removed.
	Removed bool
	// Kept says why the row of a gone connection was not removed; empty if it was, or
	// if there was none.
	Kept KeptReason
}

// A KeptReason says why the row of a connection that answered 410 was not removed. It
// is a stable kebab-case code, as a [Problem] is.
type KeptReason string

// The reasons.
const (
	// KeptTooYoung is a connection younger than 30 s: its $connect function may still
	// be running, and until that has returned a live connection answers 410 too.
	KeptTooYoung KeptReason = "too-young"
	// KeptAgeUnknown is a row without the time at which its connection began.
	KeptAgeUnknown KeptReason = "age-unknown"
	// KeptNoDate is an answer without a Date header, so that the connection's age by the
	// gateway's clock is not known.
	KeptNoDate KeptReason = "no-date"
	// KeptStoreFailed is a row that the store failed to remove.
	KeptStoreFailed KeptReason = "store-failed"
)

// Sentence says the reason in words, without a full stop. Of a code that is not one of
// this package's it is the code.
func (r KeptReason) Sentence() string {
	switch r {
	case KeptTooYoung:
		return "younger than 30 s"
	case KeptAgeUnknown:
		return "the store does not know its age"
	case KeptNoDate:
		return "the answer has no date"
	case KeptStoreFailed:
		return "the store did not answer"
	}
	return string(r)
}

// Result counts the outcomes of a publish. Its JSON has the counts and Next: what a
// function may answer, or a service. It leaves out FirstMissed and Errors, which name
// connections and say what endpoints answered.
type Result struct {
	Sent    int `json:"sent"`    // accepted by API Gateway
	Gone    int `json:"gone"`    // connections that had ended
	Removed int `json:"removed"` // rows of gone connections that were removed
	Failed  int `json:"failed"`  // posts that failed; Problems says why
	// NotDelivered counts the failures after which the message certainly did not
	// arrive ([Error.NotDelivered]), completely. After the others it may have.
	NotDelivered int `json:"notDelivered,omitempty"`
	// Missed counts the failures that a repeat may mend without giving the message to
	// anybody twice, completely: those that NotDelivered counts, less the ones that are
	// the connection's own fault (throttled to the end while the rest of its stage was
	// not, or a connection ID that API Gateway refuses). With AtLeastOnce it also has
	// those that may have arrived. [Job.Left] makes jobs of them.
	Missed int `json:"missed,omitempty"`
	// FirstMissed has the first 100 of the failures that Missed counts.
	FirstMissed []Outcome `json:"-"`
	// Problems counts the failures by what explains them, completely.
	Problems map[Problem]int `json:"problems,omitempty"`
	// Kept counts gone connections whose rows stayed, by reason.
	Kept map[KeptReason]int `json:"kept,omitempty"`
	// Errors has the first 100 failures.
	Errors []error `json:"-"`
	// Next is where to go on if the publish ended before every post was started, for
	// want of time or because the audience could not be read to its end: the same
	// publish with [PublishOptions].After set to it sends to the others, and to nobody
	// twice. It is empty if every post was started. If Publish returned an error and
	// Sent, Gone and Failed are 0, it may be empty, too: then nothing was sent, and
	// the publish is to be done again as it was.
	Next Cursor `json:"next,omitempty"`
	// Position is that of a message that was kept, also with an error. The rest of such
	// a publish sends Position.Framed(data), with Next and without Keep.
	Position Position `json:"position,omitzero"`
	// Repeated says that the message was in the log before: see [PublishOptions].Again.
	Repeated bool `json:"repeated,omitempty"`
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
		reasons := slices.SortedFunc(maps.Keys(r.Kept), func(a, b KeptReason) int { return strings.Compare(a.Sentence(), b.Sentence()) })
		for _, reason := range reasons {
			if n := r.Kept[reason]; n == r.Gone {
				notes = append(notes, "kept: "+reason.Sentence())
			} else {
				notes = append(notes, fmt.Sprintf("%d kept: %s", n, reason.Sentence()))
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

// LogValue is a group with the names of the JSON: the counts that are not zero, always
// sent, the problems, and whether the publish was finished.
func (r Result) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Int("sent", r.Sent)}
	for _, count := range [...]struct {
		name string
		n    int
	}{{"gone", r.Gone}, {"removed", r.Removed}, {"failed", r.Failed}, {"notDelivered", r.NotDelivered}, {"missed", r.Missed}} {
		if count.n != 0 {
			attrs = append(attrs, slog.Int(count.name, count.n))
		}
	}
	attrs = append(attrs, counts("problems", r.Problems)...)
	attrs = append(attrs, counts("kept", r.Kept)...)
	if r.Next != "" {
		attrs = append(attrs, slog.Bool("finished", false))
	}
	return slog.GroupValue(attrs...)
}

// counts is a group of the counts of each code; nil if there is none.
func counts[K ~string](name string, of map[K]int) []slog.Attr {
	if len(of) == 0 {
		return nil
	}
	var attrs []any
	for _, code := range sortedKeys(of) {
		attrs = append(attrs, slog.Int(string(code), of[code]))
	}
	return []slog.Attr{slog.Group(name, attrs...)}
}

// Err is nil if nothing failed and the publish was finished. Otherwise it is one error
// that says how many posts failed by which problem, and its chain has the first 100
// failures. Connections that were gone are no failure.
func (r Result) Err() error {
	if r.Failed == 0 && r.Next == "" {
		return nil
	}
	return &resultError{r}
}

type resultError struct{ r Result }

func (e *resultError) Error() string {
	r := e.r
	var b strings.Builder
	if r.Failed > 0 {
		fmt.Fprintf(&b, "%d of %d posts failed (", r.Failed, r.Sent+r.Gone+r.Failed)
		for i, p := range sortedKeys(r.Problems) {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%d %s", r.Problems[p], p)
		}
		fmt.Fprintf(&b, "), %d of them certainly without delivering", r.NotDelivered)
	}
	if r.Next != "" {
		if r.Failed > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "the publish was not finished: it ended after %d posts", r.Sent+r.Gone+r.Failed)
	}
	return b.String()
}

// Unwrap gives the failures that the result has kept.
func (e *resultError) Unwrap() []error { return e.r.Errors }

// maxErrors is how many failures a Result keeps, and how many of the missed.
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
				r.Kept = map[KeptReason]int{}
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
		if notDeliveredBy(o.Err) {
			r.NotDelivered++
		}
	}
}

// notDeliveredBy is [Error.NotDelivered] of any error.
func notDeliveredBy(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.NotDelivered()
}

// miss counts failures that are worth a repeat, of which some are known.
func (r *Result) miss(n int, known ...Outcome) {
	r.Missed += n
	r.FirstMissed = append(r.FirstMissed, known[:min(len(known), maxErrors-len(r.FirstMissed))]...)
}

// tally is a result that is still being counted. Of a throttled connection only the
// whole says whether that is its own fault or its stage's.
type tally struct {
	Result
	atLeastOnce bool
	stages      map[Identity]*stageTally
}

// stageTally is what a publish has posted to one stage.
type stageTally struct {
	accepted  int
	throttled int
	first     []Outcome // of the throttled
}

func (t *tally) add(o Outcome) {
	t.Result.add(o)
	s := t.stages[o.Endpoint]
	if s == nil {
		if t.stages == nil {
			t.stages = map[Identity]*stageTally{}
		}
		s = &stageTally{}
		t.stages[o.Endpoint] = s
	}
	switch problem := ProblemOf(o.Err); {
	case o.Err == nil:
		s.accepted++
	case errors.Is(o.Err, ErrGone), problem == ProblemConnectionID:
	case problem == ProblemThrottled:
		s.throttled++
		if len(s.first) < maxErrors {
			s.first = append(s.first, o)
		}
	case t.atLeastOnce || notDeliveredBy(o.Err):
		t.miss(1, o)
	}
}

// end is the result. A stage is throttled as a whole by the rule that slows a publish
// down ([pace.answered]), or if several connections were throttled and none was
// accepted; fewer are clients that do not read.
func (t *tally) end() Result {
	for _, s := range t.stages {
		sample := float64(s.accepted + s.throttled)
		whole := s.throttled >= throttledConnections && float64(s.throttled) >= throttledPart*sample
		if whole || s.throttled > 1 && s.accepted == 0 {
			t.miss(s.throttled, s.first...)
		}
	}
	return t.Result
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
