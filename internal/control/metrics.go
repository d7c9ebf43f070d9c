package control

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wirepost/wirepost/gateway"
)

// metrics exports what a gateway counts. Labels are configured route keys, kinds of
// management calls, their statuses and four words: nothing that a client chooses, so
// that clients cannot make series.
type metrics struct {
	stats func() gateway.Stats

	connections, queuedBytes, queuedConnections *prometheus.Desc
	messages, bytes, unrouted, routed           *prometheus.Desc
	calls, invocations, failures, throttled     *prometheus.Desc
}

func newMetrics(stats func() gateway.Stats) http.Handler {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("wirepost_"+name, help, labels, nil)
	}
	m := &metrics{
		stats:             stats,
		connections:       describe("connections", "Connections that can be posted to."),
		queuedBytes:       describe("queue_bytes", "Bytes that wait for clients that do not read."),
		queuedConnections: describe("queue_connections", "Connections that have bytes waiting."),
		messages:          describe("messages_total", "Messages from clients (in) and to them (out).", "direction"),
		bytes:             describe("message_bytes_total", "Bytes of messages from clients (in) and of frames to them (out).", "direction"),
		unrouted:          describe("messages_unrouted_total", "Messages that no route was for."),
		routed:            describe("route_messages_total", "Messages by the route that they selected.", "route"),
		calls:             describe("management_calls_total", "Management calls by kind and status; status 0 was not answered.", "call", "status"),
		invocations:       describe("invocation_duration_seconds", "Time of invocations by route.", "route"),
		failures:          describe("invocation_failures_total", "Invocations that ended with an error, by route.", "route"),
		throttled:         describe("throttled_total", "What was refused because there was too much of it.", "what"),
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.connections, m.queuedBytes, m.queuedConnections, m.messages, m.bytes, m.unrouted, m.routed,
		m.calls, m.invocations, m.failures, m.throttled} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	s := m.stats()
	gauge := func(d *prometheus.Desc, v int) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	count := func(d *prometheus.Desc, v int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(m.connections, s.Connections)
	gauge(m.queuedBytes, s.QueuedBytes)
	gauge(m.queuedConnections, s.QueuedConnections)
	count(m.messages, s.MessagesIn, "in")
	count(m.messages, s.MessagesOut, "out")
	count(m.bytes, s.BytesIn, "in")
	count(m.bytes, s.BytesOut, "out")
	count(m.unrouted, s.Unrouted)
	for _, c := range s.Calls {
		count(m.calls, c.Count, string(c.Kind), strconv.Itoa(c.Status))
	}
	bounds := gateway.InvocationBounds()
	for _, r := range s.Routes {
		count(m.routed, r.Messages, r.Key)
		count(m.failures, r.Failed, r.Key)
		below, sum := map[float64]uint64{}, uint64(0)
		for i, n := range r.Buckets {
			sum += uint64(n)
			below[bounds[i].Seconds()] = sum
		}
		// The count may be ahead of the buckets, never behind: it is added to first.
		out <- prometheus.MustNewConstHistogram(m.invocations, max(uint64(r.Invocations), sum), r.Sum.Seconds(), below, r.Key)
	}
	count(m.throttled, s.ThrottledConnects, "connects")
	count(m.throttled, s.ThrottledMessages, "messages")
	count(m.throttled, s.ThrottledCalls, "calls")
	count(m.throttled, s.QueueFull, "queue")
}
