package inspector

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/gateway"
)

// BenchmarkFilterOver10000EventsMs searches for a text that nothing has, which is the
// longest search: in events of a usual size, and in as much as is ever kept. Goal: at
// most 100 ms.
func BenchmarkFilterOver10000EventsMs(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
	}{{"usual", 700}, {"64_MiB", 6000}} {
		b.Run(c.name, func(b *testing.B) {
			r := NewRecorder(nil)
			for n := range MaxRecords {
				text := fmt.Sprintf(`{"requestContext":{"routeKey":"say","connectionId":"%d"},"body":"%s"}`, n, strings.Repeat(`{\"text\":\"The quick brown fox\"} `, c.size/34))
				r.Observe(gateway.Observation{Kind: gateway.ObservedMessage, ConnectionID: fmt.Sprint("connection", n), RouteKey: "say", Payload: []byte(text)})
			}
			f := filter{text: newNeedle("connection lost")}
			var took []time.Duration
			for range 11 * b.N {
				began := time.Now()
				records, _ := r.since()
				if _, total := find(records, &f, 0, listed); total != 0 {
					b.Fatal("it was found")
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took) // the fast quarter: what else the machine does can only add
			b.ReportMetric(float64(took[len(took)/4].Microseconds())/1000, "value")
			b.ReportMetric(100, "goal-max")
			b.ReportMetric(float64(r.state(0).Bytes)/(1<<20), "MiB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkObserve is what a message costs the recorder: the message, its invocation,
// and the frame of its answer.
func BenchmarkObserve(b *testing.B) {
	r := NewRecorder(nil)
	message := []byte(`{"action":"ping","ref":"0123456789012345678901234567890123456789"}`)
	event := []byte(`{"requestContext":{"routeKey":"ping","messageId":"SOqIDdzSoAMCEeg=","eventType":"MESSAGE","extendedRequestId":"SOqIDEacoAMFaHQ=","requestTime":"16/May/2022:17:30:27 +0000","messageDirection":"IN","stage":"api","connectedAt":1652722217711,"requestTimeEpoch":1652722227357,"identity":{"sourceIp":"123.456.789.123"},"requestId":"SOqIDEacoAMFaHQ=","domainName":"u9jlm1pv1h.execute-api.us-east-1.amazonaws.com","connectionId":"SOqGjdZioAMCEeg=","apiId":"u9jlm1pv1h"},"body":"{\"action\":\"ping\"}","isBase64Encoded":false}`)
	answer := []byte(`{"statusCode":200,"body":"{\"type\":\"pong\"}"}`)
	o := gateway.Observation{Kind: gateway.ObservedMessage, ConnectionID: "SOqGjdZioAMCEeg=", RouteKey: "ping", RequestID: "SOqIDEacoAMFaHQ="}
	b.ReportAllocs()
	for b.Loop() {
		o.Kind, o.Payload = gateway.ObservedMessage, message
		r.Observe(o)
		o.Kind, o.Payload = gateway.ObservedInvocation, event
		_, ended := r.Invoke(b.Context(), o)
		ended(answer, nil)
		o.Kind, o.Payload = gateway.ObservedFrame, answer
		r.Observe(o)
	}
}
