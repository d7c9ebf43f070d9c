package wirepost

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

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
	// again with PublishOptions.After to send to the rest. With an error and nothing
	// sent, gone or failed it may be empty: then nothing was started, and the whole is
	// left.
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

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
