package mapping

import (
	"net/http"
	"strings"
	"testing"
)

func TestMessagesAreHeldAgainstTheModelOfTheirKey(t *testing.T) {
	// The schema is of the form that AWS docs have for this.
	const order = `{"$schema": "http://json-schema.org/draft-04/schema#", "title": "order", "type": "object",
		"properties": {"action": {"type": "string"}, "n": {"type": "integer", "minimum": 1, "exclusiveMinimum": true}}, "required": ["n"]}`
	const any4 = `{"type": "object"}`
	for _, c := range []struct {
		expression string
		models     map[string]string
		message    string
		wrong      string
	}{
		{"order", map[string]string{"order": order}, `{"n":2}`, ""},
		{"order", map[string]string{"order": order}, `{"n":1}`, "n"},
		{"order", map[string]string{"order": order}, `{}`, "missing"},
		{"order", map[string]string{"order": order}, `[]`, "object"},
		{"order", map[string]string{"order": order}, `hello`, "not JSON"},
		{"${request.body.kind}", map[string]string{"order": order, "$default": any4}, `{"kind":"order"}`, "missing"},
		{"${request.body.kind}", map[string]string{"order": order, "$default": any4}, `{"kind":"else"}`, ""},
		{"${request.body.kind}", map[string]string{"order": order, "$default": any4}, `{}`, ""},
		{"${request.body.kind}", map[string]string{"order": order}, `{"kind":"else"}`, `there is no model "else"`},
		{`\$default`, map[string]string{"$default": order}, `{"n":3}`, ""},
	} {
		m, err := ParseModels(c.expression, c.models)
		if err != nil {
			t.Fatal(err)
		}
		err = m.Check([]byte(c.message))
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s of %s: %v, want %q", c.message, c.expression, err, c.wrong)
		}
	}
}

func TestAModelThatCannotBeReadIsAnError(t *testing.T) {
	for schema, want := range map[string]string{
		"{":                     "model k: its schema is not JSON",
		`{"type":"no"}`:         "model k: ",
		`{"$ref":"http://x/y"}`: "other models are not read here",
		`{"pattern":"("}`:       "model k: ",
	} {
		if _, err := ParseModels("k", map[string]string{"k": schema}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", schema, err)
		}
	}
}

func TestContentIsConverted(t *testing.T) {
	r, err := ParseRequest(Settings{ContentHandling: "CONVERT_TO_BINARY"})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := r.Map(t.Context(), Input{Body: []byte("aGk=")}); err != nil || string(m.Out) != "hi" {
		t.Error(m, err)
	}
	if _, err := r.Map(t.Context(), Input{Body: []byte("*")}); err == nil || !strings.Contains(err.Error(), "CONVERT_TO_BINARY: the payload is not base64") {
		t.Error(err)
	}
	for handling, want := range map[string]string{"CONVERT_TO_TEXT": `{"b":"aGk="}`, "": `{"b":"hi"}`} {
		all, err := ParseResponses("", false, []ResponseSettings{{Settings{Templates: map[string]string{"$default": `{"b":"$input.body"}`}, ContentHandling: handling}, "$default"}})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := all.Map(t.Context(), Input{Body: []byte("hi")}, nil, Answer{}); err != nil || string(m.Out) != want {
			t.Error(handling, m, err)
		}
	}
	if _, err := ParseRequest(Settings{ContentHandling: "BINARY"}); err == nil {
		t.Error("there is no such strategy")
	}
}

func TestTheTemplateOfAResponseIsChosenByWhatWasAnswered(t *testing.T) {
	templates := map[string]string{"k": "k", "1,2": "both", "404": "status", "m": "message", "$default": "default"}
	for expression, want := range map[string]string{
		"${integration.response.header.X-Kind}":           "k",
		"$integration.response.header.X-Kind":             "k",
		"${integration.response.multivalueheader.X-Many}": "both",
		"${integration.response.statuscode}":              "status",
		"${request.body.kind}":                            "message",
		"k":                                               "k",
		`\$default`:                                       "default",
		"${request.body.none}":                            "default",
		"$integration.response.body.errorMessage":         "default",
		"": "default",
	} {
		all, err := ParseResponses("${response.statuscode}", false, []ResponseSettings{{Settings{Templates: templates, Selection: expression}, `/4\d\d/`}})
		if err != nil {
			t.Fatal(err)
		}
		a := Answer{Status: 404, Header: http.Header{"X-Kind": {"k"}, "X-Many": {"1", "2"}}}
		if m, err := all.Map(t.Context(), Input{Body: []byte("x")}, []byte(`{"kind":"m"}`), a); err != nil || string(m.Out) != want {
			t.Errorf("%s: %+v, %v", expression, m, err)
		}
	}
	for _, wrong := range []string{"${integration.response.body.x}", "${", "$", "${context.stage}"} {
		if _, err := ParseResponses(wrong, false, nil); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
	if _, err := ParseResponses("", false, []ResponseSettings{{Settings{}, "/(/"}}); err == nil || !strings.Contains(err.Error(), "the key /(/") {
		t.Error(err)
	}
}
