package wirepost

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// AudienceKind says what the name of an [Audience] is the name of.
type AudienceKind string

// The kinds of audience.
const (
	KindConnection AudienceKind = "connection"
	KindUser       AudienceKind = "user"
	KindTopic      AudienceKind = "topic"
	KindEveryone   AudienceKind = "everyone"
)

// Audience is who gets a message. It is a value: it can be compared, is a map
// key, and its text form ("user:alice") can be stored and read again. The zero
// value is nobody and is refused.
type Audience struct {
	Kind AudienceKind
	Name string // empty for everyone
}

// ToConnection is one connection.
func ToConnection(id string) Audience { return Audience{KindConnection, id} }

// ToUser is every connection of a user.
func ToUser(user string) Audience { return Audience{KindUser, user} }

// ToTopic is every connection that is subscribed to a topic.
func ToTopic(topic string) Audience { return Audience{KindTopic, topic} }

// Everyone is every connection in the store, of every API and stage.
func Everyone() Audience { return Audience{Kind: KindEveryone} }

// ParseAudience reads "user:NAME", "topic:NAME", "connection:ID" or "everyone".
// Any other text is an [ErrInvalid].
func ParseAudience(s string) (Audience, error) {
	kind, name, colon := strings.Cut(s, ":")
	a := Audience{AudienceKind(kind), name}
	if a.Kind == KindEveryone && colon {
		return Audience{}, invalidf("audience %q: everyone takes no name", clip(s))
	}
	if !colon && a.Kind != KindEveryone {
		err := invalidf("audience %q: expected user:NAME, topic:NAME, connection:ID or everyone", clip(s))
		if hint := nearestKind(kind); hint == string(KindEveryone) {
			return Audience{}, invalidf("%w (did you mean %q?)", err, hint)
		}
		if s != "" && ValidateName(s) == nil {
			return Audience{}, invalidf("%w (did you mean \"user:%s\" or \"topic:%s\"?)", err, clip(s), clip(s))
		}
		return Audience{}, err
	}
	if err := a.Validate(); err != nil {
		if hint := nearestKind(kind); hint != "" {
			return Audience{}, invalidf("%w (did you mean %q?)", err, hint)
		}
		return Audience{}, err
	}
	return a, nil
}

// Validate says what is wrong with an audience.
func (a Audience) Validate() error {
	switch a.Kind {
	case KindEveryone:
		if a.Name != "" {
			return invalidf("audience %q: everyone takes no name", clip(a.String()))
		}
		return nil
	case KindUser, KindTopic:
		if err := ValidateName(a.Name); err != nil {
			return invalidf("audience %q: %w", clip(a.String()), err)
		}
		return nil
	case KindConnection:
		return cmp.Or(ValidateConnectionID(a.Name), looksLikeAnID(a.Name))
	}
	return invalidf("audience %q: expected user:NAME, topic:NAME, connection:ID or everyone", clip(a.String()))
}

// String is the form that [ParseAudience] reads.
func (a Audience) String() string {
	if a.Name == "" && (a.Kind == KindEveryone || a.Kind == "") {
		return string(a.Kind)
	}
	return string(a.Kind) + ":" + a.Name
}

// MarshalText makes an audience a string in JSON.
func (a Audience) MarshalText() ([]byte, error) { return []byte(a.String()), a.Validate() }

// UnmarshalText reads what [ParseAudience] reads, and returns its errors.
func (a *Audience) UnmarshalText(b []byte) (err error) {
	*a, err = ParseAudience(string(b))
	return err
}

// ValidateName says what is wrong with the name of a user or a topic: it has 1
// to 128 bytes of UTF-8 without control characters.
func ValidateName(name string) error {
	switch {
	case name == "":
		return invalidf("the name is empty")
	case len(name) > 128:
		return invalidf("the name has %d bytes, 128 at most are allowed", len(name))
	case !utf8.ValidString(name):
		return invalidf("the name is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return invalidf("the name contains a control character")
	}
	return nil
}

// ValidateConnectionID refuses what cannot be a connection ID at all. IDs are
// opaque, so their form is not checked further.
func ValidateConnectionID(id string) error {
	switch {
	case id == "":
		return invalidf("the connection ID is empty")
	case len(id) > 128:
		return invalidf("the connection ID has %d bytes, 128 at most are allowed", len(id))
	case strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }):
		return invalidf("connection ID %q: contains a space or a character that is not ASCII", clip(id))
	case strings.Contains(id, "%"):
		return invalidf("connection ID %q: it is percent-escaped already; give it as the event has it", clip(id))
	}
	return nil
}

// looksLikeAnID refuses what somebody named as a connection and gave something else.
func looksLikeAnID(id string) error {
	switch {
	case strings.Contains(id, "://"):
		return invalidf("connection ID %q: it is a URL; give what is behind /@connections/ in it", clip(id))
	case strings.ContainsAny(id, "\"'`"):
		return invalidf("connection ID %q: it has quotation marks in it; give it without them", clip(id))
	case slices.Contains(namesOfNothing, id), strings.ContainsAny(id, "{}<>"):
		return invalidf("connection ID %q: the variable that it comes from has no value", clip(id))
	}
	return nil
}

func nearestKind(kind string) string {
	for _, k := range []AudienceKind{KindConnection, KindUser, KindTopic, KindEveryone} {
		w := string(k)
		if kind != w && len(kind) >= 2 && (strings.HasPrefix(w, strings.ToLower(kind)) || strings.HasPrefix(strings.ToLower(kind), w) || oneEdit(strings.ToLower(kind), w)) {
			if k == KindEveryone {
				return w
			}
			return w + ":"
		}
	}
	return ""
}

// oneEdit reports whether a and b differ by one letter changed, added, left out
// or swapped with its neighbour.
func oneEdit(a, b string) bool {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return len(a) <= 1 && len(b) <= 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}

func clip(s string) string {
	if len(s) <= 160 {
		return s
	}
	return s[:160] + "…"
}
