package dev

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/ask"
	"github.com/wirepost/wirepost/internal/app"
)

// A handler that takes longer than a route waits goes on in an invocation of its own,
// which takes no place of the function's.
func TestAnAnswerThatTakesLongerThanARouteWaitsArrives(t *testing.T) {
	folder, err := filepath.Abs("../../examples/ask/function")
	if err != nil {
		t.Fatal(err)
	}
	one := Processes{Concurrency: 1}
	template := &app.App{Region: "us-east-1", Account: "000000000000", APIs: []app.API{{LogicalID: "Api", Stage: "prod", RouteSelection: "$request.body.action",
		Routes: []app.Route{{Key: "$connect", Integration: app.Integration{Kind: app.AWSProxy, Function: "Ask"}}, {Key: "$default", TwoWay: true, Integration: app.Integration{Kind: app.AWSProxy, Function: "Ask"}}}}},
		Functions: []app.Function{
			{LogicalID: "Ask", Name: "stack-ask", StandIn: "go:" + folder, Timeout: 2 * time.Second, Env: map[string]string{"WIREPOST_LONG_FUNCTION": "arn:aws:lambda:us-east-1:000000000000:function:stack-long:live"}},
			{LogicalID: "Long", Name: "stack-long", StandIn: "go:" + folder, Timeout: 15 * time.Minute},
		}}
	for name, c := range map[string]Config{
		"a folder":   {Named: &Named{Function: []string{"go:" + folder}, RouteResponses: []string{"$default"}}, Processes: one},
		"a template": {App: template, Processes: one},
		"in process": {InProcess: &InProcess{New: func(s wirepost.Store, p *wirepost.Publisher, _ wirepost.Endpoint, l *slog.Logger) *wirepost.Mux {
			return ask.New(s, p, nil)
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.IntegrationTimeout = time.Second
			r := start(t, c)
			client := r.dial(t, "?user=alice")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := client.Send(`{"action":"ask","ref":"1","question":"x","seconds":3}`); err != nil {
				t.Fatal(err)
			}
			var id, text string
			asked, pongs := false, 0
			for start := time.Now(); ; {
				line, err := client.Receive(ctx)
				if err != nil {
					t.Fatalf("%v; %s", err, r)
				}
				var f struct {
					Type, ID, Stream, Text, Error, Code string
					At                                  int
					End                                 bool
				}
				if err := json.Unmarshal([]byte(line), &f); err != nil || f.Type == "error" || f.Error != "" {
					t.Fatalf("%s, %v; %s", line, err, r)
				}
				switch f.Type {
				case "ack":
					id = f.Stream
				case "pong":
					pongs++
				case "stream":
					if f.At > len(text) {
						t.Fatalf("%s comes after %d", line, len(text))
					}
					text += f.Text[len(text)-f.At:]
				default:
					t.Fatal(line)
				}
				if f.Type == "stream" && !asked { // the one place is free
					asked = true
					if err := client.Send(`{"action":"ping"}`); err != nil {
						t.Fatal(err)
					}
				}
				if f.End {
					if took := time.Since(start); took < 2*time.Second || id == "" || pongs != 1 || len(strings.Fields(text)) < 300 {
						t.Errorf("%v, stream %q, pongs %d, %d words", took, id, pongs, len(strings.Fields(text)))
					}
					return
				}
			}
		})
	}
}
