package gateway

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// golden is the recorded event in a file, without the space between tokens.
func golden(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	source, text, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok || !bytes.HasPrefix(source, []byte("source: ")) {
		t.Fatalf("%s does not name its source", name)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	return compact.String()
}

// bytesOf decodes recorded IDs, so that a server draws them as its randomness.
func bytesOf(t *testing.T, ids ...string) []byte {
	t.Helper()
	var raw []byte
	for _, id := range ids {
		b, err := base64.URLEncoding.DecodeString(id)
		if err != nil {
			if b, err = hex.DecodeString(id); err != nil {
				t.Fatal(err)
			}
		}
		raw = append(raw, b...)
	}
	return raw
}

func engineOf(t testing.TB, s *Server) *engine {
	t.Helper()
	e, err := s.ready()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEventsEqualRecordedOnesByteForByte(t *testing.T) {
	firefox := peer{id: "TXzPWdnOjoECGjA=", sourceIP: "185.69.197.15", userAgent: "Mozilla/5.0 Firefox/122.0",
		domain: "allowedhost.com", connectedAt: 1708326702789}
	t.Run("CONNECT", func(t *testing.T) {
		trace, _ := hex.DecodeString("718990494fd688f062bf1571")
		e := engineOf(t, &Server{Function: newRecorder(), Stage: "develop", APIID: "nn27okk1we",
			Random: bytes.NewReader(append(bytesOf(t, "TXzPWFkkjoEF92g="), trace...))})
		r := httptest.NewRequest("GET", "https://allowedhost.com/develop", nil)
		r.TLS = &tls.ConnectionState{}
		for name, value := range map[string]string{
			"Accept": "*/*", "Accept-Encoding": "gzip, deflate, br", "Accept-Language": "en-US,en;q=0.5", "Cache-Control": "no-cache",
			"Origin": "https://testsite.com", "Pragma": "no-cache", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "websocket",
			"Sec-Fetch-Site": "cross-site", "Sec-WebSocket-Extensions": "permessage-deflate", "Sec-WebSocket-Key": "DM+9PqsQtaZrN+IMZbWTzg==",
			"Sec-WebSocket-Version": "13", "User-Agent": "Mozilla/5.0 Firefox/122.0",
			"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Content-Length": "0", // not in the event
		} {
			r.Header.Set(name, value)
		}
		if got, want := string(e.connectEvent(&firefox, r, e.newRequestID(), time.UnixMilli(1708326702790))), golden(t, "connect.txt"); got != want {
			t.Errorf("event = %s\nwant    %s", got, want)
		}
	})
	t.Run("MESSAGE", func(t *testing.T) {
		e := engineOf(t, &Server{Function: newRecorder(), Stage: "api", APIID: "u9jlm1pv1h", Random: bytes.NewReader(bytesOf(t, "SOqIDdzSoAMCEeg="))})
		p := peer{id: "SOqGjdZioAMCEeg=", sourceIP: "123.456.789.123", domain: "u9jlm1pv1h.execute-api.us-east-1.amazonaws.com", connectedAt: 1652722217711}
		got := string(e.messageEvent(&p, "$default", "SOqIDEacoAMFaHQ=", []byte(`{"first_name" : "Jane", "last_name" : "Doe"}`), time.UnixMilli(1652722227357)))
		if want := golden(t, "message.txt"); got != want {
			t.Errorf("event = %s\nwant    %s", got, want)
		}
	})
	t.Run("DISCONNECT", func(t *testing.T) {
		e := engineOf(t, &Server{Function: newRecorder(), Stage: "develop", APIID: "nn27okk1we", Random: bytes.NewReader(bytesOf(t, "TX0tuFp2joEF5Zw="))})
		got := string(e.disconnectEvent(&firefox, e.newRequestID(), 1001, "Going away", time.UnixMilli(1708327306706)))
		if want := golden(t, "disconnect.txt"); got != want {
			t.Errorf("event = %s\nwant    %s", got, want)
		}
	})
}

func TestQueryAndHeaderValuesKeepTheirOrderAndTheLastOneWins(t *testing.T) {
	e := engineOf(t, &Server{Function: newRecorder()})
	r := httptest.NewRequest("GET", "/dev?b=1&a=x%20y&b=2&flag&bad=%zz&=empty", nil)
	r.Header["X-Twice"] = []string{"one", "two"}
	r.Header.Set("X-Forwarded-For", "9.9.9.9")
	var got events.APIGatewayWebsocketProxyRequest
	event := e.connectEvent(&peer{id: "TXzPWdnOjoECGjA=", sourceIP: "1.2.3.4"}, r, e.newRequestID(), time.Now())
	if err := json.Unmarshal(event, &got); err != nil {
		t.Fatal(err)
	}
	if got.QueryStringParameters["b"] != "2" || strings.Join(got.MultiValueQueryStringParameters["b"], ",") != "1,2" ||
		got.QueryStringParameters["a"] != "x y" || got.QueryStringParameters["bad"] != "%zz" || got.QueryStringParameters[""] != "empty" {
		t.Errorf("query = %v %v", got.QueryStringParameters, got.MultiValueQueryStringParameters)
	}
	if _, there := got.QueryStringParameters["flag"]; !there {
		t.Error("a parameter without a value is lost")
	}
	if got.Headers["X-Twice"] != "two" || strings.Join(got.MultiValueHeaders["X-Twice"], ",") != "one,two" {
		t.Errorf("headers = %v %v", got.Headers, got.MultiValueHeaders)
	}
	if got.Headers["X-Forwarded-For"] != "9.9.9.9, 1.2.3.4" {
		t.Errorf("X-Forwarded-For = %q", got.Headers["X-Forwarded-For"])
	}
	if bytes.Contains(event, []byte(`"userAgent"`)) || bytes.Contains(event, []byte("null")) {
		t.Errorf("what is absent is in the event: %s", event)
	}
	plain := e.connectEvent(&peer{}, httptest.NewRequest("GET", "/dev?", nil), e.newRequestID(), time.Now())
	if bytes.Contains(plain, []byte("ueryStringParameters")) {
		t.Errorf("an event without a query has query maps: %s", plain)
	}
}

func TestIdentifiersHaveTheirRecordedShape(t *testing.T) {
	e := engineOf(t, &Server{Function: newRecorder()})
	connection, request := e.newConnectionID(), e.newRequestID()
	message := e.newMessageID(connection)
	for id, mark := range map[string]byte{connection: 2, request: 5, message: 2} {
		raw, err := base64.URLEncoding.Strict().DecodeString(id)
		if err != nil || len(raw) != 11 || raw[8] != mark || !validConnectionID(id) {
			t.Errorf("%s: %x, %v", id, raw, err)
		}
	}
	if connection[11:] != message[11:] || connection == message {
		t.Errorf("message %s does not end as connection %s", message, connection)
	}
	if uuid := e.newUUID(); len(uuid) != 36 || uuid[14] != '4' {
		t.Errorf("UUID %s", uuid)
	}
	if len(e.apiID) != 10 {
		t.Errorf("API ID %s", e.apiID)
	}
	for _, id := range []string{"", "x", "L0SM9cOFvHcCIhw", "L0SM9cOFvHcCIhw==", "L0SM9cOFvHc/Ihw=", strings.Repeat("=", 16)} {
		if validConnectionID(id) {
			t.Errorf("%q passes for a connection ID", id)
		}
	}
}

func FuzzEventJSON(f *testing.F) {
	f.Add("X-Name", "value", "a=b&c=%ff", `{"a":"b"}`, "agent")
	f.Add("Cookie", "\xff\x00\"\\", "%zz&&a=\xfe&a=\xfd", "\u2028\x7f\xc3", "\xe2\x80")
	e := engineOf(f, &Server{Function: newRecorder()})
	f.Fuzz(func(t *testing.T, name, value, query, body, agent string) {
		p := peer{id: "TXzPWdnOjoECGjA=", sourceIP: value, userAgent: agent, domain: name}
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "/dev", RawQuery: query}, Header: http.Header{}, RemoteAddr: value, Host: value}
		r.Header.Set(name, value)
		var got events.APIGatewayWebsocketProxyRequest
		for _, event := range [][]byte{
			e.connectEvent(&p, r, e.newRequestID(), time.Now()),
			e.disconnectEvent(&p, e.newRequestID(), 1001, value, time.Now()),
			e.messageEvent(&p, name, "TX0tuFp2joEF5Zw=", []byte(body), time.Now()),
		} {
			if !utf8.Valid(event) {
				t.Fatalf("not UTF-8: %q", event)
			}
			got = events.APIGatewayWebsocketProxyRequest{}
			if err := json.Unmarshal(event, &got); err != nil {
				t.Fatalf("%v: %s", err, event)
			}
		}
		// encoding/json reads back what it would have written itself.
		quoted, _ := json.Marshal(body)
		var want string
		json.Unmarshal(quoted, &want)
		if got.Body != want || got.RequestContext.Identity.SourceIP != strings.ToValidUTF8(value, "\ufffd") && utf8.ValidString(value) {
			t.Errorf("body = %q, want %q", got.Body, want)
		}
	})
}
