package gateway

import (
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The layout of events, the order of their members included, is that of
// recorded ones of 2022 to 2024 (lambda-go's testdata, a pytest file behind a
// custom domain, and others): what is not there is absent, never null. Events
// until 2020 carried nulls; no one gets those any more.

// requestTimeLayout is Java's dd/MMM/yyyy:HH:mm:ss Z, always UTC.
const requestTimeLayout = "02/Jan/2006:15:04:05 +0000"

// peer is what events say about a connection.
type peer struct {
	id          string
	sourceIP    string
	userAgent   string // empty: the client sent none
	domain      string
	connectedAt int64 // Unix milliseconds
	authorizer  authorizerContext
}

// contextFields are the members of requestContext that differ by event.
type contextFields struct {
	routeKey, eventType, requestID string
	messageID                      string // MESSAGE only
	disconnectCode                 int    // DISCONNECT only
	disconnectReason               string
	at                             time.Time
}

func (e *engine) appendContext(dst []byte, p *peer, f *contextFields) []byte {
	dst = appendName(dst, "requestContext")
	dst = append(dst, '{')
	dst = appendMember(dst, "routeKey", f.routeKey)
	if p.authorizer != nil {
		dst = append(dst, `,"authorizer":`...)
		dst = append(dst, p.authorizer...)
	}
	if f.messageID != "" {
		dst = appendMember(dst, "messageId", f.messageID)
	}
	disconnect := f.eventType == "DISCONNECT"
	if disconnect {
		dst = appendName(dst, "disconnectStatusCode")
		dst = strconv.AppendInt(dst, int64(f.disconnectCode), 10)
	}
	dst = appendMember(dst, "eventType", f.eventType)
	dst = appendMember(dst, "extendedRequestId", f.requestID)
	dst = append(dst, `,"requestTime":"`...)
	dst = f.at.UTC().AppendFormat(dst, requestTimeLayout)
	dst = append(dst, `","messageDirection":"IN"`...)
	if disconnect {
		dst = appendMember(dst, "disconnectReason", f.disconnectReason)
	}
	dst = appendMember(dst, "stage", e.stage)
	dst = append(dst, `,"connectedAt":`...)
	dst = strconv.AppendInt(dst, p.connectedAt, 10)
	dst = append(dst, `,"requestTimeEpoch":`...)
	dst = strconv.AppendInt(dst, f.at.UnixMilli(), 10)
	dst = append(dst, `,"identity":{`...)
	if p.userAgent != "" {
		dst = appendMember(dst, "userAgent", p.userAgent)
	}
	dst = appendMember(dst, "sourceIp", p.sourceIP)
	dst = append(dst, '}')
	dst = appendMember(dst, "requestId", f.requestID)
	dst = appendMember(dst, "domainName", p.domain)
	dst = appendMember(dst, "connectionId", p.id)
	dst = appendMember(dst, "apiId", e.apiID)
	return append(dst, '}')
}

func (e *engine) messageEvent(p *peer, routeKey, requestID string, body []byte, at time.Time) []byte {
	// Quotes in a JSON body double in size; an eighth more spares most growth.
	dst := make([]byte, 0, 640+len(p.userAgent)+len(body)+len(body)/8)
	dst = append(dst, '{')
	dst = e.appendContext(dst, p, &contextFields{
		routeKey: routeKey, eventType: "MESSAGE", requestID: requestID, messageID: e.newMessageID(p.id), at: at,
	})
	if len(e.stageVariables) > 0 {
		dst = e.appendStageVariables(dst)
	}
	dst = append(dst, `,"body":`...)
	dst = appendString(dst, body)
	return append(dst, `,"isBase64Encoded":false}`...)
}

func (e *engine) appendStageVariables(dst []byte) []byte {
	dst = appendName(dst, "stageVariables")
	dst = append(dst, '{')
	for _, name := range slices.Sorted(maps.Keys(e.stageVariables)) {
		dst = appendMember(dst, name, e.stageVariables[name])
	}
	return append(dst, '}')
}

func (e *engine) disconnectEvent(p *peer, requestID string, code int, reason string, at time.Time) []byte {
	dst := make([]byte, 0, 1024)
	dst = append(dst, '{')
	// The same four headers in seven recorded events, three of them empty.
	dst = appendFields(dst, "headers", "multiValueHeaders", []field{
		{"Host", []string{p.domain}}, {"x-api-key", []string{""}}, {"X-Forwarded-For", []string{""}}, {"x-restapi", []string{""}},
	})
	dst = e.appendContext(dst, p, &contextFields{
		routeKey: "$disconnect", eventType: "DISCONNECT", requestID: requestID,
		disconnectCode: code, disconnectReason: reason, at: at,
	})
	if len(e.stageVariables) > 0 {
		dst = e.appendStageVariables(dst)
	}
	return append(dst, `,"isBase64Encoded":false}`...)
}

func (e *engine) connectEvent(p *peer, r *http.Request, requestID string, at time.Time) []byte {
	dst := make([]byte, 0, 4096)
	dst = append(dst, '{')
	dst = appendFields(dst, "headers", "multiValueHeaders", e.connectHeaders(p, r, at))
	if query := parseQuery(r.URL.RawQuery); len(query) > 0 {
		dst = appendFields(dst, "queryStringParameters", "multiValueQueryStringParameters", query)
	}
	dst = e.appendContext(dst, p, &contextFields{
		routeKey: "$connect", eventType: "CONNECT", requestID: requestID, at: at,
	})
	if len(e.stageVariables) > 0 {
		dst = e.appendStageVariables(dst)
	}
	return append(dst, `,"isBase64Encoded":false}`...)
}

// field is a header or a query parameter with all its values.
type field struct {
	name   string
	values []string
}

// appendFields appends the single-valued and the multi-valued map. The former
// has the last value of each name.
func appendFields(dst []byte, single, multi string, fields []field) []byte {
	dst = appendName(dst, single)
	dst = append(dst, '{')
	for _, f := range fields {
		dst = appendMember(dst, f.name, f.values[len(f.values)-1])
	}
	dst = append(dst, '}')
	dst = appendName(dst, multi)
	dst = append(dst, '{')
	for _, f := range fields {
		dst = appendName(dst, f.name)
		dst = append(dst, '[')
		for i, value := range f.values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, value)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// connectHeaders are the client's headers as $connect sees them: without
// Connection, Upgrade and Content-Length, with those that API Gateway adds, in
// alphabetic order (recorded events; localstack/localstack#7191 for the
// dropped ones). Port and scheme are those of this server, not AWS's 443 and https.
func (e *engine) connectHeaders(p *peer, r *http.Request, at time.Time) []field {
	fields := make([]field, 0, len(r.Header)+5)
	for name, values := range r.Header {
		switch name {
		case "Connection", "Upgrade", "Content-Length", "Host",
			"X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto":
			continue
		}
		if len(values) > 0 {
			fields = append(fields, field{eventHeaderName(name), values})
		}
	}
	port, scheme := "80", "http"
	if r.TLS != nil {
		port, scheme = "443", "https"
	}
	if addr := localAddress(r); addr != nil {
		if _, local, err := net.SplitHostPort(addr.String()); err == nil {
			port = local
		}
	}
	// A proxy appends itself to what the client claims.
	forwarded := strings.Join(append(slices.Clip(r.Header["X-Forwarded-For"]), p.sourceIP), ", ")
	fields = append(fields,
		field{"Host", []string{r.Host}},
		field{"X-Amzn-Trace-Id", []string{e.newTraceID(at)}},
		field{"X-Forwarded-For", []string{forwarded}},
		field{"X-Forwarded-Port", []string{port}},
		field{"X-Forwarded-Proto", []string{scheme}},
	)
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return fields
}

// eventHeaderName undoes what net/http's canonical form does to names that
// have another form in recorded events.
func eventHeaderName(name string) string {
	if rest, ok := strings.CutPrefix(name, "Sec-Websocket-"); ok {
		return "Sec-WebSocket-" + rest
	}
	switch name {
	case "Dnt":
		return "DNT"
	case "Sec-Gpc":
		return "Sec-GPC"
	}
	return name
}

// parseQuery decodes a query in the order of first appearance. What cannot be
// decoded stays as it was sent (UNCERTAIN): a bad escape is no reason to lose
// a parameter.
func parseQuery(query string) []field {
	var fields []field
	index := make(map[string]int)
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = decodeQuery(name), decodeQuery(value)
		if i, seen := index[name]; seen {
			fields[i].values = append(fields[i].values, value)
			continue
		}
		index[name] = len(fields)
		fields = append(fields, field{name, []string{value}})
	}
	return fields
}

func decodeQuery(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		s = decoded
	}
	// Two names that differ only in invalid bytes are one name in JSON.
	return strings.ToValidUTF8(s, "\ufffd")
}
