package inspector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/gateway"
)

func post(connection string, status int, payload string) gateway.Observation {
	return gateway.Observation{Kind: gateway.ObservedPost, ConnectionID: connection, Status: status, Payload: []byte(payload)}
}

func TestARecorderKeepsBothBoundsAndFailuresLongest(t *testing.T) {
	r := NewRecorder(nil)
	for n := range 50 {
		r.Observe(post(fmt.Sprint("early-", n), 429, "x"))
	}
	for n := range MaxRecords + 500 {
		r.Observe(post(fmt.Sprint("ok-", n), 200, "x"))
	}
	records := r.all()
	if len(records) != MaxRecords || records[0].Connection != "early-0" || records[50].Connection != "ok-550" || r.dropped != (Dropped{Records: 550}) {
		t.Errorf("%d records from %s on, dropped %+v", len(records), records[0].Connection, r.dropped)
	}
	for n := range MaxRecords {
		r.Observe(post(fmt.Sprint("late-", n), 410, "x"))
	}
	// Failures do not drive out everything else.
	ok := 0
	for _, record := range r.all() {
		if !record.Failed {
			ok++
		}
	}
	if ok < MaxRecords/2-1 || r.dropped.Failures == 0 {
		t.Errorf("%d of %d are no failures, dropped %+v", ok, len(r.all()), r.dropped)
	}
	r.Clear()
	if s := r.state(0); s.Kept != 0 || s.Bytes != 0 || s.Dropped.Records != 0 {
		t.Errorf("after Clear: %+v", s)
	}
	r.maxBytes = 1 << 20 // as 64 MiB, and sooner
	big := strings.Repeat("x", 100<<10)
	for n := range 500 {
		r.Observe(post("big", 200+210*(n%2), big))
	}
	records = r.all()
	if size := r.state(0).Bytes; size > r.maxBytes || size < r.maxBytes*9/10 || len(records) > 128 || r.dropped.Records != 500-len(records) {
		t.Errorf("%d records take %d bytes, dropped %+v", len(records), size, r.dropped)
	}
	if last := records[len(records)-1]; len(last.Text) != MaxText || last.Size != len(big) {
		t.Errorf("of %d bytes %d are kept, and %d is said", len(big), len(last.Text), last.Size)
	}
}

func TestAnInvocationHasItsAnswerItsErrorAndItsLines(t *testing.T) {
	r := NewRecorder(nil)
	event := []byte(`{"requestContext":{}}`)
	about := gateway.Observation{Kind: gateway.ObservedInvocation, ConnectionID: "c", RouteKey: "say", RequestID: "r1", Payload: event}
	ctx, ended := r.Invoke(t.Context(), about)
	copy(event, "XXXXXXXX") // it is the function's
	if !Log(ctx, "one\n") || Log(t.Context(), "nobody's") {
		t.Error("a line goes to the invocation of its context, and to none without")
	}
	logger := slog.New(LogHandler(slog.DiscardHandler)).With("a", 1)
	logger.InfoContext(ctx, "two", "b", 2)
	logger.Info("three")
	if all := r.all(); !all[0].Running {
		t.Errorf("%+v", all[0])
	}
	ended([]byte(`{"statusCode": "201"}`), nil)
	Log(ctx, "late")
	record := r.all()[0]
	if record.Running || record.Failed || record.Status != 201 || record.Text != `{"requestContext":{}}` || record.Answer != `{"statusCode": "201"}` ||
		strings.Join(record.Lines, "|") != "one|level=INFO msg=two a=1 b=2|late" {
		t.Errorf("%+v", record)
	}
	for range 2000 {
		Log(ctx, "many lines")
	}
	if record := r.all()[0]; record.LinesDropped == 0 || record.size() > 3*MaxText {
		t.Errorf("%d lines, %d dropped, %d bytes", len(record.Lines), record.LinesDropped, record.size())
	}
	_, ended = r.Invoke(context.Background(), about)
	ended(nil, errors.New("it broke"))
	if record := r.all()[1]; !record.Failed || record.Error != "it broke" || r.failed.count != 1 {
		t.Errorf("%+v", record)
	}
}

func TestAReaderThatFallsBehindIsTold(t *testing.T) {
	r := NewRecorder(nil)
	for range recentChanges + 100 {
		r.Observe(post("c", 200, "x"))
	}
	records, skipped, next := r.recent(0, 2*recentChanges)
	if len(records) != recentChanges || skipped != 100 || next != recentChanges+100 {
		t.Errorf("%d records, %d skipped, next %d", len(records), skipped, next)
	}
	if records, skipped, _ := r.recent(next, 10); len(records) != 0 || skipped != 0 {
		t.Errorf("nothing has changed, and there are %d and %d", len(records), skipped)
	}
	if records, skipped, _ := r.recent(next-20, 10); len(records) != 10 || skipped != 10 || records[9].Seq != uint64(next) {
		t.Errorf("%d records, %d skipped", len(records), skipped)
	}
}

func TestAnExchangeHasWhatBelongsToIt(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	r := NewRecorder(&RecorderOptions{Now: func() time.Time { now = now.Add(time.Millisecond); return now }})
	observe := func(kind gateway.ObservationKind, connection, route, request string) {
		r.Observe(gateway.Observation{Kind: kind, ConnectionID: connection, RouteKey: route, RequestID: request, Status: 200})
	}
	_, connected := r.Invoke(t.Context(), gateway.Observation{ConnectionID: "a", RouteKey: "$connect", RequestID: "r0"})
	connected(nil, nil)
	observe(gateway.ObservedHandshake, "a", "$connect", "")
	observe(gateway.ObservedMessage, "a", "say", "r1")
	observe(gateway.ObservedPost, "b", "", "") // before the function ran
	_, said := r.Invoke(t.Context(), gateway.Observation{ConnectionID: "a", RouteKey: "say", RequestID: "r1"})
	observe(gateway.ObservedPost, "b", "", "")
	observe(gateway.ObservedMessage, "c", "say", "r2")
	observe(gateway.ObservedFrame, "a", "say", "r1")
	defer said(nil, nil)
	of := func(seq uint64) string {
		var out []string
		for _, p := range exchange(r.all(), seq) {
			mark := ""
			if p.Alongside {
				mark = "*"
			}
			out = append(out, fmt.Sprint(p.Seq, mark))
		}
		return strings.Join(out, " ")
	}
	for seq, want := range map[uint64]string{1: "1 2", 2: "1 2", 3: "3 5 6* 8", 4: "4", 6: "5* 6", 7: "7", 8: "3 5 6* 8", 99: ""} {
		if got := of(seq); got != want {
			t.Errorf("the exchange of %d is %q, want %q", seq, got, want)
		}
	}
}

func TestFiltersChoose(t *testing.T) {
	r := NewRecorder(nil)
	r.Observe(post("abc", 200, "Hello World"))
	r.Observe(post("abd", 429, "x"))
	r.Observe(gateway.Observation{Kind: gateway.ObservedMessage, ConnectionID: "abd", RouteKey: "say", Payload: []byte("ÄÖ say")})
	for query, want := range map[string]int{"": 3, "q=hello": 1, "q=LO+WO": 1, "q=%C3%84%C3%96": 1, "q=nothing": 0, "connection=ab": 3, "connection=abd": 2, "status=failed": 1, "status=ok": 2,
		"status=429": 1, "status=4XX": 1, "route=say": 1, "kind=post": 2, "kind=post&status=2xx&q=world": 1} {
		f, err := parseFilter(mustQuery(t, query))
		if err != nil {
			t.Fatal(err)
		}
		if _, total := find(r.all(), &f, 0, 10); total != want {
			t.Errorf("%s chooses %d, want %d", query, total, want)
		}
	}
	for _, query := range []string{"status=lots", "status=9xx", "status=-1", "status=99999"} {
		if _, err := parseFilter(mustQuery(t, query)); err == nil {
			t.Errorf("%s is taken", query)
		}
	}
}

func TestANeedleIsFoundWhereItIs(t *testing.T) {
	for _, c := range []struct {
		in, text string
		want     bool
	}{{"", "", true}, {"", "a", false}, {"a", "", true}, {"AaB", "ab", true}, {"aaaB", "aab", true}, {"xyz", "z", true}, {"xyZ", "z", true}, {"1-2", "-2", true}, {"abcabD", "abd", true}, {"ab", "abc", false}} {
		n := newNeedle(c.text)
		if got := n.in([]byte(c.in)); got != c.want {
			t.Errorf("%q in %q: %v", c.text, c.in, got)
		}
	}
}

func TestADurationIsReadBackAsItWas(t *testing.T) {
	for micros := range 5000 {
		took := Millis(time.Duration(micros) * time.Microsecond)
		b, err := took.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back Millis
		if err := back.UnmarshalJSON(b); err != nil || back != took {
			t.Fatalf("%s is read as %v, %v, want %v", b, time.Duration(back), err, time.Duration(took))
		}
	}
}

func TestQuantilesAreNearWhatTheyMeasure(t *testing.T) {
	s := &second{}
	for n := 1; n <= 100; n++ {
		s.invoked(time.Duration(n) * time.Millisecond)
	}
	for part, want := range map[float64]time.Duration{0.5: 50 * time.Millisecond, 0.95: 95 * time.Millisecond} {
		if got := s.quantile(part); got < want*2/3 || got > want*3/2 {
			t.Errorf("quantile %v of 1 to 100 ms is %v", part, got)
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add([]byte(`{"headers":{"Authorization":"Bearer x","cookie":["a","b"]},"queryStringParameters":{"token":"s"}}`))
	f.Add([]byte(`{"a":"\"authorization\":\"x\""}`))
	f.Add([]byte("bearer.a?token=b&c=d"))
	m := newMasker([]string{"route.request.header.Auth", "route.request.querystring.ticket", "route.request.header.Host"})
	f.Fuzz(func(t *testing.T, b []byte) {
		before := string(b)
		once := m.event(b)
		if string(b) != before {
			t.Fatal("what was given has changed")
		}
		if twice := m.event(once); string(twice) != string(once) {
			t.Errorf("%q becomes %q, and that %q", before, once, twice)
		}
	})
}

func FuzzReadSession(f *testing.F) {
	f.Add(`{"format":"wirepost-session-1","records":1}` + "\n" + `{"seq":1,"at":1,"kind":"invocation","text":"{\"cookie\":\"x\"}","lines":["a"],"size":-5}`)
	f.Add(`{"format":"wirepost-session-1"}`)
	mask := newMasker(nil)
	f.Fuzz(func(t *testing.T, text string) {
		r := newRecorder(mask, time.Now)
		if err := readSession(strings.NewReader(text), r); err != nil && err.Error() == "" {
			t.Error("an error without a sentence")
		}
		if s := r.state(0); s.Kept > MaxRecords || s.Bytes > MaxBytes {
			t.Errorf("%+v", s)
		}
	})
}

func mustQuery(t *testing.T, query string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return q
}
