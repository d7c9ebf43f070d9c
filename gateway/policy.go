package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// policy is an IAM policy document, as far as one that an authorizer returns goes.
type policy struct{ Statement []statement }

type statement struct {
	Effect                                   string
	Action, NotAction, Resource, NotResource []string
	conditional                              bool
}

// parsePolicy reads an object that is valid JSON.
func parsePolicy(object []byte) (*policy, error) {
	p := &policy{}
	value, found := memberFold(object, "Statement")
	switch {
	case !found || value[0] == 'n':
		return p, nil
	case value[0] == '{':
		s, err := parseStatement(value)
		if err != nil {
			return nil, fmt.Errorf("the statement: %w", err)
		}
		p.Statement = []statement{s}
		return p, nil
	case value[0] != '[':
		return nil, fmt.Errorf("its Statement is %s; it has to be a list of statements", kindOf(value))
	}
	var err error
	eachElement(value, func(v []byte) {
		if err != nil {
			return
		}
		n := len(p.Statement) + 1
		if v[0] != '{' {
			err = fmt.Errorf("statement %d is %s; it has to be an object with Effect, Action and Resource", n, kindOf(v))
			return
		}
		s, wrong := parseStatement(v)
		if wrong != nil {
			err = fmt.Errorf("statement %d: %w", n, wrong)
		}
		p.Statement = append(p.Statement, s)
	})
	return p, err
}

func parseStatement(object []byte) (s statement, err error) {
	if value, found := memberFold(object, "Effect"); found && value[0] != 'n' {
		if value[0] != '"' {
			return s, fmt.Errorf("its Effect is %s; it has to be Allow or Deny", kindOf(value))
		}
		s.Effect = string(appendText(nil, value))
	}
	for _, list := range []struct {
		name string
		into *[]string
	}{{"Action", &s.Action}, {"NotAction", &s.NotAction}, {"Resource", &s.Resource}, {"NotResource", &s.NotResource}} {
		value, found := memberFold(object, list.name)
		if !found || value[0] == 'n' {
			continue
		}
		if *list.into, err = textsOf(value); err != nil {
			return s, fmt.Errorf("%s %w", list.name, err)
		}
	}
	condition, found := memberFold(object, "Condition")
	s.conditional = found && condition[0] != 'n' && !(condition[0] == '{' && skipSpace(condition[1:])[0] == '}')
	return s, nil
}

// textsOf is a string or a list of them.
func textsOf(value []byte) (texts []string, err error) {
	add := func(v []byte) {
		if v[0] == '"' {
			texts = append(texts, string(appendText(nil, v)))
		} else if err == nil {
			err = fmt.Errorf("has %s in it; it has to be a string or a list of strings", kindOf(v))
		}
	}
	if value[0] == '[' {
		eachElement(value, add)
	} else {
		add(value)
	}
	return texts, err
}

// verdict is what a policy says of an action.
type verdict int

const (
	unmentioned verdict = iota // an implicit deny
	allowed
	denied
)

// judge evaluates as IAM does: an explicit deny wins, else one allow is needed
// (AWS, IAM user guide, "Policy evaluation logic").
func (p policy) judge(action, resource string) (said verdict, err error) {
	for i, s := range p.Statement {
		switch {
		case s.Effect != "Allow" && s.Effect != "Deny":
			return unmentioned, fmt.Errorf("statement %d has the effect %s; it has to be Allow or Deny", i+1, quoted(s.Effect))
		case len(s.Action) == 0 && len(s.NotAction) == 0:
			return unmentioned, fmt.Errorf("statement %d has no Action", i+1)
		case len(s.Resource) == 0 && len(s.NotResource) == 0:
			return unmentioned, fmt.Errorf("statement %d has no Resource", i+1)
		case s.conditional:
			return unmentioned, fmt.Errorf("statement %d has a Condition, which is not emulated", i+1)
		}
		if !s.matchesAction(action) || !s.matchesResource(resource) {
			continue
		}
		if s.Effect == "Deny" {
			said = denied
		} else if said == unmentioned {
			said = allowed
		}
	}
	return said, nil
}

// matchesAction does not know case, as IAM.
func (s *statement) matchesAction(action string) bool {
	return matches(s.Action, s.NotAction, func(pattern string) bool { return wildcard(strings.ToLower(pattern), strings.ToLower(action)) })
}

func (s *statement) matchesResource(resource string) bool {
	return matches(s.Resource, s.NotResource, func(pattern string) bool { return wildcard(pattern, resource) })
}

func matches(patterns, not []string, like func(string) bool) bool {
	return slices.ContainsFunc(patterns, like) || len(not) > 0 && !slices.ContainsFunc(not, like)
}

// whyDenied says which ARN an authorizer's policy had to allow, and what each of its
// statements says instead.
func whyDenied(result []byte, said verdict, arn string) string {
	const action = "execute-api:Invoke"
	object, wrong := objectOf(result, "")
	if wrong != "" {
		return wrong // not reached: the result has been read
	}
	p, err := policyIn(object)
	if err != nil {
		return err.Error() // neither
	}
	if said == denied {
		for i, s := range p.Statement {
			if s.Effect == "Deny" && s.matchesAction(action) && s.matchesResource(arn) {
				return fmt.Sprintf("statement %d denies %s on %s (%s)", i+1, action, arn, s.names())
			}
		}
	}
	out := "no statement allows " + action + " on " + arn + " ("
	for i, s := range p.Statement {
		if i > 0 {
			out += "; "
		}
		if i == maxStatements {
			out += fmt.Sprintf("and %d more", len(p.Statement)-i)
			break
		}
		out += fmt.Sprintf("statement %d: ", i+1)
		switch {
		case s.Effect == "Deny":
			out += "a Deny of "
		case !s.matchesAction(action):
			out += "the action " + clipped(strings.Join(append(slices.Clone(s.Action), s.NotAction...), ", "), maxDetail) + " of "
		}
		out += s.names()
	}
	out += ")"
	if slices.ContainsFunc(p.Statement, func(s statement) bool { return slices.ContainsFunc(s.Resource, isOfREST) }) {
		out += "; the ARN of a WebSocket route ends in STAGE/ROUTE, without a method"
	}
	return out
}

// maxStatements is how many statements of a policy a reason names.
const maxStatements = 4

// names are a statement's resources.
func (s *statement) names() string {
	if len(s.Resource) == 0 {
		return "all but " + clipped(strings.Join(s.NotResource, ", "), maxDetail)
	}
	return clipped(strings.Join(s.Resource, ", "), maxDetail)
}

// isOfREST reports whether a resource has a method, and a path, after its stage.
func isOfREST(resource string) bool {
	parts := strings.SplitN(resource, ":", 6)
	return len(parts) == 6 && strings.Count(parts[5], "/") > 2
}

// wildcard matches with * for anything and ? for one character.
func wildcard(pattern, name string) bool {
	// The last * tried takes one more each time what follows does not fit.
	p, n, star, mark := 0, 0, -1, 0
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
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
