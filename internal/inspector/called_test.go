package inspector

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/gateway"
)

func TestACallIsRecordedWithItsCauseAndWhatItCaused(t *testing.T) {
	r := NewRecorder(nil)
	ctx, ended := r.Call(t.Context(), Call{Function: "Nightly", Cause: "schedule Midnight", RequestID: "one", Payload: []byte(`{"headers":{"Authorization":"Bearer secret"},"a":1}`)})
	if !Log(ctx, "it begins") {
		t.Error("the context belongs to no record")
	}
	r.Observe(gateway.Observation{Kind: gateway.ObservedPost, ConnectionID: "A", Status: 200, Payload: []byte("hello")})
	ended([]byte(`{"Authorization":"Bearer secret"}`), nil)
	_, failed := r.Call(t.Context(), Call{Function: "Nightly", Cause: "Invoke API", RequestID: "two", Payload: []byte("{}")})
	failed(nil, errors.New("no"))

	all := r.all()
	if len(all) != 3 {
		t.Fatalf("%d records", len(all))
	}
	call, post, second := all[0], all[1], all[2]
	if call.Kind != "call" || call.Function != "Nightly" || call.Cause != "schedule Midnight" || call.Running || call.Failed || !slices.Equal(call.Lines, []string{"it begins"}) ||
		strings.Contains(call.Text+call.Answer, "secret") || !strings.Contains(call.Text, `"a":1`) || !call.Masked {
		t.Errorf("%+v", call)
	}
	if !second.Failed || second.Error != "no" {
		t.Errorf("%+v", second)
	}
	for of, also := range map[*Record]*Record{call: post, post: call} {
		parts := exchange(all, of.Seq)
		if len(parts) < 2 || !slices.ContainsFunc(parts, func(p part) bool { return p.Record == also && p.Alongside }) {
			t.Errorf("the exchange of %s has no %s: %+v", of.Kind, also.Kind, parts)
		}
	}
	for query, want := range map[string]int{"kind=call": 2, "q=midnight": 1, "kind=call&status=failed": 1} {
		values, _ := url.ParseQuery(query)
		f, err := parseFilter(values)
		if found, n := find(all, &f, 0, 10); err != nil || n != want {
			t.Errorf("%s finds %v, %v", query, found, err)
		}
	}
}

func TestACallOfAMessageIsPartOfItsExchange(t *testing.T) {
	r := NewRecorder(nil)
	r.Observe(gateway.Observation{Kind: gateway.ObservedMessage, ConnectionID: "A", RouteKey: "ask", RequestID: "r1", Payload: []byte(`{"action":"ask"}`)})
	_, ended := r.Call(t.Context(), Call{Function: "Long", Cause: "route ask", ConnectionID: "A", RouteKey: "ask", RequestID: "r1", Payload: []byte("{}")})
	ended(nil, nil)
	all := r.all()
	if parts := exchange(all, all[0].Seq); len(parts) != 2 || parts[1].Kind != "call" || parts[1].Alongside {
		t.Errorf("%+v", parts)
	}
}

func TestASessionWithCallsIsReadAgain(t *testing.T) {
	r := newRecorder(newMasker(nil), time.Now)
	if err := r.addForeign(&Record{Kind: "call", Function: "Nightly", Cause: "schedule", Text: `{"password":"secret"}`}); err != nil {
		t.Fatal(err)
	}
	if got := r.all()[0]; got.Function != "Nightly" || strings.Contains(got.Text, "secret") {
		t.Errorf("%+v", got)
	}
}

func TestMappingsAreRecordedWhileOtherRecordsAre(t *testing.T) {
	r := NewRecorder(nil)
	var running sync.WaitGroup
	for i := range 4 {
		running.Go(func() {
			for range 100 {
				if i%2 == 0 {
					r.Mapped(Mapping{What: "request", Key: "$default", In: []byte("{}"), Out: []byte("{}")})
				} else {
					r.Observe(gateway.Observation{Kind: gateway.ObservedMessage, Payload: []byte("{}")})
				}
			}
		})
	}
	running.Wait()
	if r.seq != 400 {
		t.Errorf("there are %d records, want 400", r.seq)
	}
}
