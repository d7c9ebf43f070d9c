package gateway

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func mustRules(t testing.TB, texts ...string) []FaultRule {
	t.Helper()
	rules, err := ParseFaultRules(texts)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestAFaultRuleIsWhatItSays(t *testing.T) {
	for text, want := range map[string]FaultRule{
		"post:429":                               {where: CallPost, fault: Fault{Status: 429}, p: 1},
		"post:429:p=0.1":                         {where: CallPost, fault: Fault{Status: 429}, p: 0.1},
		"get:410:n=3":                            {where: CallGet, fault: Fault{Status: 410}, p: 1, n: 3},
		"delete:500:after=5":                     {where: CallDelete, fault: Fault{Status: 500}, p: 1, afterCalls: 5},
		"connect:503:after=2s,for=10s":           {where: CallConnect, fault: Fault{Status: 503}, p: 1, afterTime: 2 * time.Second, forTime: 10 * time.Second},
		"message:drop:delay=200ms,p=1":           {where: CallMessage, fault: Fault{Drop: true, Delay: 200 * time.Millisecond}, p: 1},
		"message:reset-before:route=join":        {where: CallMessage, fault: Fault{ResetBefore: true}, p: 1, route: "join"},
		"message:reset-after:connection=abc=":    {where: CallMessage, fault: Fault{ResetAfter: true}, p: 1, connection: "abc="},
		"disconnect:hang":                        {where: CallDisconnect, fault: Fault{Hang: true}, p: 1},
		"disconnect:drop:p=0":                    {where: CallDisconnect, fault: Fault{Drop: true}},
		"invoke:504:route=$default":              {where: CallInvoke, fault: Fault{Status: 504}, p: 1, route: "$default"},
		"invoke:hang:route=a:b":                  {where: CallInvoke, fault: Fault{Hang: true}, p: 1, route: "a:b"},
		"post:denied":                            {where: CallPost, fault: Fault{Status: 403, ErrorType: "AccessDeniedException"}, p: 1},
		"frame-out:buffer-full":                  {where: CallFrameOut, fault: Fault{Status: 429, ErrorType: "LimitExceededException"}, p: 1},
		"frame-out:close=1011:p=.5":              {where: CallFrameOut, fault: Fault{Close: 1011}, p: 0.5},
		"connect:close=4999":                     {where: CallConnect, fault: Fault{Close: 4999}, p: 1},
		"get:400:n=1,message=a, b: c=\"d\",p=no": {where: CallGet, fault: Fault{Status: 400, Body: `{"message":"a, b: c=\"d\",p=no"}`}, p: 1, n: 1},
	} {
		want.text = text
		got, err := ParseFaultRule(text)
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) || got.String() != text {
			t.Errorf("%s: %+v, %v\nwant %+v", text, got, err, want)
		}
	}
}

func TestAWrongFaultRuleIsOneClearSentence(t *testing.T) {
	for text, part := range map[string]string{
		"":                                "write WHERE:WHAT",
		"post":                            "write WHERE:WHAT",
		"put:429":                         `there is no place "put"; places are connect,`,
		":429":                            `there is no place ""`,
		"POST:429":                        "there is no place",
		"post:":                           `"" cannot happen; a status can`,
		"post:explode":                    `"explode" cannot happen`,
		"post:199":                        "199 is not a status",
		"post:600":                        "600 is not a status",
		"post:-1":                         "-1 is not a status",
		"post:close=":                     "is not a close code",
		"post:close=999":                  "is not a close code",
		"post:close=1005":                 "is not a close code",
		"post:close=1006":                 "is not a close code",
		"post:close=1015":                 "is not a close code",
		"post:close=5000":                 "is not a close code",
		"disconnect:close=1000":           "no connection to close",
		"invoke:close=1000":               "no connection to close",
		"message:denied":                  "what a management call",
		"invoke:buffer-full":              "what a management call",
		"frame-out:410":                   "a frame has no status",
		"frame-out:denied":                "a frame has no status",
		"disconnect:500":                  "nobody left to see it",
		"disconnect:reset-after":          "nobody left to see it",
		"invoke:reset-before":             "a function is not a connection",
		"post:429:route=x":                "a post has no route",
		"frame-out:drop:route=x":          "a frame-out has no route",
		"post:429:p":                      "write KEY=VALUE",
		"post:429:p=":                     "write KEY=VALUE",
		"post:429:p=0.1,,n=1":             "write KEY=VALUE",
		"post:429:q=1":                    `there is no key "q"`,
		"post:429:p=1.1":                  "p=1.1: want a number from 0 to 1",
		"post:429:p=-0.1":                 "p=-0.1: want",
		"post:429:p=NaN":                  "p=NaN: want",
		"post:429:p=x":                    "p=x: want",
		"post:429:n=0":                    "n=0: want a number from 1",
		"post:429:n=x":                    "n=x: want a number from 1",
		"post:429:after=0":                "after=0: want a number from 1",
		"post:429:after=x":                "after=x: want a duration",
		"post:429:for=-1s":                "for=-1s: want a duration",
		"post:429:delay=1":                "delay=1: want a duration",
		"post:drop:message=x":             "drop at post has none",
		"invoke:500:message=x":            "500 at invoke has none",
		"frame-out:buffer-full:message=x": "buffer-full at frame-out has none",
	} {
		_, err := ParseFaultRule(text)
		if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", text, err, part)
		}
	}
	rules, err := ParseFaultRules([]string{"x", "post:429", "y:1"})
	if len(rules) != 1 || err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v, %v", rules, err)
	}
}

// hits lists which of n calls a rule of f's gets.
func hits(f *Faults, c Call, n int, want Fault) (got []int) {
	for i := range n {
		if fault := f.Ask(c); fault.Status == want.Status && !fault.isZero() {
			got = append(got, i)
		}
	}
	return got
}

func TestEachKeyOfARuleBoundsIt(t *testing.T) {
	now := time.Unix(1000, 0)
	clock := func() time.Time { return now }
	ask := func(rule string, c Call) func() bool {
		f := NewFaults(1, clock, mustRules(t, rule)...)
		return func() bool { fault := f.Ask(c); return !fault.isZero() }
	}
	post := Call{Kind: CallPost, ConnectionID: "A"}
	n := ask("post:429:n=2,after=1", post)
	if got := []bool{n(), n(), n(), n()}; !slices.Equal(got, []bool{false, true, true, false}) {
		t.Errorf("n and after: %v", got)
	}
	window := ask("post:429:after=2s,for=3s", post)
	var got []bool
	for range 7 {
		got = append(got, window())
		now = now.Add(time.Second)
	}
	if !slices.Equal(got, []bool{false, false, true, true, true, false, false}) {
		t.Errorf("after and for: %v", got)
	}
	for rule, want := range map[string][3]bool{
		"post:429:connection=A":    {true, false, false},
		"post:429:connection=B":    {false, false, false},
		"message:500:route=join":   {false, true, false},
		"message:500:route=leave":  {false, false, false},
		"message:500:connection=A": {false, true, false},
		"frame-out:drop":           {false, false, true},
		"get:429":                  {false, false, false},
	} {
		for i, c := range []Call{post, {Kind: CallMessage, ConnectionID: "A", RouteKey: "join"}, {Kind: CallFrameOut, ConnectionID: "B"}} {
			if ask(rule, c)() != want[i] {
				t.Errorf("%s for %+v: %v", rule, c, !want[i])
			}
		}
	}
}

func TestARulesHitsAreTheSeedsAndNobodyElses(t *testing.T) {
	post := Call{Kind: CallPost}
	alone := NewFaults(7, nil, mustRules(t, "post:503:p=0.3")...)
	want := hits(alone, post, 1000, Fault{Status: 503})
	if len(want) < 240 || len(want) > 360 {
		t.Errorf("%d hits of 1000 with p=0.3", len(want))
	}
	for _, others := range [][]string{
		{"get:410:p=0.5"}, {"post:503:p=0.30"}, {"post:503:p=0.3"}, {"post:410:p=0.5", "post:429:p=0.2,n=9"}, {"post:410:after=3,for=1h"},
	} {
		// Before it: it gets what they leave, and nothing else.
		f := NewFaults(7, nil, mustRules(t, append(slices.Clone(others), "post:503:p=0.3")...)...)
		for i := range 1000 {
			fault := f.Ask(post)
			if fault.Status == 503 && !slices.Contains(others, "post:503:p=0.30") && !slices.Contains(others, "post:503:p=0.3") && !slices.Contains(want, i) ||
				fault.Status == 0 && slices.Contains(want, i) {
				t.Fatalf("with %s before it call %d has %d", others, i, fault.Status)
			}
		}
		// After it: all the same.
		if others[0][:8] == "post:503" {
			continue
		}
		f = NewFaults(7, nil, mustRules(t, append([]string{"post:503:p=0.3"}, others...)...)...)
		if got := hits(f, post, 1000, Fault{Status: 503}); !slices.Equal(got, want) {
			t.Errorf("with %s after it: %d hits, alone %d", others, len(got), len(want))
		}
	}
	if other := hits(NewFaults(8, nil, mustRules(t, "post:503:p=0.3")...), post, 1000, Fault{Status: 503}); slices.Equal(other, want) {
		t.Error("another seed has the same hits")
	}
	// Two equal rules are not one.
	two := NewFaults(7, nil, mustRules(t, "post:503:p=0.3", "post:503:p=0.3")...)
	if got := hits(two, post, 1000, Fault{Status: 503}); len(got) < 420 || len(got) > 600 {
		t.Errorf("two rules of p=0.3: %d hits of 1000, want about 510", len(got))
	}
}

func TestReplacingRulesKeepsThoseThatStay(t *testing.T) {
	post := Call{Kind: CallPost}
	alone := NewFaults(7, nil, mustRules(t, "post:503:p=0.3")...)
	want := hits(alone, post, 600, Fault{Status: 503})
	f := NewFaults(7, nil, mustRules(t, "post:503:p=0.3")...)
	got := hits(f, post, 200, Fault{Status: 503})
	f.Set(mustRules(t, "get:410", "post:503:p=0.3", "connect:500"))
	for _, i := range hits(f, post, 200, Fault{Status: 503}) {
		got = append(got, 200+i)
	}
	f.Set(mustRules(t, "post:503:p=0.3"))
	for _, i := range hits(f, post, 200, Fault{Status: 503}) {
		got = append(got, 400+i)
	}
	if !slices.Equal(got, want) {
		t.Errorf("hits changed with the rules next to it: %d, want %d", len(got), len(want))
	}
	if c := f.Counts(); len(c) != 1 || c[0] != (FaultCount{"post:503:p=0.3", 600, len(want)}) {
		t.Errorf("counts = %+v", c)
	}
	f.Set(nil)
	if fault := f.Ask(post); !fault.isZero() || len(f.Counts()) != 0 {
		t.Errorf("without rules: %+v", fault)
	}
	f.Set(mustRules(t, "post:503:p=0.3")) // a new one, from its beginning
	if again := hits(f, post, 600, Fault{Status: 503}); !slices.Equal(again, want) {
		t.Errorf("a rule that was taken out and set again has %d hits, want %d", len(again), len(want))
	}
}

func TestRulesAreReplacedWhileTrafficRuns(t *testing.T) {
	faults := NewFaults(1, nil)
	f := newRecorder()
	f.answer = func(event) ([]byte, error) { return []byte(`{"statusCode":200,"body":"b"}`), nil }
	s := &Server{Function: f, Fault: faults.Ask, CloseWait: 200 * time.Millisecond,
		Routes: map[string]Route{"$connect": {}, "$disconnect": {}, "$default": {RouteResponse: true}}}
	e, host := engineOf(t, s), serve(t, s)
	sets := [][]FaultRule{
		nil, mustRules(t, "post:429:p=0.5", "message:500:p=0.5"), mustRules(t, "post:429:p=0.5", "frame-out:drop:p=0.5", "invoke:500"),
		mustRules(t, "get:410", "message:reset-after:p=0.2", "connect:503:p=0.5"), mustRules(t, "post:close=4000:p=0.2", "invoke:drop:p=0.5,delay=1ms"),
	}
	var traffic, setter sync.WaitGroup
	stop := make(chan struct{})
	setter.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				faults.Set(sets[i%len(sets)])
				faults.Counts()
			}
		}
	})
	for range 3 {
		traffic.Go(func() {
			for range 10 {
				nc := dialTCP(t, host)
				if rawHandshake(nc, "dev") != nil {
					continue
				}
				for range 5 {
					nc.Write(masked(0x81, []byte("x")))
					e.table.each(func(c *conn) {
						manage(t, "GET", host, pathOf(c.id), "")
						manage(t, "POST", host, pathOf(c.id), "x")
					})
				}
				nc.Close()
			}
		})
	}
	traffic.Wait()
	close(stop)
	setter.Wait()
}

func FuzzFaultRule(f *testing.F) {
	for _, text := range []string{
		"post:429:p=0.1", "connect:503:after=2s,for=10s", "message:close=4000:route=join,n=3", "get:400:message=a, b: c", "frame-out:buffer-full:delay=1ms",
		"invoke:504:connection=abc=", "disconnect:hang", "post::", "::", "post:denied:p=NaN", "delete:+200:after=1,after=1s,p=1e-400,",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseFaultRule(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") || r.String() != "" {
				t.Errorf("%q: %v and %+v", text, err, r)
			}
			return
		}
		switch {
		case r.String() != text, !(r.p >= 0 && r.p <= 1), r.n < 0, r.afterCalls < 0, r.afterTime < 0, r.forTime < 0, r.fault.Delay < 0, r.fault.isZero():
			t.Errorf("%q: %+v", text, r)
		case r.fault.Status != 0 && (r.fault.Status < 200 || r.fault.Status > 599):
			t.Errorf("%q: status %d", text, r.fault.Status)
		case r.fault.Close != 0 && (r.fault.Close < 1000 || r.fault.Close > 4999):
			t.Errorf("%q: close code %d", text, r.fault.Close)
		}
		// It can be held against any call, and agrees with itself.
		a, b := NewFaults(1, nil, r), NewFaults(1, nil, r)
		a.now, b.now = func() time.Time { return time.Unix(0, 0) }, func() time.Time { return time.Unix(0, 0) }
		for _, kind := range faultPlaces {
			c := Call{Kind: kind, RouteKey: r.route, ConnectionID: r.connection}
			x, y := a.Ask(c), b.Ask(c)
			if x.isZero() != y.isZero() || kind != r.where && !x.isZero() {
				t.Errorf("%q for a %s: %+v, then %+v", text, kind, x, y)
			}
		}
	})
}
