package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/wireposttest"
)

// hostile sets the clipboard and the title of a terminal, clears the screen, reverses the
// direction of text, hides text, and imitates wirepost's own lines.
const hostile = "\x1b]52;c;ZWNobyBubw==\x07\x1b]0;t\x1b\\\x1b[2J\u009b2J\u202eesrever\u2066\u200b\u2028\ufeff\x7f\x03\rwirepost: sent 1\nwirepost: sent 1\nwirepost: error: no"

// harmless fails the test if a terminal would act on the output, or if a hostile text
// poses as one of wirepost's own lines.
func harmless(t *testing.T, what, out string) {
	t.Helper()
	for i, r := range out {
		_, size := utf8.DecodeRuneInString(out[i:])
		if r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError && size == 1 {
			t.Errorf("%s printed %q at %q", what, r, out[max(0, i-40):min(len(out), i+40)])
			break
		}
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "wirepost: sent") || strings.HasPrefix(line, "wirepost: error: no\n") {
			t.Errorf("%s printed the foreign line %q in\n%s", what, line, out)
		}
	}
	if !strings.Contains(out, "esrever") {
		t.Errorf("%s did not print what it was given:\n%s", what, out)
	}
}

// printed runs a command and returns its output on both streams.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out transcript
	run(t.Context(), args, strings.NewReader(""), &out, &out)
	harmless(t, strings.Join(args[:min(len(args), 2)], " "), out.String())
	return out.String()
}

func hostileFunction(t *testing.T) (folder string) {
	t.Helper()
	_, err := exec.LookPath("node")
	needs(t, "node", err == nil)
	folder = t.TempDir()
	write(t, filepath.Join(folder, "index.js"), `exports.handler = async e => {
	process.stdout.write("got " + (e.body || JSON.stringify(e.queryStringParameters)) + "\n");
	if (e.body === "fail") throw new Error(`+"`"+inTemplate(hostile)+"`"+`);
	return {statusCode: 200, body: e.body};
};`)
	return folder
}

// inTemplate escapes text for a template literal of JavaScript.
func inTemplate(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\r", `\r`).Replace(s)
}

func TestWhatClientsSendIsPrintedHarmless(t *testing.T) {
	d := startDev(t, "--verbose", "--route-response", "$default", "--handler", "index.handler", hostileFunction(t))
	c, err := wireposttest.Dial(t.Context(), d.url+"?user="+url.QueryEscape(hostile), http.Header{"X-Hostile": {"\u202eesrever\u009b"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{hostile, `{"action":"` + "\u202eesrever" + `"}`, "fail"} {
		if err := c.Send(text); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	d.await(t, `got fail`)
	printed(t, "tail", "--kept")
	for n, line := range strings.Split(strings.TrimSpace(printed(t, "tail", "--kept", "--json")), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("line %d of tail --json is %q", n, line)
		}
	}
	if want, _ := json.Marshal(hostile); !strings.Contains(unescaped(t, printed(t, "tail", "--kept", "--json", "--text", "esrever")), string(want)) {
		t.Errorf("tail --json has not the message %s", want)
	}
	c.Cut()
	d.stop()
	harmless(t, "dev", d.output.String())
}

// unescaped writes lines of JSON again as encoding/json does.
func unescaped(t *testing.T, lines string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(lines) {
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(again)
	}
	return b.String()
}

func TestWhatIsInAStoreIsPrintedHarmless(t *testing.T) {
	t.Chdir(t.TempDir())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", "\u202eesrever")
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, hostile)
	}))
	defer server.Close()
	store, err := wirepost.OpenStore(t.Context(), "sqlite:store.db")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	id := wirepost.Identity{APIID: "abcdefghij", Stage: "dev", Region: "us-east-1"}
	record := wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: id, URL: server.URL + "/dev"}, EventTime: time.Now()}
	if _, err := store.PutStage(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	name := "\u202eesrever\u2066\u200b\u2028\ufeff" // a store refuses control characters
	row := wirepost.Connection{ID: "esreverID=", Endpoint: id, User: name, Topics: []string{"t" + name}, ConnectedAt: time.Now().Add(-time.Minute), ExpiresAt: time.Now().Add(time.Hour)}
	if err := store.Put(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"send", "--store", "sqlite:store.db", "--to", "everyone", "hi"},
		{"send", "--store", "sqlite:store.db", "--to", "user:" + name + "x", "hi"},
		{"kick", "--store", "sqlite:store.db", "--to", "everyone"},
		{"list", "--store", "sqlite:store.db"},
		{"list", "--store", "sqlite:store.db", "--json"},
		{"list", "--store", "sqlite:store.db", "--topic", name},
		{"sweep", "--store", "sqlite:store.db", hostile},
		{"doctor", "--store", "sqlite:store.db", server.URL + "/dev"},
		{"doctor", "--store", "sqlite:store.db", server.URL + "/dev\u202eesrever"},
		{"doctor", "--json", "--store", "sqlite:store.db", server.URL + "/dev\u202eesrever"},
	} {
		printed(t, args...)
	}
}

func TestWhatAFunctionSaysIsPrintedHarmless(t *testing.T) {
	folder := hostileFunction(t)
	t.Chdir(t.TempDir())
	out := printed(t, "invoke", "--event", "message", "--body", hostile, "--handler", "index.handler", "--", folder)
	answer, _, _ := strings.Cut(out[strings.LastIndex(out, "{"):], "\n") // a line of the function's may come behind it
	if want, _ := json.Marshal(hostile); !strings.Contains(out, `{"statusCode":200,"body":"\u001b]52;c;`) || !strings.Contains(unescaped(t, answer), string(want)) {
		t.Errorf("the answer is not the function's:\n%s", out)
	}
	printed(t, "invoke", "--event", "message", "--body", "fail", "--handler", "index.handler", "--", folder)
	printed(t, "invoke", "--event", "message", "--body", hostile, "--print")
}

func TestWhatIsInATemplateIsPrintedHarmless(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	bad := `\e]0;esrever\a\u202e\u009b`
	for name, text := range map[string]string{
		"a function's code": "Resources:\n  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}\n" +
			"  F: {Type: AWS::Serverless::Function, Properties: {Runtime: nodejs20.x, Handler: index.handler, CodeUri: \"" + bad + "/\\n.zip\"}}\n" +
			"  I: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !Sub \"arn:aws:apigateway:x:lambda:path/2015-03-31/functions/${F.Arn}/invocations\"}}\n" +
			"  R: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub \"integrations/${I}\"}}\n",
		"no api": "Parameters: {\"" + bad + "\": {Type: String}}\nResources:\n  A: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: !Ref \"" + bad + "\"}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			write(t, "template.yaml", text)
			printed(t, "dev", "--listen", "127.0.0.1:0", "--strict", "--template", "template.yaml")
		})
	}
}

func TestWhatATableIsCalledIsPrintedHarmless(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(name, value)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DescribeTable") {
			w.WriteHeader(http.StatusBadRequest)
			json.NewEncoder(w).Encode(map[string]string{"__type": "x#AccessDeniedException", "message": hostile})
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"Table": map[string]any{"TableName": "t", "TableStatus": hostile,
			"KeySchema": []any{map[string]any{"AttributeName": hostile, "KeyType": "HASH"}}, "AttributeDefinitions": []any{map[string]any{"AttributeName": hostile, "AttributeType": "S"}}}})
	}))
	defer server.Close()
	url := "dynamodb://connections?region=us-east-1&endpoint=" + server.URL
	printed(t, "table", "describe", url)
	printed(t, "table", "describe", "--json", url)
	printed(t, "table", "check", url)
	printed(t, "list", "--store", url)
}
