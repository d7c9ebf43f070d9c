package wirepost

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAnAudienceIsReadBackFromItsText(t *testing.T) {
	for _, a := range []Audience{ToConnection("L0SM9cOFvHcCIhw="), ToUser("alice"), ToUser("a:b"), ToTopic("news/früh"), Everyone()} {
		got, err := ParseAudience(a.String())
		if err != nil || got != a {
			t.Errorf("ParseAudience(%q) = %v, %v", a.String(), got, err)
		}
		b, err := json.Marshal(a)
		var back Audience
		if err != nil || json.Unmarshal(b, &back) != nil || back != a {
			t.Errorf("%v does not survive JSON: %s, %v", a, b, err)
		}
	}
}

func TestAMistypedAudienceIsOneSentenceThatHelps(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", "expected user:NAME"},
		{"alice", `did you mean "user:alice" or "topic:alice"`},
		{"user:a\u009bb", "control character"},
		{"users:alice", `did you mean "user:"`},
		{"usr:alice", `did you mean "user:"`},
		{"topci:lobby", `did you mean "topic:"`},
		{"conn:abc", `did you mean "connection:"`},
		{"everyon", `did you mean "everyone"`},
		{"everyone:x", "everyone takes no name"},
		{"user:", "the name is empty"},
		{"user:" + strings.Repeat("x", 129), "128 at most"},
		{"topic:a\x00b", "control character"},
		{"user:\xff", "not UTF-8"},
		{"connection:L0SM9cOFvHcCIhw%3D", "percent-escaped already"},
		{"connection:", "the connection ID is empty"},
		{"connection:https://abc.execute-api.eu-west-1.amazonaws.com/prod/@connections/L0SM9cOFvHcCIhw=", "it is a URL; give what is behind /@connections/"},
		{`connection:"L0SM9cOFvHcCIhw="`, "quotation marks"},
		{"connection:undefined", "the variable that it comes from has no value"},
		{"connection:${connectionId}", "the variable that it comes from has no value"},
	} {
		_, err := ParseAudience(tt.in)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseAudience(%q): %v, want it to say %q", tt.in, err, tt.want)
		}
	}
}

func FuzzAudience(f *testing.F) {
	for _, s := range []string{"user:alice", "topic:x", "connection:a=", "everyone", "everyone:", "user:\xff", ":", "user"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAudience(s)
		if err != nil {
			return
		}
		if back, err := ParseAudience(a.String()); err != nil || back != a || a.String() != s {
			t.Fatalf("ParseAudience(%q) = %#v, whose text %q gives %#v, %v", s, a, a.String(), back, err)
		}
	})
}
