package inspector

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/gateway"
)

func TestARequestIsRecordedWithTheFunctionAndThePostsThatItCaused(t *testing.T) {
	r := NewRecorder(nil)
	began := time.Now().Add(-time.Millisecond)
	_, ended := r.Call(t.Context(), Call{Function: "Order", Cause: "POST /orders of the HTTP API Shop", RequestID: "one", Payload: []byte(`{}`)})
	r.Observe(gateway.Observation{Kind: gateway.ObservedPost, ConnectionID: "A", Status: 200, Payload: []byte("hello")})
	ended([]byte(`{"statusCode":202}`), nil)
	r.Request(Request{At: began, Took: 2 * time.Millisecond, ID: "one", API: "HTTP API Shop", Function: "Order", Route: "POST /orders", Method: "POST", Target: "/orders?token=secret",
		Body: []byte(`{"item":1,"password":"secret"}`), Status: 202, Answer: []byte("taken")})
	r.Request(Request{At: time.Now(), ID: "two", API: "HTTP API Shop", Method: "GET", Target: "/no", Status: 404, Why: "no route fits"})

	all := r.all()
	request := all[2]
	if request.Kind != "http" || request.Cause != "HTTP API Shop" || request.Failed || request.Answer != "taken" || !request.Masked ||
		strings.Contains(request.Text+request.Target, "secret") || !strings.HasPrefix(request.Target, "POST /orders?token=") {
		t.Errorf("%+v", request)
	}
	if other := all[3]; !other.Failed || other.Detail != "no route fits" {
		t.Errorf("%+v", other)
	}
	parts := exchange(all, request.Seq)
	if kinds := slices.Collect(func(yield func(string) bool) {
		for _, p := range parts {
			if !yield(p.Kind) {
				return
			}
		}
	}); !slices.Equal(kinds, []string{"http", "call", "post"}) {
		t.Errorf("its exchange is %v", kinds)
	}
	values, _ := url.ParseQuery("kind=http&q=shop")
	if f, err := parseFilter(values); err != nil {
		t.Error(err)
	} else if _, n := find(all, &f, 0, 10); n != 2 {
		t.Errorf("%d are found", n)
	}
	again := newRecorder(newMasker(nil), time.Now)
	foreign := *request
	if err := again.addForeign(&foreign); err != nil {
		t.Error(err)
	}
}
