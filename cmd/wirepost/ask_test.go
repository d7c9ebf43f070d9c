package main

import (
	"errors"
	"testing"

	"github.com/wirepost/wirepost"
)

func TestThreeFailuresInARowOrNothingElseIsSilence(t *testing.T) {
	refused := &wirepost.Error{Problem: wirepost.ProblemEndpointRefused}
	late := &wirepost.Error{Problem: wirepost.ProblemNoAnswer}
	denied := &wirepost.Error{Problem: wirepost.ProblemSendDenied}
	invalid := &wirepost.Error{Problem: wirepost.ProblemConnectionID}
	for _, c := range []struct {
		name   string
		said   []error
		answer string
		away   bool
	}{
		{"one that is refused", []error{refused}, "does not answer: endpoint-refused", true},
		{"three", []error{refused, refused, refused}, "does not answer: endpoint-refused", true},
		{"two and an open one", []error{refused, refused, nil}, "open 1, failed 2 (endpoint-refused)", false},
		{"an open one and two", []error{nil, refused, refused}, "open 1, failed 2 (endpoint-refused)", false},
		{"an open one and three", []error{nil, refused, refused, refused}, "open 1, failed 3 (endpoint-refused); then it does not answer: endpoint-refused", false},
		{"an ID that it never issued is an answer", []error{refused, refused, invalid, refused}, "open 0, failed 4 (1 connection-id-invalid, 3 endpoint-refused)", false},
		{"no answer proves nothing", []error{late, late, late}, "does not answer: no-answer", false},
		{"a refusal of the caller", []error{denied}, "cannot be asked: send-denied", false},
		{"gone", []error{wirepost.ErrGone, nil}, "open 1, gone 1 (kept: younger than 30 s)", false},
		{"what nobody expects", []error{errors.New("odd")}, "cannot be asked: unexpected-answer", false},
	} {
		a := &swept{connections: len(c.said)}
		for _, err := range c.said {
			a.add(&question{}, err)
		}
		a.settle()
		if a.answer() != c.answer || a.away() != c.away {
			t.Errorf("%s: %q, away %v, want %q, %v", c.name, a.answer(), a.away(), c.answer, c.away)
		}
	}
}

// Each problem is of one kind at the most.
func TestNoProblemBothProvesThatAnAPIIsAwayAndProvesNothing(t *testing.T) {
	for _, p := range wirepost.Problems() {
		if absent(p) && unheard(p) {
			t.Errorf("%s is both", p)
		}
	}
}
