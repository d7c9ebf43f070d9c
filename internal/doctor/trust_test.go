package doctor_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/doctor"
)

// seen are the requests of a server, as "METHOD signed" or "METHOD unsigned".
type seen struct {
	mu  sync.Mutex
	all []string
}

func (s *seen) note(r *http.Request) {
	how := " unsigned"
	if r.Header.Get("Authorization") != "" || r.Header.Get("X-Amz-Security-Token") != "" {
		how = " signed"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, r.Method+how)
}

func (s *seen) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

func TestNothingIsSignedForAHostThatIsNotTrusted(t *testing.T) {
	gatewayAnswer := func(rw http.ResponseWriter) {
		rw.Header().Set("X-Amzn-Requestid", "r")
		rw.Header().Set("X-Amzn-Errortype", "GoneException")
		rw.WriteHeader(http.StatusGone)
	}
	for _, tt := range []struct {
		name  string
		trust []string
		serve func(rw http.ResponseWriter, r *http.Request)
		want  []string
	}{
		{"a custom domain", nil, func(rw http.ResponseWriter, _ *http.Request) { gatewayAnswer(rw) }, []string{"GET unsigned"}},
		{"another host is trusted", []string{"other.example.com", "example.com"}, func(rw http.ResponseWriter, _ *http.Request) { gatewayAnswer(rw) }, []string{"GET unsigned"}},
		{"it is trusted, and asked unsigned first", []string{customHost}, func(rw http.ResponseWriter, _ *http.Request) { gatewayAnswer(rw) },
			[]string{"GET unsigned", "POST signed", "GET signed", "DELETE signed"}},
		{"it is trusted and is not API Gateway", []string{customHost}, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "hello") }, []string{"GET unsigned"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var log seen
			w.options.Endpoint, w.options.TrustHosts = "https://"+customHost, tt.trust
			w.serveTLS(customIP, certificate(t, customHost), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				log.note(r)
				tt.serve(rw, r)
			}))
			w.start()
			w.run()
			if got := log.got(); !slices.Equal(got, tt.want) {
				t.Errorf("the host got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestASignedRequestFollowsNoRedirect(t *testing.T) {
	w := newWorld(t)
	var log seen
	elsewhere := w.serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { log.note(r) }))
	w.options.TrustHosts, w.options.Endpoint = []string{customHost}, "https://"+customHost
	w.serveTLS(customIP, certificate(t, customHost), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			rw.Header().Set("X-Amzn-Requestid", "r")
			forbidden(rw, r)
			return
		}
		http.Redirect(rw, r, elsewhere, http.StatusTemporaryRedirect)
	}))
	w.start()
	w.run()
	if got := log.got(); len(got) > 0 {
		t.Errorf("another server got %v", got)
	}
}

// A variable that names another server for one of AWS's services must not get a
// signature either.
func TestNoServiceOfAnotherHostGetsASignature(t *testing.T) {
	w := newWorld(t)
	var log seen
	w.names["sts.example.com"] = []string{otherIP}
	w.serveTLS(otherIP, certificate(t, "sts.example.com"), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { log.note(r) }))
	w.env["AWS_ENDPOINT_URL_STS"] = "https://sts.example.com"
	w.start()
	report := w.run()
	if got := log.got(); len(got) > 0 {
		t.Errorf("it got %v", got)
	}
	for _, c := range report.Checks {
		if c.Name == "identity" && (c.Status != doctor.Skip || !strings.Contains(c.Sentence, "trusted hosts only")) {
			t.Errorf("the identity is %s: %s", c.Status, c.Sentence)
		}
	}
}

// What people have in URLs does not get into reports.
func TestAReportHasNoTokenOfAURL(t *testing.T) {
	w := newWorld(t)
	w.options.Endpoint = "wss://" + apiHost + "/prod?token=topsecret"
	w.options.Live, w.options.Store = doctor.Live, w.store
	w.learn(identity, apiURL)
	w.env["AWS_ENDPOINT_URL"] = "http://user:topsecret@127.0.0.1:4566/?k=topsecret"
	w.start()
	var text strings.Builder
	report := w.run()
	report.Text(&text)
	report.JSON(&text)
	if strings.Contains(text.String(), "topsecret") {
		t.Errorf("the report says it:\n%s", text.String())
	}
	if got := report.Problems(); !slices.Equal(got, problems(wirepost.ProblemEndpointOverride)) {
		t.Errorf("the doctor finds %v", got)
	}
}
