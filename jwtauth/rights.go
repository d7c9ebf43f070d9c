package jwtauth

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost"
)

// Rights is what a token allows its connection:
//
//	{"subscribe": ["news", "room.*"], "publish": ["room.*", "user:bob"], "deny": {"publish": ["room.staff"]}}
//
// What is not allowed is not; what is denied is not either, whatever else allows
// it. A pattern is one of
//
//	lobby       the topic lobby; topic:lobby is the same, and the form for a topic
//	            whose name looks like one of the others
//	room.*      every topic whose name starts with "room." and goes on
//	*           every topic; in deny, everything
//	user:bob    the user bob, to publish to; user:team.* and user:* likewise
//	everyone    everyone, to publish to
//
// so that "*" allows no message to a user or to everyone: that needs to be said in
// so many words. A "*" anywhere else makes the pattern, and the token, invalid.
type Rights struct {
	Subscribe []string `json:"subscribe,omitempty"`
	Publish   []string `json:"publish,omitempty"`
	Deny      Denials  `json:"deny,omitzero"`
	// Cancel are audiences whose streams the connection may stop, besides those that its
	// user asked for: patterns as in publish.
	Cancel []string `json:"cancel,omitempty"`
	// Seen and Look are topics where the connection is seen as present, and where it may
	// look who is. Without one, it is each topic that it may subscribe to; an empty list
	// is none.
	Seen *[]string `json:"seen,omitempty"`
	Look *[]string `json:"look,omitempty"`
	// Info is what others see of who is present: JSON of 512 bytes at most.
	Info json.RawMessage `json:"info,omitempty"`
}

// Denials take from what [Rights] give.
type Denials struct {
	Subscribe []string `json:"subscribe,omitempty"`
	Publish   []string `json:"publish,omitempty"`
}

// MaySubscribe reports whether the connection may subscribe to a topic.
func (r Rights) MaySubscribe(topic string) bool {
	to := wirepost.ToTopic(topic)
	return matches(r.Subscribe, to, false) && !matches(r.Deny.Subscribe, to, true)
}

// IsSeen reports whether the connection is seen as present in a topic, and MayLook whether
// it may look who is.
func (r Rights) IsSeen(topic string) bool  { return r.present(r.Seen, topic) }
func (r Rights) MayLook(topic string) bool { return r.present(r.Look, topic) }

func (r Rights) present(patterns *[]string, topic string) bool {
	return patterns == nil || matches(*patterns, wirepost.ToTopic(topic), false)
}

// MaySend reports whether the connection may send to an audience. Nobody may send
// to a connection.
func (r Rights) MaySend(to wirepost.Audience) bool {
	return to.Kind != wirepost.KindConnection && to.Validate() == nil &&
		matches(r.Publish, to, false) && !matches(r.Deny.Publish, to, true)
}

// MayCancel reports whether the connection may stop a stream to an audience, also one that
// another connection asked for. A stream to a connection may be stopped by that one only.
func (r Rights) MayCancel(to wirepost.Audience) bool {
	return to.Kind != wirepost.KindConnection && to.Validate() == nil && matches(r.Cancel, to, false)
}

func matches(patterns []string, to wirepost.Audience, deny bool) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if p == "*" && deny {
			return true
		}
		kind, name := splitPattern(p)
		if kind != to.Kind {
			return false
		}
		if prefix, ok := strings.CutSuffix(name, "*"); ok {
			return len(to.Name) > len(prefix) && strings.HasPrefix(to.Name, prefix)
		}
		return name == to.Name
	})
}

// splitPattern says what kind of audience a pattern is about, and the rest of it.
func splitPattern(p string) (wirepost.AudienceKind, string) {
	if p == string(wirepost.KindEveryone) {
		return wirepost.KindEveryone, ""
	}
	for _, kind := range []wirepost.AudienceKind{wirepost.KindTopic, wirepost.KindUser} {
		if name, ok := strings.CutPrefix(p, string(kind)+":"); ok {
			return kind, name
		}
	}
	return wirepost.KindTopic, p
}

// checkPatterns refuses what would match less than its author meant, which in a
// denial would be more than allowed.
func checkPatterns(patterns []string, subscribe bool) error {
	for _, p := range patterns {
		kind, name := splitPattern(p)
		if subscribe && kind != wirepost.KindTopic {
			return fmt.Errorf("the pattern %q is not about topics, and nothing else can be subscribed to", clip(p))
		}
		prefix, open := strings.CutSuffix(name, "*")
		switch {
		case kind == wirepost.KindEveryone, open && prefix == "":
			continue
		case open && !strings.HasSuffix(prefix, "."), strings.Contains(prefix, "*"):
			return fmt.Errorf("the pattern %q is malformed: a * stands alone or at the end after a full stop", clip(p))
		}
		if err := wirepost.ValidateName(prefix); err != nil {
			return fmt.Errorf("the pattern %q is malformed: %w", clip(p), err)
		}
	}
	return nil
}

// rightsIn reads the claim of a token, which is an object, or the JSON text of one in a
// string: some identity providers can only give strings. An empty string is no claim.
func rightsIn(claim any) (Rights, error) {
	text, ok := claim.(string)
	if !ok {
		return rightsOf(claim)
	}
	if strings.TrimSpace(text) == "" {
		return Rights{}, nil
	}
	var inside any
	if err := json.Unmarshal([]byte(text), &inside); err != nil {
		return Rights{}, fmt.Errorf("it is a string, and not one with the JSON text of an object: %w", err)
	}
	return rightsOf(inside)
}

// rightsOf reads an object. A claim that is absent allows nothing. A member that
// is not known is refused: it may be meant as a denial.
func rightsOf(claim any) (Rights, error) {
	var r Rights
	if claim == nil {
		return r, nil
	}
	object, ok := claim.(map[string]any)
	if !ok {
		return r, fmt.Errorf("it is not an object")
	}
	text, err := json.Marshal(object)
	if err != nil {
		return r, err
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Rights{}, fmt.Errorf("it is not {\"subscribe\":[…],\"publish\":[…],\"deny\":{…}}: %w", err)
	}
	if err := (wirepost.Details{Info: r.Info}).Validate(); err != nil {
		return Rights{}, err
	}
	lists := []patternList{{r.Subscribe, true}, {r.Deny.Subscribe, true}, {r.Publish, false}, {r.Deny.Publish, false}, {r.Cancel, false}}
	for _, patterns := range []*[]string{r.Seen, r.Look} {
		if patterns != nil {
			lists = append(lists, patternList{*patterns, true})
		}
	}
	for _, list := range lists {
		if err := checkPatterns(list.patterns, list.subscribe); err != nil {
			return Rights{}, err
		}
	}
	return r, nil
}

type patternList struct {
	patterns  []string
	subscribe bool
}

// text is what is kept with the connection.
func (r Rights) text() (string, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	if len(b) > wirepost.MaxClaims {
		return "", fmt.Errorf("it has %d bytes, %d at most can be kept with a connection", len(b), wirepost.MaxClaims)
	}
	return string(b), nil
}
