package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// policy is an IAM policy document, as far as one that an authorizer returns goes.
type policy struct {
	Statement statements
}

type statements []statement

type statement struct {
	Effect      string
	Action      texts
	NotAction   texts
	Resource    texts
	NotResource texts
	Condition   json.RawMessage
}

// texts is a string or a list of them.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(b []byte) error { return oneOrMore(b, (*[]string)(t)) }

// UnmarshalJSON implements json.Unmarshaler.
func (s *statements) UnmarshalJSON(b []byte) error { return oneOrMore(b, (*[]statement)(s)) }

// oneOrMore reads a list, or a single element of one.
func oneOrMore[E any](b []byte, into *[]E) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, into)
	}
	var single E
	if err := json.Unmarshal(b, &single); err != nil || string(b) == "null" {
		return err
	}
	*into = []E{single}
	return nil
}

// verdict is what a policy says of an action.
type verdict uint8

const (
	unmentioned verdict = iota // an implicit deny
	allowed
	deniedByPolicy
)

// judge evaluates as IAM does: an explicit deny wins, else one allow is needed
// (AWS, IAM user guide, "Policy evaluation logic"). Conditions are not evaluated: a
// policy with one is an error.
func (p policy) judge(action, resource string) (said verdict, err error) {
	if len(p.Statement) == 0 {
		return said, errors.New("policyDocument has no Statement")
	}
	for i, s := range p.Statement {
		condition := strings.TrimSpace(string(s.Condition))
		switch {
		case s.Effect != "Allow" && s.Effect != "Deny":
			return said, fmt.Errorf("statement %d of policyDocument has the effect %.40q; it has to be Allow or Deny", i+1, s.Effect)
		case len(s.Action)+len(s.NotAction) == 0:
			return said, fmt.Errorf("statement %d of policyDocument has no Action", i+1)
		case len(s.Resource)+len(s.NotResource) == 0:
			return said, fmt.Errorf("statement %d of policyDocument has no Resource", i+1)
		case condition != "" && condition != "null" && condition != "{}":
			return said, fmt.Errorf("statement %d of policyDocument has a Condition, which is not evaluated here", i+1)
		}
		if !s.matches(action, resource) {
			continue
		}
		if s.Effect == "Deny" {
			said = deniedByPolicy
		} else if said == unmentioned {
			said = allowed
		}
	}
	return said, nil
}

// matches reports whether a statement is about an action on a resource. Case does not
// matter in an action, as in IAM.
func (s *statement) matches(action, resource string) bool {
	return fits(s.Action, s.NotAction, func(p string) bool { return wildcard(strings.ToLower(p), strings.ToLower(action)) }) &&
		fits(s.Resource, s.NotResource, func(p string) bool { return wildcard(p, resource) })
}

func fits(patterns, not []string, like func(string) bool) bool {
	return slices.ContainsFunc(patterns, like) || len(not) > 0 && !slices.ContainsFunc(not, like)
}

// wildcard matches with * for anything and ? for one character.
func wildcard(pattern, name string) bool {
	p, n, star, mark := 0, 0, -1, 0 // the last * takes one more each time what follows does not fit
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
