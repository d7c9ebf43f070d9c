package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/wireposttest"
)

// BenchmarkDoctor is 'wirepost doctor --live' in a folder whose
// gateway has nothing wrong with it, from the arguments to the end of the report.
func BenchmarkDoctor(b *testing.B) {
	for _, name := range []string{"WIREPOST_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "AWS_REGION"} {
		b.Setenv(name, "")
	}
	url := "sqlite:" + filepath.Join(b.TempDir(), "store.db")
	store, err := wirepost.OpenStore(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	g := wireposttest.NewGateway(b, wirepost.NewMux(store, nil), nil)
	c, err := wireposttest.Dial(b.Context(), g.URL, nil) // so that the endpoint is learned
	if err != nil {
		b.Fatal(err)
	}
	defer c.Cut()
	run := func() time.Duration {
		began := time.Now()
		var out, errs bytes.Buffer
		if status := run(b.Context(), []string{"doctor", "--live", "--store", url}, strings.NewReader(""), &out, &errs); status != exitDone {
			b.Fatalf("status %d\n%s%s", status, out.String(), errs.String())
		}
		return time.Since(began)
	}
	b.Run("doctor_of_a_healthy_gateway,_with_--live,_worst_of_20,_ms", func(b *testing.B) {
		for b.Loop() {
			worst := time.Duration(0)
			for range 20 {
				worst = max(worst, run())
			}
			b.ReportMetric(float64(worst.Microseconds())/1000, "value")
			b.ReportMetric(300, "goal-max")
		}
	})
}
