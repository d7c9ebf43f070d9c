package doctor_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/doctor"
)

// quiet is a network in which whatever is asked never answers, from one layer on.
type quiet struct{ names, connections bool }

func (q quiet) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	if q.names {
		return []netip.Addr{netip.MustParseAddr("52.1.2.3"), netip.MustParseAddr("2600::1")}, nil
	}
	<-ctx.Done()
	return nil, &net.DNSError{Err: "timeout", Name: host, IsTimeout: true}
}

func (q quiet) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if !q.connections {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
	}
	here, there := net.Pipe()
	go func() { // ends when the doctor closes its end
		io.Copy(io.Discard, there)
		there.Close()
	}()
	return here, nil
}

// The time is that of a synctest bubble: what is looked at is that every wait has a
// bound, and that the bounds add up.
func TestARunAgainstWhatNeverAnswersEndsInFifteenSeconds(t *testing.T) {
	for _, tt := range []struct {
		name     string
		network  quiet
		endpoint string
		want     wirepost.Problem
	}{
		{"no name server", quiet{}, apiURL, wirepost.ProblemEndpointUnreachable},
		{"no route", quiet{names: true}, apiURL, wirepost.ProblemEndpointUnreachable},
		{"no TLS", quiet{names: true, connections: true}, apiURL, wirepost.ProblemEndpointUnreachable},
		{"no HTTP", quiet{names: true, connections: true}, "http://localhost:1/prod", wirepost.ProblemNoAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				store := wirepost.NewMemStore(nil)
				dead := wirepost.Identity{APIID: "dead1", Stage: "prod", Region: "eu-west-1"}
				if _, err := store.PutStage(t.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: dead, URL: "https://dead1.execute-api.eu-west-1.amazonaws.com/prod"}, EventTime: began}); err != nil {
					t.Fatal(err)
				}
				if err := store.Put(t.Context(), wirepost.Connection{ID: "c", Endpoint: dead, ConnectedAt: began, ExpiresAt: began.Add(time.Hour)}); err != nil {
					t.Fatal(err)
				}
				report := doctor.Run(t.Context(), doctor.Options{
					Endpoint: tt.endpoint, Store: store, Credentials: given(keys), Live: doctor.Live,
					Getenv:   func(name string) string { return map[string]string{"AWS_REGION": "eu-west-1"}[name] },
					Resolver: tt.network, Dial: tt.network.dial, Proxy: noProxy,
				})
				if d := time.Since(began); d > 15*time.Second {
					t.Errorf("the run took %s", d)
				} else {
					t.Logf("the run would take %s", d)
				}
				if got := report.Problems(); len(got) == 0 || got[0] != tt.want {
					t.Errorf("the doctor finds %v, want %s first", got, tt.want)
				}
			})
		})
	}
}

func TestInAFunctionTheReportIsThereBeforeTheInvocationEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		network := quiet{names: true}
		report := doctor.Run(ctx, doctor.Options{Endpoint: apiURL, InFunction: true, Credentials: given(keys),
			Getenv: func(string) string { return "" }, Resolver: network, Dial: network.dial, Proxy: noProxy})
		if ctx.Err() != nil {
			t.Error("the invocation's time is up")
		}
		if got := report.Problems(); len(got) != 2 || got[0] != wirepost.ProblemEndpointUnreachable || got[1] != wirepost.ProblemFunctionTimeout {
			t.Errorf("the doctor finds %v", got)
		}
	})
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }
