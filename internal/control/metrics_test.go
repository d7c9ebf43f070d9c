package control_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/control"
)

func TestMetricsAreOfTheGatewaysCountsAndNeedTheToken(t *testing.T) {
	live := &control.Live{}
	h := control.Handler(control.Options{Token: "secret", Live: live})
	if status, body := ask(h, "GET", "/metrics", "", nil); status != 503 || !strings.Contains(body, "starting") {
		t.Errorf("before the gateway runs: %d %s", status, body)
	}
	buckets := make([]int64, len(gateway.InvocationBounds()))
	buckets[1], buckets[3] = 2, 1
	live.Set(func() gateway.Stats {
		return gateway.Stats{Connections: 3, QueuedBytes: 70, QueuedConnections: 1, MessagesIn: 5, MessagesOut: 6, BytesIn: 50, BytesOut: 60, Unrouted: 1,
			Routes: []gateway.RouteStats{{Key: `say "it"`, Messages: 4, Failed: 1, Invocations: 4, Sum: 2 * time.Second, Buckets: buckets}},
			Calls:  []gateway.CallStats{{Kind: gateway.CallPost, Status: 410, Count: 2}}, ThrottledConnects: 8, QueueFull: 9}
	}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "inspector "+r.URL.Path) }))
	status, body := ask(h, "GET", "/metrics", "", nil)
	for _, want := range []string{
		"wirepost_connections 3", "wirepost_queue_bytes 70", `wirepost_messages_total{direction="in"} 5`, `wirepost_messages_total{direction="out"} 6`,
		`wirepost_messages_unrouted_total 1`, `wirepost_management_calls_total{call="post",status="410"} 2`,
		`wirepost_invocation_duration_seconds_bucket{route="say \"it\"",le="0.001"} 2`, `wirepost_invocation_duration_seconds_bucket{route="say \"it\"",le="0.005"} 3`,
		`wirepost_invocation_duration_seconds_bucket{route="say \"it\"",le="+Inf"} 4`, `wirepost_invocation_duration_seconds_sum{route="say \"it\""} 2`,
		`wirepost_invocation_failures_total{route="say \"it\""} 1`, `wirepost_throttled_total{what="connects"} 8`, `wirepost_throttled_total{what="queue"} 9`,
	} {
		if status != 200 || !strings.Contains(body, want+"\n") {
			t.Errorf("%d, and no %s in\n%s", status, want, body)
		}
	}
	if status, _ := ask(h, "GET", "/metrics", "", func(r *http.Request) { r.Header.Del("Authorization") }); status != 401 {
		t.Errorf("without the token: %d", status)
	}
	// The inspector has checks of its own, and a page may ask for it.
	if status, body := ask(h, "GET", "/_wirepost/x", "", func(r *http.Request) {
		r.Header.Del("Authorization")
		r.Header.Set("Sec-Fetch-Site", "none")
	}); status != 200 || body != "inspector /_wirepost/x" {
		t.Errorf("the inspector: %d %s", status, body)
	}
	live.Set(func() gateway.Stats { return gateway.Stats{} }, nil)
	if status, _ := ask(h, "GET", "/_wirepost/", "", nil); status != 404 {
		t.Errorf("without an inspector: %d", status)
	}
}
