package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// loosePaths are the paths of management calls that are taken although they are not
// /{stage}/@connections/{id}: see Server.LoosePaths. Each kind is told once.
type loosePaths struct{ stageless, empty sync.Once }

// tidy is the path of a management call, with the stage and without empty segments. It
// reports false if the path needs no change, or is not such a call's.
func (e *engine) tidy(path []string) ([]string, bool) {
	if e.loose == nil {
		return nil, false
	}
	at := slices.Index(path, "@connections")
	if at < 0 || len(path) == at+1 {
		return nil, false
	}
	before := slices.DeleteFunc(slices.Clone(path[:at]), func(s string) bool { return s == "" })
	hasEmpty, hasStage := len(before) < at, len(before) == 1
	if len(before) > 1 || hasStage && !hasEmpty {
		return nil, false
	}
	if hasEmpty {
		e.loose.empty.Do(func() {
			e.notice("a management call has an empty segment in its path, so its endpoint has a slash at its end; it is accepted here, and what AWS does with it is not known: remove the slash")
		})
	}
	if !hasStage {
		before = []string{e.stage}
		e.loose.stageless.Do(func() {
			e.notice("a management call has no stage in its path; it is accepted here, as one to a custom domain is on AWS, and the API's own name on AWS wants /" + e.stage)
		})
	}
	return append(before, path[at:]...), true
}

// verify holds a signature against the path as it was sent, and, where loose paths are
// taken, against the path without empty segments.
func (e *engine) verify(r *http.Request, c *claim, body []byte) *refusal {
	refused := e.keys.verify(r, c, body)
	path, query := requestTarget(r)
	if refused == nil || e.loose == nil || !strings.Contains(path, "//") {
		return refused
	}
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	tidy := *r
	tidy.RequestURI = path
	if query != "" {
		tidy.RequestURI += "?" + query
	}
	tidy.URL = &url.URL{Path: path, RawQuery: query}
	if e.keys.verify(&tidy, c, body) == nil {
		return nil
	}
	return refused
}
