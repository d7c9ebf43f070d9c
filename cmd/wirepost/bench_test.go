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

// Each row is the median of so many series. In a series every trip is followed by one of
// the reference, so that what else runs slows both.
const (
	benchSeries  = 10
	seriesTrips  = 200
	warmingTrips = 300
	tripText     = `{"action":"answer","n":1}`
)

// BenchmarkFunctionProcess is a message from a client to a function in a process of its
// own, through the Runtime API, and its answer back: p50 of each series. A function in Go, on AWS's runtime client, is compared with a POST of the same
// bytes over a connection that stays to a Go HTTP server in this process (goal: at most 3
// times); a handler in Node.js and one in Python, on the bootstraps of this module, with
// the same handler on AWS's runtime client for its language (goal: at most 1.5 times),
// where that is installed.
func BenchmarkFunctionProcess(b *testing.B) {
	b.Run("client_→_Go_function_in_a_process_→_client,_p50,_µs,_beside_a_plain_HTTP_round_trip", func(b *testing.B) {
		inTurn(b, trips(b, goAnswer(b)), plainTrips(b), 3)
	})
	b.Run("the_same_in_Node.js,_beside_AWS's_runtime_client", func(b *testing.B) {
		dir := handlerFolder(b, "index.mjs", `export const handler = async (event) => ({ statusCode: 200, body: event.body });`)
		ours := sourceOf(b, "index.handler", dir)
		client, err := filepath.Abs("../../.tools/aws-lambda-ric/node_modules/aws-lambda-ric")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(client, "dist/rapid-client.node")); err != nil {
			b.Skip("skipped: AWS's runtime client for Node.js is not installed; run make test-needs")
		}
		theirs := lambdart.Source{Kind: lambdart.Program, Args: []string{"node", filepath.Join(client, "bin/index.mjs"), "index.handler"}, Dir: dir, Handler: "index.handler"}
		inTurn(b, trips(b, ours), trips(b, theirs), 1.5)
	})
	b.Run("the_same_in_Python,_beside_AWS's_runtime_client_or_a_plain_HTTP_round_trip", func(b *testing.B) {
		dir := handlerFolder(b, "app.py", "def handler(event, context):\n    return {\"statusCode\": 200, \"body\": event[\"body\"]}\n")
		ours := trips(b, sourceOf(b, "app.handler", dir))
		if exec.Command("python3", "-c", "import awslambdaric").Run() != nil {
			inTurn(b, ours, plainTrips(b), 0)
			return
		}
		theirs := lambdart.Source{Kind: lambdart.Program, Args: []string{"python3", "-m", "awslambdaric", "app.handler"}, Dir: dir, Handler: "app.handler"}
		inTurn(b, ours, trips(b, theirs), 1.5)
	})
	b.Run("first_message_with_a_cold_process,_ms", func(b *testing.B) {
		source := goAnswer(b)
		for b.Loop() {
			var cold []time.Duration
			for range benchSeries {
				began := time.Now()
				f, end := startFunction(b, source)
				if _, err := f.Invoke(b.Context(), []byte(`{"body":"x","requestContext":{}}`)); err != nil {
					b.Fatal(err)
				}
				cold = append(cold, time.Since(began))
				end()
			}
			b.ReportMetric(float64(median(cold).Microseconds())/1000, "value")
			b.ReportMetric(0, "ns/op")
		}
	})
}

// inTurn reports the medians of two kinds of round trips in turn, and of their ratio. A
// goal of zero is none.
func inTurn(b *testing.B, mine, theirs func(), goal float64) {
	b.Helper()
	for range warmingTrips {
		mine()
		theirs()
	}
	var values, references []time.Duration
	var ratios []float64
	for b.Loop() {
		for range benchSeries {
			value, reference := p50s(mine, theirs)
			values, references = append(values, value), append(references, reference)
			ratios = append(ratios, float64(value)/float64(reference))
		}
	}
	b.ReportMetric(float64(median(values).Nanoseconds())/1000, "value")
	b.ReportMetric(float64(median(references).Nanoseconds())/1000, "reference")
	b.ReportMetric(median(ratios), "ratio")
	if goal > 0 {
		b.ReportMetric(goal, "goal-max")
	}
	b.ReportMetric(0, "ns/op")
}

// p50s is one series.
func p50s(mine, theirs func()) (value, reference time.Duration) {
	timed := func(trip func()) time.Duration {
		began := time.Now()
		trip()
		return time.Since(began)
	}
	var one, other [seriesTrips]time.Duration
	for i := range seriesTrips {
		one[i], other[i] = timed(mine), timed(theirs)
	}
	return median(one[:]), median(other[:])
}

func median[T time.Duration | float64](of []T) T {
	of = slices.Sorted(slices.Values(of))
	return (of[(len(of)-1)/2] + of[len(of)/2]) / 2
}

// trips are messages to a function behind a gateway of its own, and the answers.
func trips(b *testing.B, source lambdart.Source) (trip func()) {
	b.Helper()
	f, end := startFunction(b, source)
	b.Cleanup(end)
	g := wireposttest.NewGateway(b, f, func(s *gateway.Server) { s.Routes = map[string]gateway.Route{"$default": {RouteResponse: true}} })
	client, err := wireposttest.Dial(b.Context(), g.URL, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Cut() })
	return func() {
		if err := client.Send(tripText); err != nil {
			b.Fatal(err)
		}
		if got, err := client.Receive(b.Context()); err != nil || got != tripText {
			b.Fatalf("received %q, %v", got, err)
		}
	}
}

// plainTrips are POSTs of the same bytes to an HTTP server that sends them back.
func plainTrips(b *testing.B) (trip func()) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	b.Cleanup(plain.Close)
	return func() {
		r, err := http.Post(plain.URL, "application/json", strings.NewReader(tripText))
		if err != nil {
			b.Fatal(err)
		}
		got, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || string(got) != tripText {
			b.Fatalf("received %q, %v", got, err)
		}
	}
}

func startFunction(b *testing.B, source lambdart.Source) (f *lambdart.Function, end func()) {
	b.Helper()
	f, err := lambdart.Start(b.Context(), lambdart.Config{Name: "answer", Source: source, Env: os.Environ()})
	if err != nil {
		b.Fatal(err)
	}
	return f, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		f.Close(ctx)
	}
}

func sourceOf(b *testing.B, handler, arg string) lambdart.Source {
	b.Helper()
	source, err := lambdart.ParseSource([]string{arg}, handler)
	if err != nil {
		b.Fatal(err)
	}
	return source
}

func goAnswer(b *testing.B) lambdart.Source {
	b.Helper()
	bootstrap := filepath.Join(b.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, "./testdata/functions/goanswer")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return sourceOf(b, "", bootstrap)
}

func handlerFolder(b *testing.B, name, text string) (dir string) {
	b.Helper()
	dir = b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return dir
}
