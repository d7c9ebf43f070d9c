package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/lambdart"
	"github.com/wirepost/wirepost/wireposttest"
)

const roundTrips = 2000

// BenchmarkFunctionProcess is a message from a client to a Go function in a process
// of its own, through the Runtime API, and its answer back: one after the other. The
// reference is a POST of the same bytes to a Go HTTP server in this process.
func BenchmarkFunctionProcess(b *testing.B) {
	bootstrap := filepath.Join(b.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, "./testdata/functions/goanswer")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	source, err := lambdart.ParseSource([]string{bootstrap}, "")
	if err != nil {
		b.Fatal(err)
	}
	start := func(b *testing.B) *lambdart.Function {
		f, err := lambdart.Start(b.Context(), lambdart.Config{Name: "answer", Source: source, Env: os.Environ()})
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
	end := func(f *lambdart.Function) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		f.Close(ctx)
	}
	f := start(b)
	defer end(f)
	g := wireposttest.NewGateway(b, f, func(s *gateway.Server) { s.Routes = map[string]gateway.Route{"$default": {RouteResponse: true}} })
	client, err := wireposttest.Dial(b.Context(), g.URL, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer client.Cut()
	const text = `{"action":"answer","n":1}`
	message := func() time.Duration {
		began := time.Now()
		if err := client.Send(text); err != nil {
			b.Fatal(err)
		}
		if got, err := client.Receive(b.Context()); err != nil || got != text {
			b.Fatalf("received %q, %v", got, err)
		}
		return time.Since(began)
	}
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer plain.Close()
	post := func() time.Duration {
		began := time.Now()
		r, err := http.Post(plain.URL, "application/json", strings.NewReader(text))
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
		return time.Since(began)
	}
	for range 200 {
		message()
		post()
	}
	mine, theirs := make([]time.Duration, roundTrips), make([]time.Duration, roundTrips)
	for i := range mine { // in turn, so that what else runs slows both
		mine[i], theirs[i] = message(), post()
	}
	slices.Sort(mine)
	slices.Sort(theirs)
	for _, row := range []struct {
		name string
		at   int
	}{{"client_→_function_process_→_client,_p50,_µs,_beside_a_plain_HTTP_round_trip", roundTrips / 2}, {"the_same,_p99,_µs", roundTrips * 99 / 100}} {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(float64(mine[row.at].Nanoseconds())/1000, "value")
				b.ReportMetric(float64(theirs[row.at].Nanoseconds())/1000, "reference")
				b.ReportMetric(float64(mine[row.at])/float64(theirs[row.at]), "ratio")
			}
		})
	}
	b.Run("first_message_with_a_cold_process,_ms,_beside_a_plain_HTTP_round_trip", func(b *testing.B) {
		for b.Loop() {
			var cold []time.Duration
			for range 10 {
				began := time.Now()
				f := start(b)
				if _, err := f.Invoke(b.Context(), []byte(`{"body":"x","requestContext":{}}`)); err != nil {
					b.Fatal(err)
				}
				cold = append(cold, time.Since(began))
				end(f)
			}
			slices.Sort(cold)
			b.ReportMetric(float64(cold[len(cold)/2].Microseconds())/1000, "value")
			b.ReportMetric(float64(theirs[roundTrips/2].Microseconds())/1000, "reference")
		}
	})
}
