package gateway

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/mapping"
)

// memberNames lists the members of a JSON object in their order.
func memberNames(raw []byte) (names []string) {
	eachMember(skipSpace(raw), func(key, _ []byte) { names = append(names, string(appendText(nil, key))) })
	return names
}

func sameMembers(t *testing.T, d doc, file string) {
	t.Helper()
	recorded, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(recorded), "\n\n")
	is(t, json.Valid([]byte(text)), file)
	inner := func(s string) []byte {
		v, _ := lookup([]byte(s), []step{{name: "requestContext", index: -1}})
		return v
	}
	want(t, strings.Join(memberNames([]byte(d.raw)), " "), strings.Join(memberNames([]byte(text)), " "),
		strings.Join(memberNames(inner(d.raw)), " "), strings.Join(memberNames(inner(text)), " "))
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{15}=$`)

func eventRows() []row {
	const traces = "recorded events, 2020 to 2024"
	absent := func(names ...string) func(t *testing.T, d doc) {
		return func(t *testing.T, d doc) {
			for _, name := range names {
				want(t, name+" "+d.at(name), name+" absent")
			}
		}
	}
	return []row{
		{id: "1.1 CONNECT has headers and multiValueHeaders", status: "TRACE", source: traces, check: func(t *testing.T) {
			c, _, _ := life(t, &Server{})
			want(t, c.at("headers/Origin"), "https://o.test", c.at("multiValueHeaders/Origin"), "[https://o.test]")
		}},
		{id: "1.1 MESSAGE has no headers", status: "TRACE", source: traces, check: func(t *testing.T) {
			_, m, _ := life(t, &Server{})
			absent("headers", "multiValueHeaders")(t, m)
		}},
		{id: "1.1 DISCONNECT has headers", status: "TRACE", source: traces, check: func(t *testing.T) {
			_, _, d := life(t, &Server{})
			is(t, d.at("headers") != "absent" && d.at("multiValueHeaders") != "absent")
		}},
		{id: "1.1 CONNECT has the query in both maps", status: "TRACE", source: "SLSOFF; recorded events", check: func(t *testing.T) {
			c, _, _ := life(t, &Server{})
			want(t, c.at("queryStringParameters/b"), "x y", c.at("queryStringParameters/a"), "2", c.at("multiValueQueryStringParameters/a"), "[1 2]")
		}},
		{id: "1.1 without a query its maps are absent, not null", status: "TRACE", source: "SLSOFF asserts undefined; recorded events", check: func(t *testing.T) {
			c, _, _ := lifeWith(t, &Server{}, "/dev", "")
			absent("queryStringParameters", "multiValueQueryStringParameters")(t, c)
		}},
		{id: "1.1 MESSAGE and DISCONNECT have no query", status: "TRACE", source: traces, check: func(t *testing.T) {
			_, m, d := life(t, &Server{})
			absent("queryStringParameters", "multiValueQueryStringParameters")(t, m)
			absent("queryStringParameters", "multiValueQueryStringParameters")(t, d)
		}},
		{id: "1.1 requestContext is in all events", status: "TRACE", source: traces, check: inEach(func(t *testing.T, d doc) { is(t, d.context("connectionId") != "absent") })},
		{id: "1.1 only MESSAGE has a body", status: "TRACE", source: traces, check: func(t *testing.T) {
			c, m, d := life(t, &Server{})
			is(t, m.at("body") != "absent")
			absent("body")(t, c)
			absent("body")(t, d)
		}},
		{id: "1.1 isBase64Encoded is false in all events", status: "TRACE", source: traces, check: inEach(func(t *testing.T, d doc) { want(t, d.at("isBase64Encoded"), "false") })},
		{id: "1.1 stageVariables are absent where the stage has none", status: "UNCERTAIN", source: "no recorded event has them", here: "absent", check: inEach(absent("stageVariables"))},
		{id: "1.1 stageVariables are in all events where the stage has some", status: "UNCERTAIN", source: "by analogy with the authorizer's event", here: "in all three", check: func(t *testing.T) {
			c, m, d := life(t, &Server{StageVariables: map[string]string{"v": "1"}})
			want(t, c.at("stageVariables/v"), "1", m.at("stageVariables/v"), "1", d.at("stageVariables/v"), "1")
		}},
		{id: "1.1 fields of REST events are absent", status: "TRACE", source: traces, check: inEach(absent("resource", "path", "httpMethod", "pathParameters", "version", "type", "methodArn"))},

		{id: "1.2 CONNECT has the members of a recorded event, in its order", status: "TRACE", source: "T-CUSTOM (2024)", check: func(t *testing.T) {
			c, _, _ := lifeWith(t, &Server{}, "/dev", "User-Agent: agent\r\n")
			sameMembers(t, c, "connect.txt")
		}},
		{id: "1.2 MESSAGE has the members of a recorded event, in its order", status: "TRACE", source: "a recorded event of 2022", check: func(t *testing.T) {
			_, m, _ := lifeWith(t, &Server{}, "/dev", "")
			sameMembers(t, m, "message.txt")
		}},
		{id: "1.2 DISCONNECT has the members of a recorded event, in its order", status: "TRACE", source: "T-CUSTOM (2024)", check: func(t *testing.T) {
			_, _, d := lifeWith(t, &Server{}, "/dev", "User-Agent: agent\r\n")
			sameMembers(t, d, "disconnect.txt")
		}},

		{id: "1.3 routeKey is that of the selected route", status: "TRACE", source: traces, check: func(t *testing.T) {
			c, m, d := life(t, &Server{})
			want(t, c.context("routeKey"), "$connect", m.context("routeKey"), "$default", d.context("routeKey"), "$disconnect")
		}},
		{id: "1.3 eventType is CONNECT, MESSAGE or DISCONNECT", status: "DOC", source: "DG", check: func(t *testing.T) {
			c, m, d := life(t, &Server{})
			want(t, c.context("eventType"), "CONNECT", m.context("eventType"), "MESSAGE", d.context("eventType"), "DISCONNECT")
		}},
		{id: "1.3 messageDirection is always IN", status: "TRACE", source: traces, check: inEach(func(t *testing.T, d doc) { want(t, d.context("messageDirection"), "IN") })},
		{id: "1.3 messageId is in MESSAGE only and differs from requestId", status: "DOC", source: "DG; recorded events", check: func(t *testing.T) {
			c, m, d := life(t, &Server{})
			want(t, c.context("messageId"), "absent", d.context("messageId"), "absent")
			is(t, idForm.MatchString(m.context("messageId")) && m.context("messageId") != m.context("requestId"))
		}},
		{id: "1.3 requestId equals extendedRequestId", status: "TRACE", source: "every trace; DG", check: inEach(func(t *testing.T, d doc) { want(t, d.context("requestId"), d.context("extendedRequestId")) })},
		{id: "1.3 each event has its own requestId", status: "TRACE", source: traces, check: func(t *testing.T) {
			c, m, d := life(t, &Server{})
			is(t, c.context("requestId") != m.context("requestId") && m.context("requestId") != d.context("requestId") && c.context("requestId") != d.context("requestId"))
		}},
		{id: "1.3 requestTime is dd/MMM/yyyy:HH:mm:ss +0000 of the event's time", status: "TRACE", source: traces, check: func(t *testing.T) {
			c, _, _ := life(t, &Server{Now: func() time.Time { return time.UnixMilli(1708326702790).In(time.FixedZone("x", 3600)) }})
			want(t, c.context("requestTime"), "19/Feb/2024:07:11:42 +0000", c.context("requestTimeEpoch"), "1708326702790")
		}},
		{id: "1.3 requestTimeEpoch is this event's time in milliseconds", status: "TRACE", source: traces, check: func(t *testing.T) {
			before := time.Now().UnixMilli()
			c, m, d := life(t, &Server{})
			a, _ := c.m["requestContext"].(map[string]any)["requestTimeEpoch"].(json.Number).Int64()
			b, _ := m.m["requestContext"].(map[string]any)["requestTimeEpoch"].(json.Number).Int64()
			e, _ := d.m["requestContext"].(map[string]any)["requestTimeEpoch"].(json.Number).Int64()
			is(t, before <= a && a <= b && b <= e && e <= time.Now().UnixMilli(), before, a, b, e)
		}},
		{id: "1.3 connectedAt is the same in all events of a connection", status: "TRACE", source: traces, check: func(t *testing.T) {
			c, m, d := life(t, &Server{})
			want(t, m.context("connectedAt"), c.context("connectedAt"), d.context("connectedAt"), c.context("connectedAt"))
		}},
		{id: "1.3 on CONNECT connectedAt is requestTimeEpoch or a little before", status: "TRACE", source: "five traces: 0 to 17 ms", check: func(t *testing.T) {
			c, _, _ := life(t, &Server{})
			a, _ := c.m["requestContext"].(map[string]any)["connectedAt"].(json.Number).Int64()
			b, _ := c.m["requestContext"].(map[string]any)["requestTimeEpoch"].(json.Number).Int64()
			is(t, b >= a && b-a < 1000, b-a)
		}},
		{id: "1.3 connectionId, apiId, stage and domainName are strings in all events", status: "TRACE", source: traces, check: func(t *testing.T) {
			c, m, d := life(t, &Server{APIID: "nn27okk1we", Domain: "own.test"})
			for _, d := range []doc{c, m, d} {
				want(t, d.context("connectionId"), c.context("connectionId"), d.context("apiId"), "nn27okk1we", d.context("stage"), "dev", d.context("domainName"), "own.test")
			}
		}},
		{id: "1.3 domainName is the host that the client connected to", status: "TRACE", source: "T-CUSTOM, behind a custom domain", here: "it is never the client's Host header, which anybody could choose, but the address that was connected to, or Server.Domain", deviation: true, check: func(t *testing.T) {
			l := newLab(t, &Server{})
			l.connect(t)
			want(t, l.event(t).context("domainName"), l.host)
		}},
		{id: "1.3 identity.sourceIp is in all events", status: "TRACE", source: traces, check: inEach(func(t *testing.T, d doc) { want(t, d.context("identity/sourceIp"), "127.0.0.1") })},
		{id: "1.3 identity.userAgent is in all events", status: "TRACE", source: traces, check: inEach(func(t *testing.T, d doc) { want(t, d.context("identity/userAgent"), "agent") })},
		{id: "1.3 identity.userAgent is absent when the client sent none", status: "TRACE", source: "a recorded event of 2022", check: func(t *testing.T) {
			c, m, d := lifeWith(t, &Server{}, "/dev", "")
			want(t, c.context("identity/userAgent"), "absent", m.context("identity/userAgent"), "absent", d.context("identity/userAgent"), "absent")
		}},
		{id: "1.3 authorizer is absent where there is no authorizer", status: "TRACE", source: traces, check: inEach(func(t *testing.T, d doc) { want(t, d.context("authorizer"), "absent") })},
		{id: "1.3 disconnectStatusCode and disconnectReason are in DISCONNECT only", status: "TRACE", source: traces, check: func(t *testing.T) {
			c, m, d := life(t, &Server{})
			want(t, c.context("disconnectStatusCode"), "absent", m.context("disconnectReason"), "absent", d.context("disconnectStatusCode"), "1005")
		}},
		{id: "1.3 no member is null", status: "TRACE", source: "every event since 2021-12-25", check: inEach(func(t *testing.T, d doc) { is(t, !strings.Contains(d.raw, "null"), d.raw) })},
		{id: "1.3 connectionId has the form of 11 bytes in base64url", status: "TRACE", source: "14 recorded IDs", check: inEach(func(t *testing.T, d doc) { is(t, idForm.MatchString(d.context("connectionId"))) })},

		{id: "1.4 CONNECT has an X-Amzn-Trace-Id", status: "TRACE", source: traces, check: func(t *testing.T) {
			c, _, _ := life(t, &Server{})
			is(t, regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`).MatchString(c.at("headers/X-Amzn-Trace-Id")))
		}},
		{id: "1.4 CONNECT has X-Forwarded-For", status: "TRACE", source: traces, check: func(t *testing.T) {
			c, _, _ := life(t, &Server{})
			want(t, c.at("headers/X-Forwarded-For"), "127.0.0.1")
		}},
		{id: "1.4 X-Forwarded-Port is 443", status: "TRACE", source: traces, here: "the port of the gateway: a link made with 443 would lead nowhere", deviation: true, check: func(t *testing.T) {
			l := newLab(t, &Server{})
			l.connect(t)
			_, port, _ := strings.Cut(l.host, ":")
			want(t, l.event(t).at("headers/X-Forwarded-Port"), port)
		}},
		{id: "1.4 X-Forwarded-Proto is https", status: "TRACE", source: traces, here: "https over TLS; http over plain TCP, which AWS does not have", deviation: true, check: func(t *testing.T) {
			l := newLab(t, &Server{TLS: serverTLS()})
			rawDialTLS(t, l.host)
			want(t, l.event(t).at("headers/X-Forwarded-Proto"), "https")
			l.connect(t)
			want(t, l.event(t).at("headers/X-Forwarded-Proto"), "http")
		}},
		{id: "1.4 CONNECT has the client's Host", status: "TRACE", source: traces, check: func(t *testing.T) {
			c, _, _ := life(t, &Server{})
			want(t, c.at("headers/Host"), "client.test")
		}},
		{id: "1.4 Connection, Upgrade and Content-Length are absent from CONNECT", status: "TRACE", source: "all traces", check: func(t *testing.T) {
			c, _, _ := life(t, &Server{})
			lower := strings.ToLower(c.raw)
			is(t, !strings.Contains(lower, `"connection":`) && !strings.Contains(lower, `"upgrade":`) && !strings.Contains(lower, `"content-length":`), c.raw)
		}},
		{id: "1.4 header names are in their canonical form", status: "TRACE", source: "T-CUSTOM", check: func(t *testing.T) {
			c, _, _ := lifeWith(t, &Server{}, "/dev", "USER-agent: agent\r\n")
			is(t, c.at("headers/Sec-WebSocket-Version") == "13" && c.at("headers/User-Agent") == "agent", c.raw)
		}},
		{id: "1.4 of a repeated header headers has the last value and multiValueHeaders all", status: "UNCERTAIN", source: "recorded lists have one element; by analogy with the query", here: "so", check: func(t *testing.T) {
			c, _, _ := life(t, &Server{})
			want(t, c.at("headers/X-Twice"), "two", c.at("multiValueHeaders/X-Twice"), "[one two]")
		}},
		{id: "1.4 a mapping of several levels makes all header names lower case", status: "DOC", source: "docs, websocket-api-mappings", here: "custom domains and their mappings are not emulated: a path of several segments is refused", deviation: true, check: func(t *testing.T) {
			want(t, httpStatus(t, newLab(t, &Server{}).host, "/a/b/dev"), "403")
		}},

		{id: "1.5 DISCONNECT has four headers, three of them empty, in this order", status: "TRACE", source: "7 traces, 2022 to 2024", check: func(t *testing.T) {
			_, _, d := life(t, &Server{Domain: "own.test"})
			is(t, strings.HasPrefix(d.raw, `{"headers":{"Host":"own.test","x-api-key":"","X-Forwarded-For":"","x-restapi":""},"multiValueHeaders":{"Host":["own.test"],"x-api-key":[""],"X-Forwarded-For":[""],"x-restapi":[""]}`), d.raw)
		}},
		{id: "1.5 its Host is domainName", status: "TRACE", source: "7 traces, 2022 to 2024", check: func(t *testing.T) {
			_, _, d := life(t, &Server{})
			want(t, d.at("headers/Host"), d.context("domainName"))
		}},
	}
}

func disconnectRows() []row {
	return []row{
		{id: "1.6 a close without a status is 1005 with its reason", status: "TRACE", source: "7 traces", check: ends(&Server{}, "1005", "Client-side close frame status not set", func(t *testing.T, _ *lab, c *rawClient) { c.Write(masked(0x88, nil)) })},
		{id: "1.6 the idle timeout is 1001 Going away", status: "TRACE", source: "T-CUSTOM: 603.917 s after the connect", check: ends(&Server{IdleTimeout: 30 * time.Millisecond}, "1001", "Going away", func(t *testing.T, _ *lab, c *rawClient) { c.closed() })},
		{id: "1.6 a tab that is closed is 1001 with an empty reason", status: "TRACE", source: "LAMBDA-GO", check: ends(&Server{}, "1001", "", func(t *testing.T, _ *lab, c *rawClient) { c.Write(masked(0x88, closePayload(1001, ""))) })},
		{id: "1.6 DELETE is 1000 Connection Closed Normally", status: "ISSUE", source: "aws/chalice#2060", check: ends(&Server{}, "1000", "Connection Closed Normally", func(t *testing.T, l *lab, c *rawClient) {
			mustManage(t, "DELETE", l.host, pathOf(c.id), "")
			c.closed()
		})},
		{id: "1.6 a connection that is cut is 1006", status: "UNCERTAIN", source: "no trace", here: "1006 and an empty reason", check: ends(&Server{}, "1006", "", func(t *testing.T, _ *lab, c *rawClient) { c.Close() })},
		{id: "1.6 the limit of two hours is 1001 Going away", status: "UNCERTAIN", source: "no trace", here: "1001 `Going away`", check: ends(&Server{MaxAge: 30 * time.Millisecond}, "1001", "Going away", func(t *testing.T, _ *lab, c *rawClient) { c.closed() })},
		{id: "1.6 a client's own code and reason are passed on", status: "UNCERTAIN", source: "inferred from the closed tab's trace", here: "passed on", check: ends(&Server{}, "4001", "bye", func(t *testing.T, _ *lab, c *rawClient) { c.Write(masked(0x88, closePayload(4001, "bye"))) })},

		{id: "1.7 the body is the text byte for byte", status: "TRACE", source: "a recorded event", check: func(t *testing.T) {
			_, m, _ := life(t, &Server{})
			want(t, m.at("body"), "{\r\n\t\"a\": 1\r\n}")
		}},
		{id: "1.7 a binary frame closes with 1003", status: "DOC", source: "DG, websocket-api-develop-binary-media-types", check: ends(&Server{}, "1003", "binary frames are not supported", func(t *testing.T, _ *lab, c *rawClient) {
			c.Write(masked(0x82, []byte("x")))
			want(t, c.closed(), "1003 binary frames are not supported")
		})},
		{id: "1.7 an empty message is an event", status: "UNCERTAIN", source: "no source", here: "an event with an empty body", check: func(t *testing.T) {
			l := newLab(t, &Server{})
			c := l.connect(t)
			l.event(t)
			c.send("")
			want(t, l.event(t).at("body"), "")
		}},
		{id: "1.7 CONVERT_TO_BINARY decodes base64 text for an integration", status: "DOC", source: "DG", check: func(t *testing.T) {
			i, calls := integrating("", nil)
			i.Request = requested(t, mapping.Settings{ContentHandling: "CONVERT_TO_BINARY"})
			integrated(t, i, false).send("aGVsbG8=")
			want(t, string((<-calls).Payload), "hello")
		}},
		{id: "1.7 whether content is converted before or after the template", status: "UNCERTAIN", source: "no source", here: "a request's after it, an answer's to text before it and to binary after it", check: func(t *testing.T) {
			i, calls := integrating("", nil)
			i.Request = requested(t, mapping.Settings{ContentHandling: "CONVERT_TO_BINARY", Templates: map[string]string{"$default": "$util.base64Encode($input.body)"}})
			integrated(t, i, false).send("hello")
			want(t, string((<-calls).Payload), "hello")
		}},
	}
}

// httpStatus is the status that a handshake at a path is answered with.
func httpStatus(t *testing.T, host, target string) string {
	t.Helper()
	status, _, _ := shake(t, host, target, "")
	return strconv.Itoa(status)
}
