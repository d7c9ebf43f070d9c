//go:build unix

package wireposttest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
)

// readers makes the test binary a process of clients: its value is a URL and how many
// connect to it. They have a process of their own because both sides of 10,000
// connections are more open files than a process may have.
const readers = "WIREPOST_BENCH_READERS"

// readAll connects, prints "ready", and then answers each number on standard input
// once so many bytes have been read in all since the last one. It ends with that.
func readAll(order string) {
	var url string
	var n int
	_, err := fmt.Sscan(order, &url, &n)
	exitOn(err)
	var total atomic.Int64
	more := make(chan struct{}, 1)
	for range n {
		conn, early, _, err := ws.Dial(context.Background(), url)
		exitOn(err)
		if early != nil {
			ws.PutReader(early)
		}
		go func() { // ends with the process
			buffer := make([]byte, 512)
			for {
				k, err := conn.Read(buffer)
				exitOn(err)
				total.Add(int64(k))
				select {
				case more <- struct{}{}:
				default:
				}
			}
		}()
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var bytes int64
		_, err := fmt.Sscan(lines.Text(), &bytes)
		exitOn(err)
		for total.Load() < bytes {
			<-more
		}
		total.Add(-bytes)
		fmt.Println(bytes)
	}
	os.Exit(0)
}

type readerProcess struct {
	in  io.Writer
	out *bufio.Reader
}

func startReaders(b *testing.B, url string, n int) *readerProcess {
	b.Helper()
	in, out := startAgain(b, fmt.Sprintf("%s=%s %d", readers, url, n))
	p := &readerProcess{in, out}
	p.wait(b, "ready")
	return p
}

func (p *readerProcess) expect(bytes int) { fmt.Fprintln(p.in, bytes) }

func (p *readerProcess) wait(b *testing.B, want string) {
	b.Helper()
	if line, err := p.out.ReadString('\n'); err != nil || strings.TrimSpace(line) != want {
		b.Fatalf("the readers said %q, %v, want %q", line, err, want)
	}
}

// keptConns is a listener that remembers what it accepted.
type keptConns struct {
	net.Listener
	mu    sync.Mutex
	conns []*net.TCPConn
}

func (l *keptConns) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.conns = append(l.conns, c.(*net.TCPConn))
		l.mu.Unlock()
	}
	return c, err
}

// BenchmarkPublishTo10000MessagesPerSecond is one publish to 10,000 connections of a
// gateway in this process, each a signed post over HTTP, until every client has it. The
// reference is the least that any fan-out does: write(2) of the frame in a loop over the
// same sockets. BenchmarkFanoutTo10000MessagesPerSecond has the gateway's own fan-out
// next to the same loop.
func BenchmarkPublishTo10000MessagesPerSecond(b *testing.B) {
	const count = 10_000
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	kept := &keptConns{Listener: l}
	store := wirepost.NewMemStore(nil)
	s := &gateway.Server{Function: wirepost.NewMux(store, nil), Stage: "dev", Domain: fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port), ConnectRate: -1, RequestRate: -1, IdleTimeout: time.Hour}
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(kept) })
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		serving.Wait()
	})
	clients := startReaders(b, "ws://"+l.Addr().String()+"/dev", count)
	fds := make([]int, 0, count)
	kept.mu.Lock()
	for _, c := range kept.conns {
		raw, err := c.SyscallConn()
		if err != nil {
			b.Fatal(err)
		}
		raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) })
	}
	kept.mu.Unlock()
	if len(fds) != count {
		b.Fatalf("%d connections", len(fds))
	}
	frame := ws.MustCompileFrame(ws.NewTextFrame(benchMessage))
	p := wirepost.NewPublisher(store, nil)
	defer p.CloseIdleConnections()
	var took, bare time.Duration
	for round := range 3 {
		runtime.GC()
		clients.expect(count * len(frame))
		start := time.Now()
		if r, err := p.Publish(b.Context(), wirepost.Everyone(), benchMessage, nil); err != nil || r.Sent != count {
			b.Fatalf("%v %v, %v", r, r.Errors, err)
		}
		clients.wait(b, fmt.Sprint(count*len(frame)))
		if d := time.Since(start); round == 0 || d < took {
			took = d
		}
		runtime.GC()
		clients.expect(count * len(frame))
		start = time.Now()
		for _, fd := range fds {
			if n, err := syscall.Write(fd, frame); n != len(frame) {
				b.Fatalf("write = %d, %v", n, err)
			}
		}
		clients.wait(b, fmt.Sprint(count*len(frame)))
		if d := time.Since(start); round == 0 || d < bare {
			bare = d
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(count/took.Seconds(), "value")
	b.ReportMetric(count/bare.Seconds(), "reference")
	b.ReportMetric(float64(bare)/float64(took), "ratio")
	b.ReportMetric(0.25, "goal-min")
}

// generated is a store whose connections are in no memory.
type generated struct {
	wirepost.Store
	n int
}

func (g generated) Connections(ctx context.Context, _ wirepost.Audience, _ wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
	return func(yield func(wirepost.Listed, error) bool) {
		for i := range g.n {
			id := fmt.Sprintf("L0SM9cO%07dA=", i)
			if !yield(wirepost.Listed{ID: id, Endpoint: benchIdentity, ConnectedAt: time.Now(), Cursor: wirepost.Cursor(id)}, ctx.Err()) {
				return
			}
		}
	}
}

// BenchmarkMegabytesInUsePublishingTo50000 is the most memory in use during a publish to
// 50,000 connections, compared with one to 1,000, with the management server in a process of
// its own. Goal: it does not grow with the audience.
func BenchmarkMegabytesInUsePublishingTo50000(b *testing.B) {
	s := startCounting(b, "h1")
	defer debug.SetGCPercent(debug.SetGCPercent(25)) // so that garbage hides little
	peak := func(n int) float64 {
		p := wirepost.NewPublisher(generated{benchStore(b, s.endpoint(), 0), n}, &wirepost.PublisherOptions{Credentials: fixedCredentials{}})
		defer p.CloseIdleConnections()
		debug.FreeOSMemory()
		var most uint64
		look := func() {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse+m.StackInuse)
		}
		done := make(chan struct{})
		var looking sync.WaitGroup
		looking.Go(func() {
			for tick := time.NewTicker(5 * time.Millisecond); ; {
				select {
				case <-tick.C:
					look()
				case <-done:
					tick.Stop()
					return
				}
			}
		})
		r, err := p.Publish(b.Context(), wirepost.Everyone(), benchMessage, nil)
		close(done)
		looking.Wait()
		if err != nil || r.Sent != n {
			b.Fatalf("%v %v, %v", r, r.Errors, err)
		}
		return float64(most) / (1 << 20)
	}
	peak(1000) // what is made once
	few, many := peak(1000), peak(50_000)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(many, "value")
	b.ReportMetric(few, "reference")
	b.ReportMetric(many/few, "ratio")
	b.ReportMetric(1.25, "goal-max")
}
