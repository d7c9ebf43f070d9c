package httpapi

import (
	"encoding/json"
	"fmt"
	"strings"
)

// identitySource names what of a request identifies its caller (AWS docs, "Control access
// to HTTP APIs with AWS Lambda authorizers", and "Use API Gateway Lambda authorizers").
type identitySource struct {
	of   sourceOf
	name string
}

type sourceOf uint8

const (
	ofHeader sourceOf = iota
	ofQuery
	ofStage
	ofContext
)

// parseIdentitySource reads an identity source of any kind of API:
// $request.header.NAME of an HTTP API, method.request.header.NAME of a REST API.
func parseIdentitySource(text string) (identitySource, error) {
	s := strings.TrimPrefix(strings.TrimSpace(text), "$")
	s = strings.TrimPrefix(strings.TrimPrefix(s, "method."), "route.")
	for prefix, of := range map[string]sourceOf{
		"request.header.": ofHeader, "request.multivalueheader.": ofHeader,
		"request.querystring.": ofQuery, "request.multivaluequerystring.": ofQuery,
		"stageVariables.": ofStage, "context.": ofContext,
	} {
		if name, ok := strings.CutPrefix(s, prefix); ok && name != "" {
			return identitySource{of, name}, nil
		}
	}
	return identitySource{}, fmt.Errorf("the identity source %.80q is not known: it has to be like $request.header.NAME, method.request.header.NAME, $request.querystring.NAME, $stageVariables.NAME or $context.NAME", text)
}

// value is what the request has of a source; empty if it has nothing. Case matters but
// in the names of headers. Of several values the first counts (UNCERTAIN).
func (x *exchange) value(s identitySource) string {
	switch s.of {
	case ofHeader:
		if strings.EqualFold(s.name, "host") {
			return x.r.Host
		}
		return text(x.r.Header.Get(s.name))
	case ofQuery:
		for _, p := range x.query {
			if p.name == s.name {
				return p.value
			}
		}
		return ""
	case ofStage:
		return x.h.c.API.StageVariables[s.name]
	}
	return x.contextValue(s.name)
}

// contextValue is $context.NAME as far as events have it: a member of requestContext,
// of either format, such as routeKey, http.method or identity.sourceIp.
func (x *exchange) contextValue(name string) string {
	for _, context := range []any{x.newEvent2().RequestContext, x.newEvent1().RequestContext} {
		var value any
		if json.Unmarshal(encoded(context), &value) != nil {
			return ""
		}
		for part := range strings.SplitSeq(name, ".") {
			object, _ := value.(map[string]any)
			value = object[part]
		}
		switch v := value.(type) {
		case string:
			return v
		case float64:
			return fmt.Sprintf("%.0f", v)
		}
	}
	return ""
}
