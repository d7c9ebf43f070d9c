package doctor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/doctor"
	"github.com/wirepost/wirepost/gateway"
	_ "github.com/wirepost/wirepost/sqlitestore"
	"github.com/wirepost/wirepost/wireposttest"
)

const ask = `{"wirepost":"doctor"}`

// echo is a function that says what it got.
type echo struct{}

func (echo) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	return fmt.Appendf(nil, `{"got":%q}`, payload), nil
}

// report is what a function answers.
type report struct {
	Endpoint, From, Identity string
	Checks                   []struct {
		Check, Status, Problem, Sentence, Fix string
	}
}

func invoke(t *testing.T, f doctor.Function, payload string) (string, *report) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := f.Invoke(ctx, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("the answer is not JSON: %v: %s", err, out)
	}
	return string(out), &r
}

func isolate(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "WIREPOST_ENDPOINT", "WIREPOST_STORE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", doctor.Variable} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
}

func TestAFunctionAnswersOnlyWhenTheEnvironmentAllowsIt(t *testing.T) {
	isolate(t)
	f := doctor.Handler(echo{}, nil)
	for _, value := range []string{"", "0", "true"} {
		t.Setenv(doctor.Variable, value)
		if out, _ := invoke(t, f, ask); !strings.Contains(out, "got") {
			t.Errorf("with %q the doctor answered: %s", value, out)
		}
	}
	t.Setenv(doctor.Variable, "1")
	if _, r := invoke(t, f, ask); len(r.Checks) == 0 {
		t.Error("there is no report")
	}
}

// A payload that could come from a client, or that says where to look, is the
// function's own.
func TestOnlyExactlyTheOnePayloadIsTheDoctors(t *testing.T) {
	isolate(t)
	t.Setenv(doctor.Variable, "1")
	f := doctor.Handler(echo{}, nil)
	for _, payload := range []string{
		`{"wirepost":"doctor","endpoint":"https://evil.example.com/prod"}`,
		`{"wirepost":"doctor","requestContext":{"eventType":"MESSAGE"}}`,
		`{"requestContext":{"eventType":"MESSAGE","connectionId":"c"},"body":"{\"wirepost\":\"doctor\"}"}`,
		`{"body":"{\"wirepost\":\"doctor\"}"}`,
		`{"Wirepost":"doctor"}`, `{"wirepost":"Doctor"}`, `{"wirepost":["doctor"]}`, `["wirepost","doctor"]`, `"doctor"`, `{"wirepost":"doctor"} x`, ``,
		`{"wirepost":"doctor"` + strings.Repeat(" ", 300) + `}`,
	} {
		out, err := f.Invoke(t.Context(), []byte(payload))
		if err != nil || !strings.HasPrefix(string(out), `{"got":`) {
			t.Errorf("the doctor took %s: %s, %v", payload, out, err)
		}
	}
	if _, r := invoke(t, f, " {\n \"wirepost\" : \"doctor\" } "); len(r.Checks) == 0 {
		t.Error("white space makes it another payload")
	}
}

func TestAFunctionReportsOfItsOwnStoreAndEndpoint(t *testing.T) {
	isolate(t)
	t.Setenv(doctor.Variable, "1")
	store := wirepost.NewMemStore(nil)
	mux := wirepost.NewMux(store, nil)
	f := doctor.Handler(mux, &doctor.Options{Store: store})
	g := wireposttest.NewGateway(t, f, nil)
	c, err := wireposttest.Dial(t.Context(), g.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, r := invoke(t, f, ask)
	if r.Endpoint != g.Endpoint || !strings.HasPrefix(r.From, "the store") {
		t.Errorf("the endpoint is %s from %s, want %s from the store", r.Endpoint, r.From, g.Endpoint)
	}
	for _, check := range r.Checks {
		if check.Status == "fail" || check.Status == "warn" {
			t.Errorf("%+v", check)
		}
	}
	// A client that sends the payload gets no report.
	if err := c.Send(ask); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if text, err := c.Receive(ctx); err == nil {
		t.Errorf("the client got %s", text)
	}
}

func TestAFunctionOpensTheStoreThatItsEnvironmentNames(t *testing.T) {
	isolate(t)
	t.Setenv(doctor.Variable, "1")
	t.Setenv("WIREPOST_STORE", "sqlite:"+filepath.Join(t.TempDir(), "store.db"))
	_, r := invoke(t, doctor.Handler(echo{}, nil), ask)
	for _, c := range r.Checks {
		if c.Check == "store" && c.Status != "ok" {
			t.Errorf("%+v", c)
		}
	}
	t.Setenv("WIREPOST_STORE", "redis:x")
	_, r = invoke(t, doctor.Handler(echo{}, nil), ask)
	for _, c := range r.Checks {
		if c.Check == "store" && (c.Problem != "store" || !strings.Contains(c.Sentence, "no driver")) {
			t.Errorf("%+v", c)
		}
	}
}

func TestAccountsAreMasked(t *testing.T) {
	isolate(t)
	t.Setenv(doctor.Variable, "1")
	store := wirepost.NewMemStore(nil)
	g := wireposttest.NewGateway(t, wirepost.NewMux(store, nil), func(s *gateway.Server) {
		s.AccountID = "111122223333"
		s.Fault = func(c gateway.Call) gateway.Fault {
			if c.Kind == gateway.CallPost {
				return gateway.Fault{Status: http.StatusForbidden, ErrorType: "AccessDeniedException"}
			}
			return gateway.Fault{}
		}
	})
	t.Setenv("WIREPOST_ENDPOINT", g.Endpoint)
	out, r := invoke(t, doctor.Handler(echo{}, &doctor.Options{Store: store}), ask)
	denied := false
	for _, c := range r.Checks {
		denied = denied || c.Problem == string(wirepost.ProblemSendDenied)
	}
	if !denied || strings.Contains(out, "111122223333") || !strings.Contains(out, "********3333") {
		t.Errorf("denied %v: %s", denied, out)
	}
}

// The options of a program with AWS's own client reach the doctor.
func TestTheConfigurationOfAWSClientIsLookedAt(t *testing.T) {
	isolate(t)
	t.Setenv(doctor.Variable, "1")
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	t.Setenv("WIREPOST_ENDPOINT", s.URL+"/prod")
	//lint:ignore SA1019 this is what people have left over
	cfg := &aws.Config{EndpointResolverWithOptions: aws.EndpointResolverWithOptionsFunc(func(string, string, ...any) (aws.Endpoint, error) { return aws.Endpoint{}, nil })}
	out, _ := invoke(t, doctor.Handler(echo{}, &doctor.Options{ClientConfig: cfg, Concurrency: 64}), ask)
	for _, p := range []wirepost.Problem{wirepost.ProblemEndpointResolver, wirepost.ProblemPoolSmall} {
		if !strings.Contains(out, `"`+string(p)+`"`) {
			t.Errorf("there is no %s in %s", p, out)
		}
	}
}
