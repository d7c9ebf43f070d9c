package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

// programs are built once a test process.
var programs = struct {
	sync.Mutex
	dir  string
	path map[string]string
}{path: map[string]string{}}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wirepost-function")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs.dir = dir
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// build makes a program as it is for Lambda, on this machine's architecture unless
// another is named.
func build(tb testing.TB, pkg, goarch string) string {
	tb.Helper()
	programs.Lock()
	defer programs.Unlock()
	out := programs.path[pkg+goarch]
	if out != "" {
		return out
	}
	out = filepath.Join(programs.dir, fmt.Sprint(len(programs.path)), "bootstrap")
	c := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if goarch != "" {
		c.Env = append(c.Env, "GOOS=linux", "GOARCH="+goarch)
	}
	if output, err := c.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, output)
	}
	programs.path[pkg+goarch] = out
	return out
}

// zipped is the size of what would be uploaded.
func zipped(tb testing.TB, program string) int {
	tb.Helper()
	content, err := os.ReadFile(program)
	if err != nil {
		tb.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	w, err := z.Create("bootstrap")
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b.Len()
}

func TestTheZIPIsSmall(t *testing.T) {
	for _, arch := range []string{"arm64", "amd64"} {
		n := zipped(t, build(t, ".", arch))
		t.Logf("%s: %.2f MB", arch, float64(n)/1e6)
		if n > 4_500_000 {
			t.Errorf("the zip for %s has %d bytes, 4,500,000 at most are to be uploaded", arch, n)
		}
	}
}

// runtimeAPI is as much of Lambda's Runtime API as one invocation of one process
// needs.
type runtimeAPI struct {
	*httptest.Server
	event []byte
	asked chan time.Time // when the process asked for its first event
	done  chan answered
	given atomic.Bool
}

type answered struct {
	at   time.Time
	path string
	body string
}

func newRuntimeAPI(event []byte) *runtimeAPI {
	a := &runtimeAPI{event: event, asked: make(chan time.Time, 1), done: make(chan answered, 1)}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		switch {
		case !strings.HasSuffix(r.URL.Path, "/next"):
			body, _ := io.ReadAll(r.Body)
			a.done <- answered{now, r.URL.Path, string(body)}
			w.WriteHeader(http.StatusAccepted)
		case a.given.Swap(true):
			<-r.Context().Done() // until the process is ended
		default:
			a.asked <- now
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(now.Add(10*time.Second).UnixMilli()))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:f")
			w.Write(a.event)
		}
	}))
	return a
}

// coldStart runs a program for one invocation: how long until it asked for it, and
// how long until it had answered.
func coldStart(tb testing.TB, program string, environ []string, event []byte) (toNext, invocation time.Duration, answer string) {
	tb.Helper()
	api := newRuntimeAPI(event)
	defer api.Close()
	c := exec.Command(program)
	c.Env = append(slices.Clone(environ), "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(api.URL, "http://"))
	var output bytes.Buffer
	c.Stderr = &output
	start := time.Now()
	if err := c.Start(); err != nil {
		tb.Fatal(err)
	}
	defer func() {
		c.Process.Kill()
		c.Wait()
	}()
	var asked time.Time
	wait := time.After(30 * time.Second)
	select {
	case asked = <-api.asked:
	case <-wait:
		tb.Fatalf("the program asks for nothing:\n%s", &output)
	}
	select {
	case done := <-api.done:
		if !strings.HasSuffix(done.path, "/response") {
			tb.Fatalf("the invocation failed: %s\n%s", done.body, &output)
		}
		return asked.Sub(start), done.at.Sub(asked), done.body
	case <-wait:
		tb.Fatalf("the invocation is not answered:\n%s", &output)
	}
	return 0, 0, ""
}

// coldWorld is what the first invocation of a process needs: a table, a connection
// in it, and a management API over TLS.
type coldWorld struct {
	environ []string
	event   []byte
	posts   atomic.Int32
	table   *recorded
}

// recorded is a DynamoDB server that answers what it was asked before as it was
// answered then, at once: a cold start is not to be measured by how long a server
// written for tests takes. What was asked at another time is the same question.
type recorded struct {
	server string
	mu     sync.Mutex
	known  map[string]recordedAnswer // by operation and canonical body
	asked  []string                  // operations, in their order
}

type recordedAnswer struct {
	status int
	header http.Header
	body   []byte
}

// canonical is a body whose members are in order, which AWS's client writes in any,
// and whose times (seconds or milliseconds since 1970) are one.
func canonical(body []byte) string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return string(body)
	}
	sorted, err := json.Marshal(v)
	if err != nil {
		return string(body)
	}
	return times.ReplaceAllString(string(sorted), "time")
}

var times = regexp.MustCompile(`"[0-9]{10,13}"`)

func (d *recorded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	operation := r.Header.Get("X-Amz-Target")
	d.mu.Lock()
	d.asked = append(d.asked, operation)
	question := operation + canonical(body)
	a, ok := d.known[question]
	d.mu.Unlock()
	if !ok {
		ask, err := http.NewRequestWithContext(r.Context(), r.Method, d.server, bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		ask.Header = r.Header
		resp, err := http.DefaultClient.Do(ask)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		a = recordedAnswer{status: resp.StatusCode, header: resp.Header}
		if a.body, err = io.ReadAll(resp.Body); err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		d.mu.Lock()
		d.known[question] = a
		d.mu.Unlock()
	}
	for _, name := range []string{"Content-Type", "X-Amz-Crc32", "X-Amzn-Requestid"} {
		if v := a.header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(a.status)
	w.Write(a.body)
}

// certificate is of this machine, with a key whose signature takes its server next to
// nothing: RSA, which httptest has, takes 1.5 ms of a core that is the function's too.
func certificate(tb testing.TB) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "wirepost test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func newColdWorld(tb testing.TB) *coldWorld {
	w := &coldWorld{}
	server := dynamolocal.Start(tb, dynamolocal.Dynalite)
	tb.Setenv("AWS_ACCESS_KEY_ID", "wirepost")
	tb.Setenv("AWS_SECRET_ACCESS_KEY", "wirepost")
	table := "cold-" + fmt.Sprint(time.Now().UnixNano())
	storeURL := "dynamodb://" + table + "?region=us-east-1&endpoint=" + server
	store, err := dynamostore.OpenURL(tb.Context(), storeURL)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { store.Close() })
	if _, err := store.CreateTable(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	gateway := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.posts.Add(1)
	}))
	gateway.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(tb)}}
	gateway.StartTLS()
	tb.Cleanup(gateway.Close)
	_, port, err := net.SplitHostPort(gateway.Listener.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	endpoint := "https://127.0.0.1:" + port + "/dev"

	// As many authorities as Amazon Linux has, and the test's own.
	bundle, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil {
		tb.Logf("the bundle of authorities has only the test's own: %v", err)
	}
	bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: gateway.Certificate().Raw})...)
	bundleFile := filepath.Join(tb.TempDir(), "bundle.pem")
	if err := os.WriteFile(bundleFile, bundle, 0o600); err != nil {
		tb.Fatal(err)
	}

	now := time.Now().Truncate(time.Millisecond)
	if err := store.Put(tb.Context(), wirepost.Connection{ID: "A=", Endpoint: stage, User: "alice", Claims: `{"publish":["user:alice"]}`, ConnectedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
		tb.Fatal(err)
	}
	// The first frame of a process: it keeps the stage, finds the row, lists the user,
	// and posts to it.
	event := messageEvent("A=", `{"action":"send","ref":1,"to":"user:alice","data":{"text":"hi"}}`)
	rc := event["requestContext"].(map[string]any)
	rc["connectedAt"] = now.UnixMilli()
	w.event = marshal(tb, event)
	w.table = &recorded{server: server, known: map[string]recordedAnswer{}}
	front := httptest.NewServer(w.table)
	tb.Cleanup(front.Close)
	w.environ = []string{"WIREPOST_STORE=dynamodb://" + table + "?region=us-east-1&endpoint=" + front.URL, "WIREPOST_ENDPOINT=" + endpoint, "WIREPOST_HANDLERS=websocket,invoke,sqs", "WIREPOST_LOG_LEVEL=warn",
		"WIREPOST_JWT_KEY=" + secret, "WIREPOST_JWT_ISSUER=i", "WIREPOST_JWT_AUDIENCE=a",
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=wirepost", "AWS_SECRET_ACCESS_KEY=wirepost", "AWS_EC2_METADATA_DISABLED=true",
		"SSL_CERT_FILE=" + bundleFile, "HOME=" + tb.TempDir(), "PATH=" + os.Getenv("PATH")}
	return w
}

func TestTheFirstInvocationOfAProcessWritesAndPosts(t *testing.T) {
	w := newColdWorld(t)
	_, _, answer := coldStart(t, build(t, ".", ""), w.environ, w.event)
	var out struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal([]byte(answer), &out); err != nil || out.StatusCode != 200 || !strings.Contains(out.Body, `"ref":1`) || !strings.Contains(out.Body, `"sent":1}`) || w.posts.Load() != 1 {
		t.Errorf("answered %s (%v), %d posts", answer, err, w.posts.Load())
	}
	if !slices.Contains(w.table.asked, "DynamoDB_20120810.UpdateItem") && !slices.Contains(w.table.asked, "DynamoDB_20120810.PutItem") {
		t.Errorf("nothing was written: %v", w.table.asked)
	}
}

func TestAProgramWithAWrongVariableEndsWithItsName(t *testing.T) {
	c := exec.Command(build(t, ".", ""))
	c.Env = []string{"WIREPOST_STORE=mem:", "WIREPOST_HANDLERS=webscoket"}
	out, err := c.CombinedOutput()
	if want := "wirepost-function: error: WIREPOST_HANDLERS has the unknown handler \"webscoket\"; the handlers are websocket, invoke, sqs, sns, eventbridge, doctor, long, presence\n"; err == nil || string(out) != want {
		t.Errorf("%v: %s, want %s", err, out, want)
	}
}

// BenchmarkColdStart is a process from its start to its first question for an event,
// and the first invocation: a frame of a client's that writes the stage to DynamoDB,
// reads the connection and the audience there, and posts over TLS. The reference is
// a hello world on aws-lambda-go, in turn. What Lambda itself does before a process
// starts is in neither.
func BenchmarkColdStart(b *testing.B) {
	w := newColdWorld(b)
	mine, hello := build(b, ".", ""), build(b, "./testdata/hello", "")
	const starts = 41
	var next, helloNext, first, helloFirst []time.Duration
	for i := range starts + 2 { // in turn, so that what else runs slows both
		n, f, _ := coldStart(b, mine, w.environ, w.event)
		hn, hf, _ := coldStart(b, hello, w.environ, w.event)
		if i >= 2 { // the programs are in the page cache by now
			next, first, helloNext, helloFirst = append(next, n), append(first, f), append(helloNext, hn), append(helloFirst, hf)
		}
	}
	for _, all := range [][]time.Duration{next, first, helloNext, helloFirst} {
		slices.Sort(all)
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.Run("function,_process_start_→_first_next,_ms,_beside_hello_world", func(b *testing.B) {
		for b.Loop() {
			b.ReportMetric(ms(next[starts/2]), "value")
			b.ReportMetric(ms(helloNext[starts/2]), "reference")
			b.ReportMetric(ms(next[starts/2])/ms(helloNext[starts/2]), "ratio")
			b.ReportMetric(1.6, "goal-max")
		}
	})
	b.Run("function,_first_invocation_with_DynamoDB_and_TLS,_ms_above_hello_world's", func(b *testing.B) {
		for b.Loop() {
			b.ReportMetric(ms(first[starts/2]-helloFirst[starts/2]), "value")
			b.ReportMetric(ms(helloFirst[starts/2]), "reference")
			b.ReportMetric(8, "goal-max")
		}
	})
	for _, arch := range []string{"arm64", "amd64"} {
		b.Run("function,_zip_for_"+arch+",_MB", func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(float64(zipped(b, build(b, ".", arch)))/1e6, "value") // 1,000,000 bytes
				b.ReportMetric(4.5, "goal-max")
			}
		})
	}
}
