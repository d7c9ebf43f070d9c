package cloudformation

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

var (
	mockStatus = regexp.MustCompile(`"?statusCode"?\s*:\s*"?([1-5][0-9]{2})\b`)

	// originTemplate is what CDK and Serverless make for several origins: the one that asks
	// is named if it is one of them.
	originTemplate = regexp.MustCompile(`(?s)^\s*#set\(\$origin = \$input\.params.*#set\(\s*\$context\.responseOverride\.header\.Access-Control-Allow-Origin\s*=\s*"?\$origin"?\s*\)\s*#end\s*$`)
	originMatch    = regexp.MustCompile(`\$origin(?:\.matches\("([^"]*)"\)|\s*==\s*"([^"]+)")`)
)

// mockAnswer reads what a method of a REST API with an integration of type MOCK answers, or
// why that is not known: a status, headers and a body that depend on nothing but, for
// CORS, the origin that asks. (AWS docs, API Gateway developer guide: "Mock integrations
// for REST APIs" and "Enable CORS on a resource".)
func (r *reader) mockAnswer(i *value, what string) (*app.FixedAnswer, string) {
	status, _ := r.must(i.Get("RequestTemplates", "application/json"), "request template")
	if m := mockStatus.FindStringSubmatch(status); m != nil {
		status = m[1]
	} else {
		status = "200"
	}
	chosen := r.mockResponse(i, status, what)
	if chosen == nil {
		return nil, "its integration is of type MOCK and has no response for status " + status
	}
	text, why := r.must(chosen.Get("StatusCode"), "StatusCode")
	if why != "" {
		return nil, why
	}
	out := &app.FixedAnswer{Header: map[string]string{}}
	var err error
	if out.Status, err = strconv.Atoi(text); err != nil || out.Status < 200 || out.Status > 599 {
		return nil, "the status " + document.Clip(text) + " of its response is not from 200 to 599"
	}
	for _, f := range r.eval(chosen.Get("ResponseParameters")).Each() {
		name, ok := strings.CutPrefix(f.Key, "method.response.header.")
		said, why := r.must(f.Value, "header "+document.Clip(name))
		if why == "" && (!ok || len(said) < 2 || said[0] != '\'' || said[len(said)-1] != '\'') {
			why = "it is not a constant in single quotes"
		}
		if why != "" {
			r.Note(r.whereOr(f.Value, f.Pos), app.Warning, "%s of %s is left out: %s", document.Clip(f.Key), what, why)
			continue
		}
		out.Header[name] = said[1 : len(said)-1]
	}
	body := r.eval(chosen.Get("ResponseTemplates")).Get("application/json")
	if body.Empty() {
		return out, ""
	}
	out.Body, why = r.must(body, "response template")
	switch {
	case why != "":
		return nil, why
	case originTemplate.MatchString(out.Body):
		for _, m := range originMatch.FindAllStringSubmatch(out.Body, -1) {
			pattern := m[1]
			if m[2] != "" {
				pattern = regexp.QuoteMeta(m[2])
			}
			if _, err := regexp.Compile(pattern); err == nil && pattern != "" {
				out.Origins = append(out.Origins, pattern)
			}
		}
		out.Body = ""
	case strings.ContainsAny(out.Body, "#$"):
		return nil, "its integration is of type MOCK with a response template of Velocity, which is not run here"
	}
	return out, ""
}

// mockResponse is the response of an integration for a status: the one whose pattern fits,
// else the one without a pattern.
func (r *reader) mockResponse(i *value, status, what string) (chosen *value) {
	for _, response := range r.items(i.Get("IntegrationResponses"), "IntegrationResponses of "+what) {
		pattern := r.text(response.Get("SelectionPattern"), "SelectionPattern of "+what)
		if pattern == "" {
			if chosen == nil {
				chosen = response
			}
			continue
		}
		if fits, err := regexp.MatchString("^(?:"+pattern+")$", status); err == nil && fits {
			return response
		}
	}
	return chosen
}
