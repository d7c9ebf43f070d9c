package lambdart

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkInvoke is an event of 1 KB to a process that only answers, and back.
func BenchmarkInvoke(b *testing.B) {
	event := fmt.Appendf(nil, `{"body":"%01000d"}`, 0)
	for _, c := range []struct {
		name    string
		config  func() Config
		callers int
	}{
		{"raw", func() Config { return as(b, "echo") }, 1},
		{"lambda.Start", func() Config { return as(b, "echo-go") }, 1},
		{"lambda.Start", func() Config { return as(b, "echo-go") }, 8},
		{"node", func() Config {
			return handler(b, Node, "index.handler", "index.mjs", `export const handler = async (event) => event`)
		}, 1},
		{"python", func() Config {
			return handler(b, Python, "app.handler", "app.py", "def handler(e, c):\n    return e\n")
		}, 1},
	} {
		b.Run(fmt.Sprintf("%s/callers=%d", c.name, c.callers), func(b *testing.B) {
			config := c.config()
			config.Concurrency = c.callers
			f := begin(b, config)
			times := make([]time.Duration, b.N)
			var wait sync.WaitGroup
			b.ResetTimer()
			for n := range c.callers {
				wait.Go(func() {
					for i := n; i < b.N; i += c.callers {
						start := time.Now()
						if _, err := f.Invoke(b.Context(), event); err != nil {
							b.Error(err)
							return
						}
						times[i] = time.Since(start)
					}
				})
			}
			wait.Wait()
			b.StopTimer()
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "invocations/s")
		})
	}
}
