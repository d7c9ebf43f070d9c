package httpapi

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/app"
)

// Sizes that AWS documents. That MB are of 1024 is UNCERTAIN for the first.
const (
	// maxBody is the payload of a request and of an answer (AWS docs, quotas of HTTP APIs
	// and of REST APIs: 10 MB).
	maxBody = 10 << 20
	// maxPayload is an event or a result of Lambda (AWS docs, Lambda quotas: 6 MB; its
	// error names 6291456 bytes).
	maxPayload = 6 << 20
	// maxHeader is the request line and the values of all headers (AWS docs, quotas:
	// 10,240 bytes).
	maxHeader = 10240
)

// readBody reads the body of a request.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, failure) {
	if r.ContentLength > maxBody {
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return nil, tooLarge
	}
	if err != nil {
		return nil, badRequest
	}
	return body, none
}

// headerSize is what counts for maxHeader.
func headerSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len(r.Host)
	for _, values := range r.Header {
		for _, v := range values {
			n += len(v)
		}
	}
	return n
}

// eventBody is a body as events have it.
func (h *Handler) eventBody(body []byte, contentType string) (text string, isBase64 bool) {
	isBase64 = len(body) > 0 && h.isBinary(body, contentType)
	if isBase64 {
		return base64.StdEncoding.EncodeToString(body), true
	}
	return string(body), false
}

// isBinary reports whether a body is given in base64.
//
// A REST API does so for the types that it lists (AWS docs, "Content type conversions in
// API Gateway"). AWS does not say which types are binary for an HTTP API; somebody who tried
// it there found only text/* and JSON, XML and JavaScript of application/ to be text, not
// even forms and not a body without a type (ministackorg/ministack#766). That a function's
// URL does the same is UNCERTAIN, and so is what happens to text that is not UTF-8: here it
// is in base64, so that nothing is lost.
func (h *Handler) isBinary(body []byte, contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media, _, _ = strings.Cut(strings.ToLower(contentType), ";")
		media = strings.TrimSpace(media)
	}
	if h.c.API.Kind == app.RESTAPI {
		return listed(h.c.API.BinaryTypes, media)
	}
	switch media {
	case "application/json", "application/xml", "application/javascript":
		return !utf8.Valid(body)
	}
	return !strings.HasPrefix(media, "text/") || !utf8.Valid(body)
}

// listed reports whether a media type is one of a list, which may have */* and image/*.
func listed(types []string, media string) bool {
	return slices.ContainsFunc(types, func(t string) bool {
		t = strings.ToLower(strings.ReplaceAll(t, "~1", "/")) // as OpenAPI has it
		group, all := strings.CutSuffix(t, "/*")
		return t == media && media != "" || t == "*/*" || all && strings.HasPrefix(media, group+"/")
	})
}

// firstType is the first media type of an Accept header.
func firstType(accept string) string {
	first, _, _ := strings.Cut(accept, ",")
	first, _, _ = strings.Cut(first, ";")
	return strings.ToLower(strings.TrimSpace(first))
}
