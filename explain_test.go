package wirepost

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode"
)

func TestExplainIsSilentAboutWhatItDoesNotKnow(t *testing.T) {
	for _, err := range []error{nil, io.EOF, errors.New("out of paper"), fmt.Errorf("marshal: %w", io.ErrUnexpectedEOF)} {
		if e := Explain(err); e != nil {
			t.Errorf("of %v it says %v", err, e)
		}
	}
}

func TestExplainNamesErrorsOfThisPackage(t *testing.T) {
	forbidden := &Error{Problem: ProblemForbidden, Status: 403, Endpoint: "https://abc123.execute-api.eu-west-1.amazonaws.com/prod"}
	for _, tt := range []struct {
		err        error
		want       Problem
		candidates []Problem
	}{
		{fmt.Errorf("publish: %w", ErrGone), ProblemConnectionGone, nil},
		{fmt.Errorf("publish: %w", ErrNoEndpoint), ProblemEndpointUnset, nil},
		{fmt.Errorf("publish: %w", &Error{Problem: ProblemThrottled, Status: 429}), ProblemThrottled, nil},
		{&Error{Problem: ProblemNoAnswer}, ProblemNoAnswer, nil},
		{forbidden, ProblemForbidden, []Problem{ProblemStageNotDeployed, ProblemAPIDisabled, ProblemStageUnknown, ProblemDeploymentStale}},
		{&Error{Problem: ProblemForbidden, Status: 403, Endpoint: "https://ws.example.com"}, ProblemForbidden, []Problem{ProblemMappingMissing, ProblemStageNotDeployed, ProblemDeploymentStale}},
		// Errors of the network, by whichever client.
		{&url.Error{Op: "Post", URL: "https://abc123.execute-api.eu-west-1.amazonaws.com/prod/@connections/a%3D", Err: &net.DNSError{IsNotFound: true}}, ProblemEndpointUnresolved, nil},
		{&url.Error{Op: "Post", URL: "https://abc123.execute-api.eu-west-1.amazonaws.com/@connections/a%3D", Err: io.ErrUnexpectedEOF}, ProblemEndpointStageMissing, nil},
		{&url.Error{Op: "Post", URL: "https://abc123.execute-api.eu-west-1.amazonaws.com/prod/@connections/a%3D", Err: io.ErrUnexpectedEOF}, ProblemNoAnswer, nil},
	} {
		e := Explain(tt.err)
		if e == nil || e.Problem != tt.want || !slices.Equal(e.Candidates, tt.candidates) {
			t.Errorf("of %v it says %v, want %s %v", tt.err, e, tt.want, tt.candidates)
		}
	}
	if forbidden.Candidates != nil {
		t.Error("the error that was given was changed")
	}
	if text := Explain(forbidden).Error(); !strings.Contains(text, "in order of likelihood: stage-not-deployed, execute-api-disabled") {
		t.Errorf("the text does not list the candidates: %s", text)
	}
}

func TestADenialNamesTheResourceToAllow(t *testing.T) {
	resp := &http.Response{StatusCode: 403, Header: http.Header{"X-Amzn-Errortype": {"AccessDeniedException"}}}
	e := ExplainResponse(resp, []byte(`{"Message":"User: arn:aws:sts::111122223333:assumed-role/send/fn is not authorized to perform: execute-api:ManageConnections on resource: arn:aws:execute-api:eu-west-1:********3333:abc123/prod/POST/@connections/{connectionId}"}`))
	if e.Problem != ProblemSendDenied || e.Fix() != "allow execute-api:ManageConnections on arn:aws:execute-api:eu-west-1:111122223333:abc123/prod/*/@connections/*" {
		t.Errorf("%s: %s", e.Problem, e.Fix())
	}
	if ExplainResponse(&http.Response{StatusCode: 200, Header: http.Header{}}, nil) != nil {
		t.Error("a success is explained")
	}
	if e := ExplainResponse(&http.Response{StatusCode: 410, Header: http.Header{}}, nil); e.Problem != ProblemConnectionGone {
		t.Errorf("410 is %s", e.Problem)
	}
}

// What API Gateway, or whatever is there in its place, says is read for ARNs, routes
// and accounts.
func FuzzExplainResponse(f *testing.F) {
	for _, text := range []string{
		`{"Message":"User: arn:aws:sts::111122223333:assumed-role/r/s is not authorized to perform: execute-api:ManageConnections on resource: arn:aws:execute-api:eu-west-1:********3333:a/prod/POST/@connections/x"}`,
		`not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:1:a/prod/POST/prod/@connections/x`,
		`execute-api:ManageConnections arn:a:b:c:d:e/f/g/h`, `User: arn:::: execute-api:ManageConnections arn:::::///`,
		`{"message":"No method found matching route prod/@connections/x for http method POST."}`, `{"message":"Forbidden"}`, "",
		"No method found matching route a\nb/@connections/x for",
		"User: arn:x:y:z:w4444:u execute-api:ManageConnections arn:a:b:c:d4444:e\x1b/f/g/h",
	} {
		f.Add(403, text, "https://ws.example.com/prod/@connections/a%3D", "AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-1/execute-api/aws4_request, SignedHeaders=host, Signature=0", "")
	}
	f.Add(404, "\xff\x00{\"error\":1}", "http://127.0.0.1:1/dev/@connections/a", "", "text/plain")
	f.Add(200, "<html>", "https:///@connections/", "Credential=////", "text/html")
	f.Fuzz(func(t *testing.T, status int, text, call, authorization, contentType string) {
		resp := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}}
		if u, err := url.Parse(call); err == nil {
			resp.Request = &http.Request{URL: u, Header: http.Header{"Authorization": {authorization}}}
		}
		e := ExplainResponse(resp, []byte(text))
		if e == nil {
			if status/100 != 2 {
				t.Errorf("%d is not explained", status)
			}
			return
		}
		if e.Problem.Sentence() == "" || e.Fix() == "" || e.Error() == "" {
			t.Errorf("%q is not in the catalogue, or has no fix", e.Problem)
		}
		if e.Problem == ProblemNotAPIGateway && (strings.ContainsFunc(e.Body, unicode.IsControl) || len(e.Body) > shownBody+len("…")) {
			t.Errorf("what somebody else said is shown as %q", e.Body)
		}
		if strings.ContainsFunc(e.Fix()+e.Detail, unicode.IsControl) {
			t.Errorf("a control character of the answer is in the words: %q, %q", e.Detail, e.Fix())
		}
	})
}

func TestAShortageOfDescriptorsIsNotBlamedOnTheNetwork(t *testing.T) {
	short := os.NewSyscallError("socket", syscall.EMFILE)
	for _, err := range []error{
		&net.OpError{Op: "dial", Net: "tcp", Err: short},
		&net.DNSError{Err: "dial udp: " + short.Error(), UnwrapErr: &net.OpError{Op: "dial", Net: "udp", Err: short}},
	} {
		if e := Explain(err); e == nil || !strings.Contains(e.Error(), "no file descriptor left") {
			t.Errorf("of %v it says %v", err, e)
		}
	}
}
