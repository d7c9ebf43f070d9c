//go:build unix

package wireposttest_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"

	"github.com/wirepost/wirepost"
)

// The management server of the benchmarks is this test binary once more, in a
// process of its own: its work is not counted as the client's.
const countingServer = "WIREPOST_BENCH_COUNTING_SERVER"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(countingServer) != "":
		serveCounting()
	case os.Getenv(readers) != "":
		readAll(os.Getenv(readers))
	default:
		os.Exit(m.Run())
	}
}

// serveCounting answers every request 200 over TLS, after the delay that was set,
// and tells how many connections were opened. Its certificate comes by standard
// input, and it ends with that.
func serveCounting() {
	in := bufio.NewReader(os.Stdin)
	var pair [2][]byte
	for i := range pair {
		line, err := in.ReadString('\n')
		exitOn(err)
		pair[i], err = base64.StdEncoding.DecodeString(line)
		exitOn(err)
	}
	certificate, err := tls.X509KeyPair(pair[0], pair[1])
	exitOn(err)
	var opened, delay atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/control", func(w http.ResponseWriter, r *http.Request) {
		ms, _ := strconv.Atoi(r.FormValue("delay"))
		delay.Store(int64(ms) * int64(time.Millisecond))
		fmt.Fprint(w, opened.Swap(0))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if d := delay.Load(); d > 0 {
			time.Sleep(time.Duration(d)) // what is measured is a server that takes this long
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	exitOn(err)
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(os.Getenv(countingServer) == "h2")
	s := &http.Server{Handler: mux, Protocols: protocols, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}}
	go s.ServeTLS(l, "", "") // ends with the process
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	io.Copy(io.Discard, in)
	os.Exit(0)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// benchCertificate is for localhost. Every client finds it as a function finds its
// roots, in the file that SSL_CERT_FILE names; Go reads that once a process.
var benchCertificate = sync.OnceValue(func() (pair [2][]byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	exitOn(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	exitOn(err)
	secret, err := x509.MarshalECPrivateKey(key)
	exitOn(err)
	return [2][]byte{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})}
})

// startAgain starts this test binary once more, as what a variable says. It ends with
// the benchmark.
func startAgain(b *testing.B, variable string) (io.Writer, *bufio.Reader) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	return in, bufio.NewReader(out)
}

// counting is a management server in its own process.
type counting struct {
	root    string // https://localhost:PORT
	control *http.Client
}

func (s *counting) endpoint() string { return s.root + "/prod" }

func startCounting(b *testing.B, protocol string) *counting {
	b.Helper()
	pair := benchCertificate()
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "roots.pem"), pair[0], 0o600); err != nil {
		b.Fatal(err)
	}
	b.Setenv("SSL_CERT_FILE", filepath.Join(dir, "roots.pem"))
	b.Setenv("SSL_CERT_DIR", filepath.Join(dir, "none"))
	in, out := startAgain(b, countingServer+"="+protocol)
	for _, part := range pair {
		fmt.Fprintln(in, base64.StdEncoding.EncodeToString(part))
	}
	port, err := out.ReadString('\n')
	if err != nil {
		b.Fatalf("the counting server did not start: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pair[0])
	return &counting{"https://localhost:" + strings.TrimSpace(port),
		&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}, Timeout: 10 * time.Second}}
}

// set sets the delay of the answers and returns the connections opened since the
// last call, without its own.
func (s *counting) set(b *testing.B, delay time.Duration) int {
	r, err := s.control.Get(s.root + "/control?delay=" + strconv.Itoa(int(delay.Milliseconds())))
	if err != nil {
		b.Fatal(err)
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	n, _ := strconv.Atoi(string(text))
	return n - 1
}

// posting is one client at work: send posts the message n times.
type posting struct {
	name string
	// client makes a new one, with its pool empty.
	client func(b *testing.B, endpoint string, inFlight, n int) (send func(), end func())
}

const benchSession = "a session token has about eight hundred bytes; "

var benchCredentials = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: strings.Repeat(benchSession, 17)}

type fixedCredentials struct{}

func (fixedCredentials) Retrieve(context.Context) (aws.Credentials, error) {
	return benchCredentials, nil
}

var benchIdentity = wirepost.Identity{APIID: "a1b2c3d4e5", Stage: "prod", Region: "eu-west-1"}

// benchStore knows n connections of the benchmark's endpoint.
func benchStore(b *testing.B, endpoint string, n int) wirepost.Store {
	s := wirepost.NewMemStore(nil)
	if _, err := s.PutStage(b.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: benchIdentity, URL: endpoint}, EventTime: time.Now()}); err != nil {
		b.Fatal(err)
	}
	for i := range n {
		if err := s.Put(b.Context(), wirepost.Connection{ID: fmt.Sprintf("L0SM9cO%07dA=", i), Endpoint: benchIdentity, ConnectedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func tunedTransport(t *http.Transport, inFlight int) {
	t.MaxIdleConnsPerHost, t.MaxConnsPerHost, t.MaxIdleConns = inFlight, inFlight, 0
}

func awsClient(tuned bool) func(b *testing.B, endpoint string, inFlight, n int) (send, end func()) {
	return func(b *testing.B, endpoint string, inFlight, n int) (send, end func()) {
		var transport *http.Transport
		h := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			if transport = t; tuned {
				tunedTransport(t, inFlight)
			}
		})
		client := apigatewaymanagementapi.New(apigatewaymanagementapi.Options{Region: benchIdentity.Region, Credentials: fixedCredentials{}, BaseEndpoint: &endpoint, HTTPClient: h})
		return func() {
				concurrently(inFlight, n, func(i int) {
					_, err := client.PostToConnection(b.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: aws.String(fmt.Sprintf("L0SM9cO%07dA=", i)), Data: benchMessage})
					if err != nil {
						b.Error(err)
					}
				})
			}, func() {
				if transport != nil {
					transport.CloseIdleConnections()
				}
			}
	}
}

var postings = []posting{
	{"wirepost", func(b *testing.B, endpoint string, inFlight, n int) (send, end func()) {
		p := wirepost.NewPublisher(benchStore(b, endpoint, n), &wirepost.PublisherOptions{Concurrency: inFlight, Credentials: fixedCredentials{}})
		return func() {
			if r, err := p.Publish(b.Context(), wirepost.Everyone(), benchMessage, nil); err != nil || r.Sent != n {
				b.Errorf("%v %v, %v", r, r.Errors, err)
			}
		}, func() { p.CloseIdleConnections() }
	}},
	{"AWS's client", awsClient(false)},
	{"AWS's client, tuned", awsClient(true)},
	{"net/http, unsigned", func(b *testing.B, endpoint string, inFlight, n int) (send, end func()) {
		t := http.DefaultTransport.(*http.Transport).Clone()
		tunedTransport(t, inFlight)
		client := &http.Client{Transport: t}
		return func() {
			concurrently(inFlight, n, func(i int) {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, endpoint+fmt.Sprintf("/@connections/L0SM9cO%07dA%%3D", i), bytes.NewReader(benchMessage))
				if err != nil {
					b.Error(err)
					return
				}
				resp, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			})
		}, t.CloseIdleConnections
	}},
}

// cost is what one client took for its messages.
type cost struct {
	rate, cpu, allocs float64 // messages/s, µs and allocations a message
	opened            int
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (p posting) measure(b *testing.B, s *counting, delay time.Duration, inFlight, n int) cost {
	send, end := p.client(b, s.endpoint(), inFlight, n)
	defer end()
	s.set(b, delay)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	send()
	took, used := time.Since(start), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	return cost{float64(n) / took.Seconds(), float64(used.Microseconds()) / float64(n), float64(after.Mallocs-before.Mallocs) / float64(n), s.set(b, 0)}
}

// BenchmarkPosts measures each client in turn, three rounds, and keeps the best of
// each number: what else runs on the machine only ever adds. The goals are the medians of
// ten rounds of two clients, one after the other.
func BenchmarkPosts(b *testing.B) {
	for _, run := range []struct {
		protocol string
		delay    time.Duration
		inFlight []int
	}{
		{"h1", 0, []int{1, 50, 200}},
		{"h1", 5 * time.Millisecond, []int{1, 50, 200}},
		{"h1", 20 * time.Millisecond, []int{1, 50, 200}},
		{"h2", 5 * time.Millisecond, []int{50, 200}},
	} {
		s := startCounting(b, run.protocol)
		for _, inFlight := range run.inFlight {
			n := max(40*inFlight, 2000)
			if run.delay > 0 { // not more than takes half a second, if nothing but the delay stops it
				n = min(n, int(float64(inFlight)*float64(time.Second/2)/float64(run.delay)))
			}
			results := make([]cost, len(postings))
			for round := range 3 {
				for i, p := range postings {
					results[i].best(p.measure(b, s, run.delay, inFlight, n), round == 0)
				}
			}
			for i, p := range postings {
				r := results[i]
				b.Run(fmt.Sprintf("%s/%v/%d/%s", run.protocol, run.delay, inFlight, p.name), func(b *testing.B) {
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(r.rate, "msg/s")
					b.ReportMetric(r.cpu, "cpu-us/msg")
					b.ReportMetric(r.allocs, "allocs/msg")
					b.ReportMetric(float64(r.opened), "opened")
				})
			}
			if run.protocol == "h1" && run.delay == 5*time.Millisecond && inFlight == 200 {
				var ours, bare [10]cost
				for i := range ours {
					// The handshakes of 200 connections are half of the work of 8,000 posts, and a
					// process makes them once.
					ours[i] = postings[0].measure(b, s, run.delay, inFlight, 3*n)
					bare[i] = postings[len(postings)-1].measure(b, s, run.delay, inFlight, 3*n)
				}
				reportGoals(b, results, ours[:], bare[:])
			}
		}
	}
}

// best keeps the best of each number.
func (r *cost) best(c cost, first bool) {
	if first {
		*r = c
	}
	r.rate, r.cpu, r.allocs, r.opened = max(r.rate, c.rate), min(r.cpu, c.cpu), min(r.allocs, c.allocs), min(r.opened, c.opened)
}

// medianOfPairs is the middle of what f says of each pair of rounds.
func medianOfPairs(ours, theirs []cost, f func(ours, theirs cost) float64) float64 {
	var all []float64
	for i := range ours {
		all = append(all, f(ours[i], theirs[i]))
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// reportGoals has a row for each goal of the cell with 200 posts in flight to a server
// that takes 5 ms.
func reportGoals(b *testing.B, results, ours, bare []cost) {
	row := func(name string, value, reference, ratio float64, bound string, goal float64) {
		b.Run(name, func(b *testing.B) {
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(value, "value")
			if reference > 0 {
				b.ReportMetric(reference, "reference")
				b.ReportMetric(ratio, "ratio")
			}
			b.ReportMetric(goal, bound)
		})
	}
	rate := func(c, _ cost) float64 { return c.rate }
	cpu := func(c, _ cost) float64 { return c.cpu }
	allocs := func(c, _ cost) float64 { return c.allocs }
	row("MessagesPerSecondBesideTheAWSClient", results[0].rate, results[1].rate, results[0].rate/results[1].rate, "goal-min", 6)
	row("MessagesPerSecondBesideUnsignedPosts", medianOfPairs(ours, bare, rate), medianOfPairs(bare, ours, rate), medianOfPairs(ours, bare, func(a, b cost) float64 { return a.rate / b.rate }), "goal-min", 1)
	row("CPUMicrosecondsBesideUnsignedPosts", medianOfPairs(ours, bare, cpu), medianOfPairs(bare, ours, cpu), medianOfPairs(ours, bare, func(a, b cost) float64 { return a.cpu / b.cpu }), "goal-max", 0.7)
	row("AllocationsOfAPost", medianOfPairs(ours, bare, allocs), 0, 0, "goal-max", 20)
	row("ConnectionsOpenedForEachPostInFlight", float64(results[0].opened), 200, float64(results[0].opened)/200, "goal-max", 1)
}
