package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// streamAPI is a management API that keeps what was posted, and what each client makes of
// the frames of a stream: it drops what it has.
type streamAPI struct {
	latency time.Duration
	answer  func(id string, n int, frame streamPieceFrame) (status int) // nil: 200; 0: none

	mu      sync.Mutex
	posts   map[string][]streamPost
	flying  map[string]int
	clients map[string]*streamClient
}

type streamPost struct {
	began, ended time.Time
	frame        streamPieceFrame
	raw          string
}

// streamClient is what a client of the protocol has of a stream.
type streamClient struct {
	text  string
	items []json.RawMessage
	gap   bool
	end   string // "end", or the code
}

func (c *streamClient) take(f streamPieceFrame) {
	have := utf16Len(c.text) + int64(len(c.items))
	switch over := have - f.At; {
	case over < 0:
		c.gap = true
		return
	case len(f.Items) > 0:
		c.items = append(c.items, f.Items[min(over, int64(len(f.Items))):]...)
	case over <= utf16Len(f.Text):
		rest, _ := utf16Cut(f.Text, over)
		c.text += rest
	}
	if f.End {
		c.end = "end"
	} else if f.Error != "" {
		c.end = f.Error
	}
}

func (a *streamAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	var f streamPieceFrame
	json.Unmarshal(body, &f)
	began := time.Now()
	a.mu.Lock()
	if a.posts == nil {
		a.posts, a.clients, a.flying = map[string][]streamPost{}, map[string]*streamClient{}, map[string]int{}
	}
	if a.flying[id]++; a.flying[id] > 1 {
		panic("two posts to one connection are in flight")
	}
	n := len(a.posts[id])
	a.mu.Unlock()
	status := http.StatusOK
	if a.answer != nil {
		status = a.answer(id, n, f)
	}
	latency := a.latency
	if status == 0 {
		latency = time.Hour
	}
	ok := sleep(r.Context(), latency)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flying[id]--
	a.posts[id] = append(a.posts[id], streamPost{began, time.Now(), f, string(body)})
	if status == http.StatusOK || status == 500 || status == 0 { // unanswered posts have taken effect
		if a.clients[id] == nil {
			a.clients[id] = &streamClient{}
		}
		a.clients[id].take(f)
	}
	if !ok {
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Header: http.Header{"X-Amzn-Requestid": {"r"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}, Body: http.NoBody, Request: r}, nil
}

// client is what a connection has.
func (a *streamAPI) client(id string) streamClient {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.clients[id] == nil {
		return streamClient{}
	}
	return *a.clients[id]
}

// streaming makes a publisher with n connections on a fake API. It is called in a bubble.
func streaming(t *testing.T, n int, a *streamAPI) (*Publisher, *MemStore) {
	s := at(t, "http://localhost:1/dev", n)
	return NewPublisher(s, &PublisherOptions{Transport: a, Random: func() float64 { return 0.5 }}), s
}

func TestWhatIsWrittenWhileAPostIsInFlightIsJoinedIntoTheNextOne(t *testing.T) {
	for _, tt := range []struct {
		perSecond float64
		most      int
		late      time.Duration
	}{{-1, 520, 45 * time.Millisecond}, {0, 211, 95 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			a := &streamAPI{latency: 20 * time.Millisecond}
			p, _ := streaming(t, 1, a)
			s := p.Stream(t.Context(), ToConnection("c0"), &StreamOptions{PerSecond: tt.perSecond})
			var want strings.Builder
			for i := range 2000 {
				word := fmt.Sprintf("wört%d ", i)
				want.WriteString(word)
				if n, err := s.Write([]byte(word)); err != nil || n != len(word) {
					t.Fatalf("%d, %v", n, err)
				}
				sleep(t.Context(), 5*time.Millisecond)
			}
			written := time.Now()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			late := time.Since(written)
			if c := a.client("c0"); c.text != want.String() || c.gap || c.end != "end" {
				t.Errorf("the client has %d of %d bytes, gap %v, end %q", len(c.text), want.Len(), c.gap, c.end)
			}
			if posts := len(a.posts["c0"]); posts > tt.most || late > tt.late {
				t.Errorf("PerSecond %v: %d posts, and the end came after %v", tt.perSecond, posts, late)
			}
		})
	}
}

func TestAStreamCutsTextBetweenCharactersAndCountsAsJavaScriptDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond}
		p, _ := streaming(t, 3, a)
		s := p.Stream(t.Context(), ToTopic("t"), nil)
		want := strings.Repeat("a\"\\\n\x01\u2028é😀", 40_000)
		for b := []byte(want); len(b) > 0; { // in the middle of characters
			n := min(len(b), 777)
			if _, err := s.Write(b[:n]); err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for id, posts := range a.posts {
			if c := a.client(id); c.text != want || c.gap {
				t.Errorf("%s has %d of %d bytes, gap %v", id, len(c.text), len(want), c.gap)
			}
			for _, post := range posts {
				if len(post.raw) > streamFrame {
					t.Errorf("a frame has %d bytes", len(post.raw))
				}
			}
		}
	})
}

func TestAStreamOfValuesSendsEachOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond, answer: func(_ string, n int, _ streamPieceFrame) int {
			return []int{200, 500, 429, 200}[n%4] // each 500 has taken effect
		}}
		p, _ := streaming(t, 1, a)
		s := p.Stream(t.Context(), ToUser("u"), nil)
		for i := range 1000 {
			if err := s.Send(map[string]any{"n": i, "x": "<é>"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.CloseWithError("no-credit"); err != nil {
			t.Fatal(err)
		}
		c := a.client("c0")
		if len(c.items) != 1000 || string(c.items[999]) != `{"n":999,"x":"<é>"}` || c.gap || c.end != "no-credit" {
			t.Errorf("the client has %d items, gap %v, end %q", len(c.items), c.gap, c.end)
		}
	})
}

func TestBadInputOfAStreamIsOneClearErrorAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond}
		p, _ := streaming(t, 1, a)
		text := p.Stream(t.Context(), ToConnection("c0"), nil)
		n, err := text.Write([]byte("a\xffb"))
		if !errors.Is(err, ErrInvalid) || n != 1 {
			t.Errorf("bytes that are not UTF-8: %d, %v", n, err)
		}
		if err := text.Send(1); !errors.Is(err, ErrInvalid) {
			t.Errorf("a value in a text: %v", err)
		}
		text.Write([]byte("é\xc3")) // half a character
		if err := text.Close(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "ends inside a character") {
			t.Errorf("half a character at the end: %v", err)
		}
		if c := a.client("c0"); c.text != "aé" || c.end != "internal" {
			t.Errorf("the client has %q, end %q", c.text, c.end)
		}
		if _, err := text.Write([]byte("x")); !errors.Is(err, ErrStreamEnded) {
			t.Errorf("a piece after the end: %v", err)
		}
		items := p.Stream(t.Context(), ToConnection("c0"), nil)
		if err := items.Send(strings.Repeat("x", 200<<10)); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "204802 bytes") {
			t.Errorf("a piece of 200 KB: %v", err)
		}
		if err := items.Send(func() {}); !errors.Is(err, ErrInvalid) {
			t.Errorf("a function: %v", err)
		}
		if _, err := items.Write([]byte("x")); err != nil {
			t.Errorf("what was refused has decided the kind: %v", err)
		}
		if err := items.CloseWithError("No Good"); !errors.Is(err, ErrInvalid) {
			t.Errorf("a code: %v", err)
		}
		for _, bad := range []*Stream{
			p.Stream(t.Context(), Audience{}, nil),
			p.Stream(t.Context(), ToTopic("$stream/x"), nil),
			p.Stream(t.Context(), ToTopic("t"), &StreamOptions{ID: "a b"}),
			p.Stream(t.Context(), ToTopic("t"), &StreamOptions{Key: "short"}),
			p.Stream(t.Context(), ToTopic("t"), &StreamOptions{Keep: MaxKeep}),
		} {
			if _, err := bad.Write([]byte("x")); !errors.Is(err, ErrInvalid) || bad.Context().Err() == nil {
				t.Errorf("Write: %v", err)
			}
			if err := bad.Close(); !errors.Is(err, ErrInvalid) {
				t.Errorf("Close: %v", err)
			}
		}
	})
}

func TestAStreamStopsWhenItsLastReaderHasLeft(t *testing.T) {
	for _, tt := range []struct {
		name   string
		keep   time.Duration
		status int
		after  time.Duration
	}{
		{"gone, not kept", -1, 410, time.Second},
		{"gone, kept", 0, 410, 32 * time.Second},
		{"takes nothing, not kept", -1, 429, 31 * time.Second},
		{"does not answer, not kept", -1, 0, 31 * time.Second},
		{"nobody was there", -1, -1, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &streamAPI{latency: 20 * time.Millisecond, answer: func(_ string, n int, _ streamPieceFrame) int {
				if n < 5 && tt.status != -1 {
					return 200
				}
				return tt.status
			}}
			n := 1
			if tt.status == -1 {
				n = 0
			}
			p, _ := streaming(t, n, a)
			s := p.Stream(t.Context(), ToTopic("t"), &StreamOptions{Keep: tt.keep})
			start := time.Now()
			var err error
			for err == nil && time.Since(start) < 2*time.Minute {
				_, err = s.Write([]byte("word "))
				sleep(t.Context(), 10*time.Millisecond)
			}
			took := time.Since(start)
			if !errors.Is(err, ErrGone) || !errors.Is(context.Cause(s.Context()), ErrGone) || took > tt.after+500*time.Millisecond || took < tt.after-2*time.Second {
				t.Errorf("%s: %v, cause %v, after %v", tt.name, err, context.Cause(s.Context()), took)
			}
			if err := s.Close(); !errors.Is(err, ErrGone) {
				t.Errorf("%s: Close: %v", tt.name, err)
			}
		})
	}
}

func TestA410OfAYoungConnectionIsNotLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		a := &streamAPI{latency: 20 * time.Millisecond, answer: func(string, int, streamPieceFrame) int {
			if time.Since(start) < 20*time.Second {
				return 410
			}
			return 200
		}}
		p, store := streaming(t, 0, a)
		if err := store.Put(t.Context(), Connection{ID: "young", Endpoint: testIdentity, ConnectedAt: start, ExpiresAt: start.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		s := p.Stream(t.Context(), ToConnection("young"), &StreamOptions{Keep: -1})
		s.Write([]byte("hello"))
		if err := s.Close(); err != nil || a.client("young").text != "hello" {
			t.Errorf("%v, the client has %q", err, a.client("young").text)
		}
	})
}

func TestAWriteWaitsForTheFastestReaderAndTheSlowAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond}
		a.answer = func(id string, n int, f streamPieceFrame) int {
			if id == "c1" && n > 2 && n < 20 {
				return 429
			}
			return 200
		}
		p, _ := streaming(t, 2, a)
		s := p.Stream(t.Context(), ToTopic("t"), nil)
		piece := []byte(strings.Repeat("x", 10<<10))
		for i := range 200 {
			before := a.client("c0")
			if _, err := s.Write(piece); err != nil {
				t.Fatal(err)
			}
			if ahead := i*len(piece) - len(a.client("c0").text); ahead > streamAhead+2*streamFrame {
				t.Fatalf("the writer is %d bytes ahead of the fastest, which had %d", ahead, len(before.text))
			}
			s.mu.Lock()
			if held := len(s.content.text); held > streamHeld+streamAhead {
				t.Errorf("%d bytes are held", held)
			}
			s.mu.Unlock()
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if c := a.client("c0"); len(c.text) != 200*len(piece) || c.end != "end" {
			t.Errorf("the fast one has %d bytes, end %q", len(c.text), c.end)
		}
		if c := a.client("c1"); c.end != "slow" || c.gap {
			t.Errorf("the slow one has %d bytes, end %q, gap %v", len(c.text), c.end, c.gap)
		}
	})
}

func TestAFrameOfOnesOwnIsNeverSentTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond, answer: func(id string, n int, _ streamPieceFrame) int {
			if id == "c1" && n == 3 {
				return 500
			}
			return 200
		}}
		p, _ := streaming(t, 2, a)
		s := p.Stream(t.Context(), ToTopic("t"), &StreamOptions{Keep: -1, Frame: func(p StreamPiece) ([]byte, error) { return []byte(p.Text), nil }})
		for i := range 100 {
			fmt.Fprintf(s, "%d ", i)
			sleep(t.Context(), 10*time.Millisecond)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		seen := map[string]string{}
		for id, posts := range a.posts {
			for _, post := range posts {
				seen[id] += post.raw
			}
		}
		if whole := seen["c0"]; !strings.HasSuffix(whole, " 98 99 ") || len(a.posts["c1"]) != 4 || !strings.HasPrefix(whole, seen["c1"]) {
			t.Errorf("%q", seen)
		}
	})
}

func TestAStreamEndsBeforeTheDeadlineOfItsContextSoThatItsReadersAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond}
		p, _ := streaming(t, 1, a)
		ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
		defer cancel()
		s := p.Stream(ctx, ToTopic("t"), nil)
		s.Write([]byte("hello"))
		<-s.Context().Done()
		if err := s.Close(); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			t.Errorf("%v, and the context ended with %v", err, ctx.Err())
		}
		if c := a.client("c0"); c.text != "hello" || c.end != "timeout" {
			t.Errorf("%+v", c)
		}
		ctx2, cancel2 := context.WithCancel(t.Context())
		s = p.Stream(ctx2, ToTopic("t"), nil)
		s.Write([]byte("x"))
		synctest.Wait()
		cancel2()
		if err := s.Close(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestAPanicInAStreamGoesOnInTheGoroutineThatClosesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := streaming(t, 1, &streamAPI{})
		s := p.Stream(t.Context(), ToTopic("t"), &StreamOptions{Frame: func(StreamPiece) ([]byte, error) { panic("of the caller's") }})
		s.Write([]byte("x"))
		defer func() {
			if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "of the caller's") {
				t.Errorf("recovered %v", v)
			}
		}()
		s.Close()
	})
}

func TestTenThousandStreamsAtOnceEachReachTheirReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &streamAPI{latency: 20 * time.Millisecond}
		const n = 10_000
		p, _ := streaming(t, n, a)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				s := p.Stream(t.Context(), ToConnection(fmt.Sprint("c", i)), &StreamOptions{Keep: -1})
				fmt.Fprintf(s, "answer %d", i)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for i := range n {
			if c := a.client(fmt.Sprint("c", i)); c.text != fmt.Sprint("answer ", i) || c.end != "end" {
				t.Fatalf("%d has %+v", i, c)
			}
		}
	})
}
