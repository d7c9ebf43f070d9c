//go:build linux

package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/mapping"
)

// BenchmarkMapped128KBMicroseconds is a message of 128 KB to a function and back, through a
// template that takes 20 fields of it with $input.path. Its reference is AWS_PROXY to the
// same function, which reads its payload. Goal: at most 3 times that.
func BenchmarkMapped128KBMicroseconds(b *testing.B) {
	message := map[string]string{}
	var template strings.Builder
	for n := range 20 {
		name := fmt.Sprintf("field%02d", n)
		message[name] = strings.Repeat(fmt.Sprintf("é \"%d\" ", n), 500)
		fmt.Fprintf(&template, `"%s": "$util.escapeJavaScript($input.path('$.%s').substring(0, 10))", `, name, name)
	}
	data, err := json.Marshal(message)
	if err != nil {
		b.Fatal(err)
	}
	data = append(data[:len(data)-1], fmt.Sprintf(`,"filler":"%s"}`, strings.Repeat("x", DefaultMessageBytes-len(data)-20))...)
	request, err := mapping.ParseRequest(mapping.Settings{Templates: map[string]string{"$default": "{" + template.String() + `"end": 1}`}})
	if err != nil {
		b.Fatal(err)
	}
	body := []byte("ok")
	// The function reads what it gets, as a runtime does before any handler.
	read := func(payload []byte) error {
		var v any
		return json.Unmarshal(payload, &v)
	}
	proxy := FunctionFunc(func(_ context.Context, event []byte) ([]byte, error) {
		return []byte(`{"statusCode":200,"body":"ok"}`), read(event)
	})
	mapped := &Integration{
		Request: func(ctx context.Context, in MappingInput) ([]byte, error) {
			m, err := request.Map(ctx, mapping.Input{Body: in.Body, Context: in.Context, StageVariables: in.StageVariables, Event: in.Event})
			if err != nil {
				return nil, err
			}
			return m.Out, nil
		},
		Call: func(_ context.Context, c IntegrationCall) (*IntegrationAnswer, error) {
			return &IntegrationAnswer{Body: body}, read(c.Payload)
		},
	}
	var frames []byte
	for rest, first := data, byte(1); len(rest) > 0; first = 0 {
		n := min(len(rest), DefaultFrameBytes)
		final := byte(0)
		if n == len(rest) {
			final = 0x80
		}
		frames, rest = append(frames, masked(final|first, rest[:n])...), rest[n:]
	}
	took := map[string]time.Duration{}
	hosts := map[string]string{}
	for name, f := range map[string]Function{"proxy": proxy, "mapped": mapped} {
		hosts[name] = serve(b, &Server{Function: f, Routes: map[string]Route{"$default": {RouteResponse: true}}, ConnectRate: -1, RequestRate: -1})
	}
	for range b.N {
		for name, host := range hosts {
			var all []time.Duration
			for range 5 {
				all = append(all, medianTrip(b, host, frames, 2+len(body)))
			}
			took[name] = slices.Min(all)
		}
		b.ReportMetric(float64(took["mapped"].Nanoseconds())/1e3, "value")
		b.ReportMetric(float64(took["proxy"].Nanoseconds())/1e3, "reference")
		b.ReportMetric(float64(took["mapped"])/float64(took["proxy"]), "ratio")
		b.ReportMetric(3, "goal-max")
		b.ReportMetric(0, "ns/op")
	}
}

// medianTrip is the median time from sending a message to the end of an answer.
func medianTrip(b *testing.B, host string, message []byte, answerBytes int) time.Duration {
	b.Helper()
	c, err := net.Dial("tcp", host)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "GET /dev HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", host)
	r := bufio.NewReader(c)
	if answer, err := http.ReadResponse(r, nil); err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		b.Fatalf("the handshake: %v, %v", answer, err)
	}
	var all []time.Duration
	got := make([]byte, answerBytes)
	for range 101 {
		began := time.Now()
		if _, err := c.Write(message); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(r, got); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
