//go:build unix

package wireposttest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"

	"github.com/wirepost/wirepost"
)

const (
	benchTokens = 2000 // 200 a second for 10 s
	benchPost   = 20 * time.Millisecond
)

// slowPosts is a management API whose posts take 20 ms. It knows when the last token came.
type slowPosts struct {
	*httptest.Server
	mu    sync.Mutex
	posts int
	last  time.Time
}

func newSlowPosts(b *testing.B) *slowPosts {
	s := &slowPosts{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		time.Sleep(benchPost) // what is measured is a server that takes this long
		s.mu.Lock()
		defer s.mu.Unlock()
		s.posts++
		if strings.Contains(string(body), "LAST") {
			s.last = time.Now()
		}
	}))
	b.Cleanup(s.Close)
	return s
}

func (s *slowPosts) store(b *testing.B, n int) wirepost.Store {
	id := wirepost.Identity{APIID: "abc123", Stage: "dev", Region: "us-east-1"}
	store := wirepost.NewMemStore(nil)
	if _, err := store.PutStage(b.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: id, URL: s.URL + "/dev"}, EventTime: time.Now()}); err != nil {
		b.Fatal(err)
	}
	for i := range n {
		if err := store.Put(b.Context(), wirepost.Connection{ID: fmt.Sprint("c", i), Endpoint: id, ConnectedAt: time.Now().Add(-time.Hour), ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
			b.Fatal(err)
		}
	}
	return store
}

// tokens calls write 200 times a second, and returns when the last one was written.
func tokens(write func(string)) time.Time {
	start := time.Now()
	for i := range benchTokens {
		time.Sleep(time.Until(start.Add(time.Duration(i) * 5 * time.Millisecond))) // a model's pace
		token := fmt.Sprintf("word%d ", i)
		if i == benchTokens-1 {
			token = "LAST"
		}
		now := time.Now()
		if write(token); i == benchTokens-1 {
			return now
		}
	}
	return time.Time{}
}

// streamOnce is how late the last token of a stream is, in milliseconds, and its posts a
// second.
func streamOnce(b *testing.B, perSecond float64) (late, posts float64) {
	s := newSlowPosts(b)
	p := wirepost.NewPublisher(s.store(b, 1), nil)
	defer p.CloseIdleConnections()
	stream := p.Stream(b.Context(), wirepost.ToConnection("c0"), &wirepost.StreamOptions{PerSecond: perSecond})
	start := time.Now()
	written := tokens(func(token string) {
		if _, err := io.WriteString(stream, token); err != nil {
			b.Fatal(err)
		}
	})
	took := time.Since(start)
	if err := stream.Close(); err != nil {
		b.Fatal(err)
	}
	return float64(s.last.Sub(written).Microseconds()) / 1000, float64(s.posts) / took.Seconds()
}

// loopOnce is how late the last token is that AWS's client posts one by one, as everybody
// writes it.
func loopOnce(b *testing.B) (late float64) {
	s := newSlowPosts(b)
	client := apigatewaymanagementapi.New(apigatewaymanagementapi.Options{Region: "us-east-1", BaseEndpoint: aws.String(s.URL + "/dev"),
		Credentials: credentials.NewStaticCredentialsProvider("wirepost", "wirepost", "")})
	waiting := make(chan string, benchTokens)
	done := make(chan error, 1)
	go func() { // ends with the tokens
		for token := range waiting {
			frame, _ := json.Marshal(map[string]string{"text": token})
			if _, err := client.PostToConnection(context.Background(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: aws.String("c0"), Data: frame}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	written := tokens(func(token string) { waiting <- token })
	close(waiting)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return float64(s.last.Sub(written).Microseconds()) / 1000
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func benchStream(b *testing.B, perSecond, latest, most float64) {
	var late, posts []float64
	for range 3 {
		l, p := streamOnce(b, perSecond)
		late, posts = append(late, l), append(posts, p)
	}
	b.Run("LastTokenAfterMs", func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(median(late), "value")
		b.ReportMetric(latest, "goal-max")
	})
	b.Run("PostsPerSecond", func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(median(posts), "value")
		b.ReportMetric(most, "goal-max")
	})
}

// 200 tokens a second for 10 s, posts that take 20 ms; the median of three.
func BenchmarkStreamUnbounded(b *testing.B) { benchStream(b, -1, 45, 60) }
func BenchmarkStreamDefault(b *testing.B)   { benchStream(b, 0, 95, 21) }

// BenchmarkLoopOfPostsLastTokenAfterMs is the loop that everybody writes, with AWS's
// client; the reference is a stream.
func BenchmarkLoopOfPostsLastTokenAfterMs(b *testing.B) {
	late, _ := streamOnce(b, 0)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(loopOnce(b), "value")
	b.ReportMetric(late, "reference")
	b.ReportMetric(3, "goal-min")
}

// BenchmarkHundredStreams is what each of 100 streams in one process costs.
func BenchmarkHundredStreams(b *testing.B) {
	const n = 100
	s := newSlowPosts(b)
	p := wirepost.NewPublisher(s.store(b, n), nil)
	defer p.CloseIdleConnections()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	used := ownCPU()
	var all sync.WaitGroup
	peak := uint64(0)
	for i := range n {
		all.Go(func() {
			stream := p.Stream(b.Context(), wirepost.ToConnection(fmt.Sprint("c", i)), nil)
			tokens(func(token string) { io.WriteString(stream, token) })
			if err := stream.Close(); err != nil {
				b.Error(err)
			}
		})
	}
	time.Sleep(5 * time.Second) // in the middle of them
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc {
		peak = after.HeapAlloc - before.HeapAlloc
	}
	all.Wait()
	cpu := ownCPU() - used
	b.Run("CPUPercentOfACoreEach", func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(cpu.Seconds()/10/n*100, "value")
		b.ReportMetric(1, "goal-max")
	})
	b.Run("KBEach", func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(peak)/1024/n, "value")
		b.ReportMetric(128, "goal-max")
	})
}

// ownCPU is what this process has used, the server of the benchmark included.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
