package inspector

import (
	"strings"
	"testing"

	"github.com/wirepost/wirepost/gateway"
)

func TestARecordHasTheReasonOfARefusal(t *testing.T) {
	r := NewRecorder(&RecorderOptions{Secrets: []string{"route.request.querystring.ticket"}})
	for _, detail := range []string{
		"authorizer not asked: route.request.querystring.token is missing",
		"authorizer not asked: route.request.header.Authorization is empty",
		"no statement allows execute-api:Invoke on arn:aws:execute-api:us-east-1:000000000000:ihd9y8pe0l/dev/$connect (statement 1: arn:aws:execute-api:us-east-1:000000000000:ihd9y8pe0l/dev/*/*)",
		"its X-Amz-Security-Token is missing or not that of the access key",
		`it is signed with the access key that ends in "MPLE", which is not the development pair, wirepost and wirepost`,
	} {
		r.Observe(gateway.Observation{Kind: gateway.ObservedHandshake, Status: 401, Target: "/dev?a=" + strings.Repeat("b", 300), Detail: detail})
		all := r.all()
		record := all[len(all)-1]
		if record.Detail != detail {
			t.Errorf("kept %q, want %q", record.Detail, detail)
		}
		if s := record.summary(); !strings.Contains(s.Preview, "  "+detail[:60]) || !strings.HasPrefix(s.Preview, "/dev?a=bbb") {
			t.Errorf("its line is %q", s.Preview)
		}
		f := &filter{}
		f.text = newNeedle(detail[:20])
		if !f.matches(record) {
			t.Errorf("it is not found by %q", detail[:20])
		}
	}
	r.Observe(gateway.Observation{Kind: gateway.ObservedHandshake, Status: 500, Detail: "the authorizer failed: GET https://a.test/?token=hunter2&ticket=hunter3 failed"})
	all := r.all()
	if kept := all[len(all)-1]; strings.Contains(kept.Detail, "hunter") || !kept.Masked {
		t.Errorf("kept %q", kept.Detail)
	}
	if s := (&Record{Kind: "delete", Detail: "why"}).summary(); s.Preview != "why" {
		t.Errorf("its line is %q", s.Preview)
	}
}

func TestAReasonOfASessionFileIsMaskedAndBounded(t *testing.T) {
	r := NewRecorder(nil)
	if err := r.addForeign(&Record{Kind: "handshake", Detail: "Bearer hunter2 " + strings.Repeat("x", 2*MaxText)}); err != nil {
		t.Fatal(err)
	}
	if kept := r.all()[0]; strings.Contains(kept.Detail, "hunter2") || len(kept.Detail) > MaxText+len("(masked)") {
		t.Errorf("kept %d bytes: %.40q", len(kept.Detail), kept.Detail)
	}
}
