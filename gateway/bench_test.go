//go:build linux

package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// quietFunction answers at once and keeps nothing.
var quietFunction = FunctionFunc(func(context.Context, []byte) ([]byte, error) { return []byte(`{"statusCode":200}`), nil })

// connections of a server, and their file descriptors.
func connections(t testing.TB, s *Server) (conns []*conn, fds []int) {
	s.engine.table.each(func(c *conn) {
		conns = append(conns, c)
		fds = append(fds, int(c.fd))
	})
	if len(conns) != s.ConnectionCount() {
		t.Fatalf("%d connections in the table, %d counted", len(conns), s.ConnectionCount())
	}
	return conns, fds
}

// recipient is a connection and its ID as somebody else has it.
type recipient struct {
	conn *conn
	id   string
}

// BenchmarkFanoutTo10000MessagesPerSecond sends one compiled frame of 128 bytes to 10,000
// connections, also by their IDs as posts do, and compares with the limit: write(2) in a loop
// over the same sockets on one core, in alternating rounds.
func BenchmarkFanoutTo10000MessagesPerSecond(b *testing.B) {
	const count, rounds = 10_000, 24
	s := &Server{Function: quietFunction, IdleTimeout: time.Hour, ConnectRate: -1, RequestRate: -1}
	host := serve(b, s)
	clients := startReaders(b, host, count)
	conns, fds := connections(b, s)
	recipients := make([]recipient, len(conns))
	for i, c := range conns {
		recipients[i] = recipient{c, strings.Clone(c.id)} // a post brings its own ID
	}
	frame := compileText([]byte(strings.Repeat("x", 128)), DefaultFrameBytes)

	bare := func() {
		for _, fd := range fds {
			if n, err := syscall.Write(fd, frame); n != len(frame) {
				b.Fatalf("write = %d, %v", n, err)
			}
		}
	}
	send := func(to []recipient) {
		now := s.engine.stamp()
		for _, r := range to {
			c := r.conn
			if err := c.send(frame); err != nil {
				b.Errorf("send: %v", err)
			}
			c.touchAt(now)
		}
	}
	sendByID := func(to []recipient) {
		now := s.engine.stamp()
		for _, r := range to {
			c := s.engine.table.get(r.id)
			if err := c.send(frame); err != nil {
				b.Errorf("send: %v", err)
			}
			c.touchAt(now)
		}
	}
	round := func(f func()) time.Duration {
		runtime.GC() // not in the middle of a round
		clients.expect(b, len(frame))
		start := time.Now()
		f()
		took := time.Since(start)
		clients.report(b, fmt.Sprint(len(frame)))
		return took
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, cores := range []int{1, 2} {
		b.Run(fmt.Sprintf("cores=%d", cores), func(b *testing.B) {
			split := func(send func(to []recipient)) func() {
				return func() {
					var wg sync.WaitGroup
					for part := range slices.Chunk(recipients, (len(recipients)+cores-1)/cores) {
						wg.Go(func() { send(part) })
					}
					wg.Wait()
				}
			}
			var bareTook, took, byIDTook []time.Duration
			measure := []func(){
				func() {
					runtime.GOMAXPROCS(1)
					bareTook = append(bareTook, round(bare))
				},
				func() {
					runtime.GOMAXPROCS(cores)
					took = append(took, round(split(send)))
				},
				func() {
					runtime.GOMAXPROCS(cores)
					byIDTook = append(byIDTook, round(split(sendByID)))
				},
			}
			for i := range b.N * rounds {
				for j := range measure {
					measure[(i+j)%len(measure)]() // the first has cold caches
				}
			}
			slices.Sort(bareTook)
			slices.Sort(took)
			slices.Sort(byIDTook)
			// The fast quarter: what else the machine does can only add.
			reference, ours, byID := bareTook[len(bareTook)/4], took[len(took)/4], byIDTook[len(byIDTook)/4]
			b.ReportMetric(count/ours.Seconds(), "value")
			b.ReportMetric(count/reference.Seconds(), "reference")
			b.ReportMetric(float64(reference)/float64(ours), "ratio")
			b.ReportMetric(float64(reference)/float64(byID), "ratio-by-id")
			b.ReportMetric(map[int]float64{1: 0.95, 2: 1}[cores], "goal-min")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkKBPerIdleConnection holds 10,000 connections that do nothing. Goal: at
// most 6 KB each.
func BenchmarkKBPerIdleConnection(b *testing.B) {
	const count = 10_000
	for range b.N {
		s := &Server{Function: quietFunction, IdleTimeout: time.Hour, ConnectRate: -1, RequestRate: -1}
		host := serve(b, s)
		before := resident(b)
		startReaders(b, host, count)
		after := resident(b)
		if n := s.ConnectionCount(); n != count {
			b.Fatalf("%d connections, want %d", n, count)
		}
		b.ReportMetric(float64(after-before)/count/1024, "value")
		b.ReportMetric(6, "goal-max")
		b.ReportMetric(float64(runtime.NumGoroutine())/count, "goroutines/connection")
		b.ReportMetric(0, "ns/op")
	}
}

// resident is the memory of this process, in bytes, after a forced collection.
func resident(t testing.TB) int {
	// Twice: the first shrinks the stacks and empties the pools by half.
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skipf("SKIPPED: resident memory is read from /proc: %v", err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(statm), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// BenchmarkRoundTripP50Microseconds is client, function, client over a two-way route. Its
// reference is the plain echo on the same code: a ping that the connection
// answers itself. Goal: p50 at most 3 times the echo.
func BenchmarkRoundTripP50Microseconds(b *testing.B) {
	text := strings.Repeat("x", 100)
	body := fmt.Sprintf(`{"action":"echo","data":"%s"}`, text)[:125-8]
	body = body[:len(body)-2] + `"}`
	answer := appendString([]byte(`{"statusCode":200,"body":`), body)
	answer = append(answer, '}')
	function := FunctionFunc(func(context.Context, []byte) ([]byte, error) { return answer, nil })
	s := &Server{Function: function, Routes: map[string]Route{"echo": {RouteResponse: true}}, ConnectRate: -1, RequestRate: -1}
	host := serve(b, s)
	ping, message := masked(0x89, []byte(body)), masked(0x81, []byte(body))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, cores := range []int{1, 2} {
		b.Run(fmt.Sprintf("cores=%d", cores), func(b *testing.B) {
			runtime.GOMAXPROCS(cores)
			for range b.N {
				var echoes, trips []time.Duration
				for range 9 {
					echoes = append(echoes, medianInProcess(b, host, ping, 2+len(body)))
					trips = append(trips, medianInProcess(b, host, message, 2+len(body)))
				}
				// The best series of each: a kernel that lets a core sleep
				// between two packets adds 50 µs to either, by chance.
				echo, trip := slices.Min(echoes), slices.Min(trips)
				b.ReportMetric(float64(trip.Nanoseconds())/1e3, "value")
				b.ReportMetric(float64(echo.Nanoseconds())/1e3, "reference")
				b.ReportMetric(float64(trip)/float64(echo), "ratio")
				b.ReportMetric(3, "goal-max")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// BenchmarkPost is signed posts over HTTP, 64 in flight, to 500 connections;
// AWS's signer and net/http's client are included. Goal: 10,000 a second on
// two cores.
func BenchmarkPost(b *testing.B) {
	const inFlight, count, posts = 64, 500, 20_000
	s := &Server{Function: quietFunction, IdleTimeout: time.Hour, ConnectRate: -1, RequestRate: -1}
	host := serve(b, s)
	startReaders(b, host, count)
	conns, _ := connections(b, s)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}}
	defer client.CloseIdleConnections()
	body := []byte(strings.Repeat("x", 128))
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	signer := v4.NewSigner()
	credentials := aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost"}
	for range b.N {
		var next atomic.Int64
		var wg sync.WaitGroup
		start := time.Now()
		for range inFlight {
			wg.Go(func() {
				for i := next.Add(1); i <= posts; i = next.Add(1) {
					r, err := http.NewRequest("POST", "http://"+host+pathOf(conns[i%count].id), bytes.NewReader(body))
					if err == nil {
						err = signer.SignHTTP(b.Context(), credentials, r, hash, "execute-api", "us-east-1", time.Now())
					}
					if err != nil {
						b.Error(err)
						return
					}
					response, err := client.Do(r)
					if err != nil {
						b.Error(err)
						return
					}
					io.Copy(io.Discard, response.Body)
					response.Body.Close()
					if response.StatusCode != 200 {
						b.Errorf("status %d", response.StatusCode)
						return
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(posts/time.Since(start).Seconds(), "posts/s")
		b.ReportMetric(0, "ns/op")
	}
}
