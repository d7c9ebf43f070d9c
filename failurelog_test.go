package wirepost

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestAnExplanationIsLoggedOnceAMinuteForEachEndpointAndProblem(t *testing.T) {
	var log bytes.Buffer
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o := &PublisherOptions{Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return now }}
	lines := func() int { return strings.Count(log.String(), "\n") }
	a, b := Identity{"a", "dev", "us-east-1"}, Identity{"b", "dev", "us-east-1"}
	var f failureLog
	forbidden := &Error{Problem: ProblemForbidden, Status: 403, Body: "secret payload"}
	for _, step := range []struct {
		after time.Duration
		out   Outcome
		want  int
	}{
		{0, Outcome{Endpoint: a, Err: forbidden}, 1},
		{0, Outcome{Endpoint: a, Err: forbidden}, 1},
		{0, Outcome{Endpoint: b, Err: forbidden}, 2},
		{0, Outcome{Endpoint: a, Err: &Error{Problem: ProblemThrottled, Status: 429}}, 3},
		{0, Outcome{Endpoint: a, Err: ErrGone}, 3},
		{0, Outcome{Endpoint: a}, 3},
		{0, Outcome{Endpoint: a, Err: errors.New("of nothing known")}, 3},
		{59 * time.Second, Outcome{Endpoint: a, Err: forbidden}, 3},
		{time.Second, Outcome{Endpoint: a, Err: forbidden}, 4},
	} {
		now = now.Add(step.after)
		f.note(o, step.out)
		if lines() != step.want {
			t.Fatalf("after %v %v: %d lines, want %d:\n%s", step.after, step.out.Err, lines(), step.want, log.String())
		}
	}
	for _, want := range []string{"problem=forbidden-unexplained", "stage-not-deployed", "fix=", "status=403"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Error("a body was logged")
	}
	for i := range 2 * maxFailures {
		f.note(o, Outcome{Endpoint: Identity{fmt.Sprint(i), "dev", "us-east-1"}, Err: forbidden})
	}
	if len(f.logged) > maxFailures {
		t.Errorf("%d failures are remembered", len(f.logged))
	}
}

func TestAPublishThatFailsForManySaysWhyOnce(t *testing.T) {
	m := newManager(t, answerStatus(403, "ForbiddenException", `{"message":"Forbidden"}`))
	var log bytes.Buffer
	p := publisher(t, at(t, m.URL+"/dev", 20), &PublisherOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	result, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil)
	if err != nil || result.Failed != 20 {
		t.Fatal(result, err)
	}
	if n := strings.Count(log.String(), "posts fail"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
}
