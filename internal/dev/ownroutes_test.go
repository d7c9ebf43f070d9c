package dev

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/wireposttest"
)

// runNamed runs a dev with functions that were named, and connects a client.
func runNamed(t *testing.T, named *Named, env []string) (*running, *wireposttest.Client) {
	t.Helper()
	r := start(t, Config{Named: named, Env: env})
	c := r.dial(t, "")
	return r, c
}

// exchangeOne sends a frame and returns the answer.
func exchangeOne(t *testing.T, c *wireposttest.Client, frame string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Send(frame); err != nil {
		t.Fatal(err)
	}
	answer, err := c.Receive(ctx)
	if err != nil {
		t.Fatalf("%s: %v", frame, err)
	}
	return answer
}

func TestAProgramWithAMuxHasItsOwnRoutesAndAnswers(t *testing.T) {
	named := program(t)
	named.RouteResponses = nil
	_, c := runNamed(t, named, functionDoes("mux"))
	for _, tt := range []struct{ send, want string }{
		{`{"action":"track","ref":1,"order":7}`, `{"type":"ack","ref":1,"data":"order 7 by track"}`},
		{`{"action":"ping"}`, `its own`},
	} {
		if got := exchangeOne(t, c, tt.send); got != tt.want {
			t.Errorf("%s is answered %s, want %s", tt.send, got, tt.want)
		}
	}
}

func TestARouteThatIsNamedForAMuxIsAnsweredIfTheMuxHasIt(t *testing.T) {
	path := program(t).Function[0]
	_, c := runNamed(t, &Named{Routes: []NamedRoute{{"$connect", path}, {"track", path}}}, functionDoes("mux"))
	if got := exchangeOne(t, c, `{"action":"track","order":8}`); got != `{"type":"ack","data":"order 8 by track"}` {
		t.Errorf("answered %s", got)
	}
}

// stranger is a function that does not know this module: it answers with how many events
// it has had, and with each of them.
const stranger = `package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	var all []string
	for {
		r, err := http.Get(api + "next")
		if err != nil {
			os.Exit(1)
		}
		event, _ := io.ReadAll(r.Body)
		r.Body.Close()
		all = append(all, string(event))
		answer, _ := json.Marshal(map[string]any{"statusCode": 200, "body": strings.Join(all, "\n")})
		r, err = http.Post(api+r.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", strings.NewReader(string(answer)))
		if err != nil {
			os.Exit(1)
		}
		r.Body.Close()
	}
}
`

func TestAFunctionThatDoesNotKnowThisModuleIsNeverAsked(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module stranger\n\ngo 1.22\n", "main.go": stranger} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	built := filepath.Join(folder, "bootstrap")
	build := exec.CommandContext(t.Context(), goTool, "build", "-o", built, ".")
	build.Dir = folder
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, function := range []string{built, "go:" + folder} {
		_, c := runNamed(t, &Named{Function: []string{function}, RouteResponses: []string{"$default"}}, os.Environ())
		got := strings.Split(exchangeOne(t, c, "hello"), "\n")
		if len(got) != 2 || !strings.Contains(got[0], `"CONNECT"`) || !strings.Contains(got[1], `"MESSAGE"`) {
			t.Errorf("%s had the events %q, want one of $connect and one of the message", function, got)
		}
	}
}
