package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const denial = `{"Message":"User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: execute-api:ManageConnections on resource: arn:aws:execute-api:us-east-1:********9012:abc123/dev/POST/@connections/x"}`

// A problem that a later change adds has to be put into one of the two lists.
func TestEveryProblemSaysWhetherTheMessageCanHaveArrived(t *testing.T) {
	open := []Problem{ProblemNotAPIGateway, ProblemServerError, ProblemNoAnswer, ProblemUnexpected, ProblemEventMalformed}
	all := Problems()
	doctors := declaredProblems(t)
	doctors = doctors[slices.Index(doctors, ProblemAPIUnknown):] // no post fails with these
	for _, p := range all {
		if want := !slices.Contains(open, p) && !slices.Contains(doctors, p); p.NotDelivered() != want {
			t.Errorf("%s.NotDelivered() is %v", p, !want)
		}
	}
	if Problem("").NotDelivered() {
		t.Error("no problem is certain")
	}
}

func TestAFailureSaysWhetherTheMessageCanHaveArrived(t *testing.T) {
	page := func(status int) func(int64, string, http.ResponseWriter, *http.Request) {
		return func(_ int64, _ string, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(status)
			io.WriteString(w, "<html>")
		}
	}
	for _, tt := range []struct {
		name              string
		answer            func(int64, string, http.ResponseWriter, *http.Request)
		problem           Problem
		certain, repeated int
	}{
		{"a denial", answerStatus(403, "AccessDeniedException", denial), ProblemSendDenied, 1, 1},
		{"forbidden", answerStatus(403, "ForbiddenException", `{"message":"Forbidden"}`), ProblemForbidden, 1, 1},
		{"a page instead of API Gateway", page(404), ProblemNotAPIGateway, 1, 1},
		{"a page that says yes", page(200), ProblemNotAPIGateway, 0, 0},
		{"the page of a proxy that lost the other side", page(502), ProblemNotAPIGateway, 0, 0},
		{"an answer that is in no documentation", answerStatus(405, "MethodNotAllowedException", ""), ProblemUnexpected, 1, 1},
		{"a redirect of API Gateway's", answerStatus(302, "Redirect", ""), ProblemUnexpected, 1, 1},
		{"a redirect of another server's", unmarked(answerStatus(302, "", "")), ProblemNotAPIGateway, 1, 1},
		{"a failure of API Gateway", answerStatus(500, "", ""), ProblemServerError, 0, 0},
		{"a failure that speaks of credentials", answerStatus(500, "", "the security token"), ProblemCredentialsInvalid, 0, 0},
		{"no answer", func(int64, string, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ProblemNoAnswer, 0, 0},
		{"a client that does not read", answerStatus(429, "LimitExceededException", ""), ProblemThrottled, 1, 0},
		{"an ID that was never issued", answerStatus(400, "BadRequestException", `{"message":"Invalid connectionId: x"}`), ProblemConnectionID, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newManager(t, tt.answer)
			p := publisher(t, at(t, m.URL+"/dev", 1), &PublisherOptions{PostTimeout: 300 * time.Millisecond})
			r, err := p.Publish(t.Context(), ToUser("u"), []byte("x"), nil)
			if err != nil || r.Failed != 1 || r.Problems[tt.problem] != 1 || r.NotDelivered != tt.certain || r.Missed != tt.repeated || len(r.FirstMissed) != tt.repeated {
				t.Errorf("%+v, %v", r, err)
			}
			if e := r.Err(); e == nil || !strings.Contains(e.Error(), "1 "+string(tt.problem)) || ProblemOf(e) != tt.problem {
				t.Errorf("Err() is %v", e)
			}
		})
	}
}

func TestWhatWasNeverSentIsCertain(t *testing.T) {
	s := at(t, "http://localhost:1/dev", 1) // nobody listens there
	r, err := publisher(t, s, nil).Publish(t.Context(), ToUser("u"), []byte("x"), nil)
	if err != nil || r.NotDelivered != 1 || r.Missed != 1 || r.Problems[ProblemEndpointRefused] != 1 {
		t.Errorf("a refused dial: %+v, %v", r, err)
	}
	stages, err := s.Stages(t.Context())
	if err != nil || len(stages) != 1 {
		t.Fatal(stages, err)
	}
	if _, err := s.DeleteStage(t.Context(), stages[0]); err != nil {
		t.Fatal(err)
	}
	r, err = publisher(t, s, nil).Publish(t.Context(), ToUser("u"), []byte("x"), nil)
	if err != nil || r.NotDelivered != 1 || r.Missed != 1 || r.Problems[ProblemEndpointUnset] != 1 || !errors.Is(r.Err(), ErrNoEndpoint) {
		t.Errorf("no endpoint: %+v, %v", r, err)
	}
}

func TestCountsAreCompleteAndListsEnd(t *testing.T) {
	m := newManager(t, answerStatus(403, "AccessDeniedException", denial))
	r, err := publisher(t, at(t, m.URL+"/dev", 250), nil).Publish(t.Context(), Everyone(), []byte("x"), nil)
	if err != nil || r.Failed != 250 || r.NotDelivered != 250 || r.Missed != 250 || len(r.FirstMissed) != 100 || len(r.Errors) != 100 {
		t.Fatalf("failed %d, certain %d, missed %d, first %d, %v", r.Failed, r.NotDelivered, r.Missed, len(r.FirstMissed), err)
	}
	if got, want := r.Err().Error(), "250 of 250 posts failed (250 send-denied), 250 of them certainly without delivering"; got != want {
		t.Errorf("Err() is %q, want %q", got, want)
	}
}

func TestAResultWithoutFailureThatWasFinishedIsNoError(t *testing.T) {
	for _, r := range []Result{{}, {Sent: 3, Gone: 2, Removed: 1}} {
		if err := r.Err(); err != nil {
			t.Errorf("%s: %v", r, err)
		}
	}
	for want, r := range map[string]Result{
		"the publish was not finished: it ended after 3 posts": {Sent: 2, Gone: 1, Next: "c"},
		"3 of 6 posts failed (1 no-answer, 2 send-denied), 2 of them certainly without delivering; the publish was not finished: it ended after 6 posts": {
			Sent: 2, Gone: 1, Failed: 3, NotDelivered: 2, Problems: map[Problem]int{ProblemNoAnswer: 1, ProblemSendDenied: 2}, Next: "c"},
	} {
		if err := r.Err(); err == nil || err.Error() != want {
			t.Errorf("Err() is %v, want %s", err, want)
		}
	}
}

// One client that does not read is its own fault. A stage that takes nothing any more
// is nobody's.
func TestOnlyAStageThatIsThrottledAsAWholeIsWorthARepeat(t *testing.T) {
	for _, tt := range []struct {
		throttled, accepted, missed int
	}{{1, 0, 0}, {1, 9, 0}, {2, 0, 2}, {2, 8, 0}, {3, 17, 3}, {3, 97, 0}, {40, 60, 40}} {
		synctest.Test(t, func(t *testing.T) { // no answer is late, however busy the machine is
			p := publisher(t, at(t, "http://127.0.0.1:1/dev", tt.throttled+tt.accepted), &PublisherOptions{PostTimeout: 200 * time.Millisecond,
				Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					status := http.StatusOK
					var n int
					if fmt.Sscanf(path.Base(r.URL.Path), "c%d", &n); n < tt.throttled {
						status = http.StatusTooManyRequests
					}
					return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody}, nil
				})})
			r, err := p.Publish(t.Context(), Everyone(), []byte("x"), nil)
			if err != nil || r.Sent != tt.accepted || r.NotDelivered != tt.throttled || r.Missed != tt.missed || len(r.FirstMissed) != tt.missed {
				t.Errorf("%d throttled, %d accepted: missed %d, want %d (%v, %v)", tt.throttled, tt.accepted, r.Missed, tt.missed, r, err)
			}
		})
	}
}

func TestWhatMayHaveArrivedIsMissedOnlyIfTwiceIsBetterThanNever(t *testing.T) {
	m := newManager(t, answerStatus(500, "", ""))
	for _, once := range []bool{true, false} {
		p := publisher(t, at(t, m.URL+"/dev", 1), &PublisherOptions{PostTimeout: 100 * time.Millisecond})
		r, err := p.Publish(t.Context(), ToUser("u"), []byte("x"), &PublishOptions{AtLeastOnce: !once})
		if err != nil || r.Failed != 1 || r.NotDelivered != 0 || (r.Missed == 0) != once {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

func TestAJobLeavesWhatItDidNotReach(t *testing.T) {
	job := Job{Publish: "p", To: ToTopic("t"), Text: "x", Part: 1, Parts: 3, After: "a", Except: "e"}
	once := job
	once.AtLeastOnce = true
	rest := job
	rest.After = "n"
	missed := func(n int) (all []Outcome) {
		for i := range n {
			all = append(all, Outcome{ConnectionID: fmt.Sprint("c", i), Endpoint: testIdentity})
		}
		return all
	}
	one := func(i int, atLeastOnce bool) Job {
		return Job{Publish: "p", To: ToConnection(fmt.Sprint("c", i)), Text: "x", Parts: 1, Only: &testIdentity, AtLeastOnce: atLeastOnce}
	}
	failed := errors.New("the store is away")
	for _, tt := range []struct {
		name string
		job  Job
		r    Result
		err  error
		want Left
	}{
		{"all were reached", job, Result{Sent: 3}, nil, Left{}},
		{"there was nobody", job, Result{}, nil, Left{}},
		{"all were gone", job, Result{Gone: 3}, nil, Left{}},
		{"nobody was reached", job, Result{Gone: 1, Failed: 2, NotDelivered: 2, Missed: 2, FirstMissed: missed(2)}, nil, Left{Again: true}},
		{"nobody was reached, and the time was over", job, Result{Failed: 2, NotDelivered: 2, Missed: 2, FirstMissed: missed(2), Next: "n"}, nil, Left{Again: true}},
		{"one was reached", job, Result{Sent: 1, Failed: 2, NotDelivered: 2, Missed: 2, FirstMissed: missed(2)}, nil, Left{Jobs: []Job{one(0, false), one(1, false)}}},
		{"one may have been reached", job, Result{Failed: 2, NotDelivered: 1, Missed: 1, FirstMissed: missed(1)}, nil, Left{Jobs: []Job{one(0, false)}}},
		{"the same where twice is better", once, Result{Failed: 2, NotDelivered: 1, Missed: 2, FirstMissed: missed(2)}, nil, Left{Again: true}},
		{"one was reached, where twice is better", once, Result{Sent: 1, Failed: 2, NotDelivered: 1, Missed: 2, FirstMissed: missed(2)}, nil, Left{Jobs: []Job{one(0, true), one(1, true)}}},
		{"one client does not read", job, Result{Failed: 1, NotDelivered: 1}, nil, Left{}},
		{"one client does not read, and another was denied", job, Result{Failed: 2, NotDelivered: 2, Missed: 1, FirstMissed: missed(1)}, nil, Left{Again: true}},
		{"only the time was over", job, Result{Sent: 1, Next: "n"}, nil, Left{Jobs: []Job{rest}}},
		{"the time was over, and one was denied", job, Result{Sent: 1, Failed: 1, NotDelivered: 1, Missed: 1, FirstMissed: missed(1), Next: "n"}, nil, Left{Jobs: []Job{rest, one(0, false)}}},
		{"too many were missed", job, Result{Sent: 1, Failed: 250, NotDelivered: 250, Missed: 250, FirstMissed: missed(2)}, nil, Left{Jobs: []Job{one(0, false), one(1, false)}, Lost: 248}},
		{"too many were missed, where twice is better", once, Result{Sent: 1, Failed: 250, NotDelivered: 250, Missed: 250, FirstMissed: missed(2)}, nil, Left{Again: true}},
		{"no time at all", job, Result{Next: "a"}, context.DeadlineExceeded, Left{Again: true}},
		{"nothing was begun", Job{Publish: "p", To: Everyone()}, Result{}, failed, Left{Again: true}},
		{"the list broke off", job, Result{Sent: 2, Next: "n"}, failed, Left{Jobs: []Job{rest}}},
		{"only those that are left out were read", job, Result{Next: "n"}, failed, Left{Jobs: []Job{rest}}},
		{"the time ended with the last post", job, Result{Sent: 2, Failed: 1}, context.DeadlineExceeded, Left{}},
	} {
		if got := tt.job.Left(tt.r, tt.err); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// Two stages share a store, and the publisher has a right to one of them only.
func TestDoingWhatIsLeftReachesEverybodyOnce(t *testing.T) {
	denied := true
	m := newManager(t, func(_ int64, _ string, w http.ResponseWriter, r *http.Request) {
		if denied && strings.HasPrefix(r.URL.Path, "/prod/") {
			w.Header().Set("x-amzn-ErrorType", "AccessDeniedException")
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, denial)
		}
	})
	s := at(t, m.URL+"/dev", 4)
	other := Identity{"other12345", "prod", "us-east-1"}
	if _, err := s.PutStage(t.Context(), StageRecord{Endpoint{other, m.URL + "/prod"}, time.Now()}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c := Connection{ID: fmt.Sprintf("d%d", i), Endpoint: other, User: "u", Topics: []string{"t"}, ConnectedAt: time.Now().Add(-time.Hour), ExpiresAt: time.Now().Add(time.Hour)}
		if err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	p := publisher(t, s, nil)
	jobs, err := Split(ToTopic("t"), []byte("x"), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Do(t.Context(), jobs[0])
	left := jobs[0].Left(r, err)
	if r.Sent != 4 || r.Missed != 3 || left.Again || len(left.Jobs) != 3 {
		t.Fatalf("%v, %v leaves %+v", r, err, left)
	}
	denied = false
	m.got = map[string][]string{}
	for _, j := range left.Jobs {
		if r, err := p.Do(t.Context(), j); err != nil || r.Sent != 1 || !reflect.DeepEqual(j.Left(r, err), Left{}) {
			t.Errorf("%s: %v, %v", j, r, err)
		}
	}
	for i := range 3 {
		if got := m.got[fmt.Sprintf("d%d", i)]; len(got) != 1 {
			t.Errorf("d%d got %q", i, got)
		}
	}
	if len(m.got) != 3 {
		t.Errorf("posted to %v", m.got)
	}
	// Later the ID is one of another stage's: that connection is not meant.
	if r, err := p.Do(t.Context(), Job{Publish: "p", To: ToConnection("c0"), Text: "x", Parts: 1, Only: &other}); err != nil || r.Sent != 0 {
		t.Errorf("%v, %v", r, err)
	}
}

func TestAResultIsLoggedAndEncodedByTheSameNames(t *testing.T) {
	r := Result{Sent: 2, Gone: 3, Removed: 1, Failed: 1, NotDelivered: 1, Missed: 1, Next: "c",
		Problems: map[Problem]int{ProblemThrottled: 1}, Kept: map[KeptReason]int{KeptTooYoung: 2},
		Errors: []error{errors.New("secret")}, FirstMissed: []Outcome{{ConnectionID: "secret"}}}
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	log.Info("x", "result", r)
	log.Info("y", "result", Result{Sent: 1})
	want := "level=INFO msg=x result.sent=2 result.gone=3 result.removed=1 result.failed=1 result.notDelivered=1 result.missed=1 result.problems.throttled=1 result.kept.too-young=2 result.finished=false\n" +
		"level=INFO msg=y result.sent=1\n"
	if b.String() != want {
		t.Errorf("logged\n%swant\n%s", b.String(), want)
	}
	out, err := json.Marshal(r)
	if want := `{"sent":2,"gone":3,"removed":1,"failed":1,"notDelivered":1,"missed":1,"problems":{"throttled":1},"kept":{"too-young":2},"next":"c"}`; err != nil || string(out) != want {
		t.Errorf("encoded as %s, %v\nwant %s", out, err, want)
	}
}

func TestEachReasonToKeepARowHasASentence(t *testing.T) {
	for _, r := range []KeptReason{KeptTooYoung, KeptAgeUnknown, KeptNoDate, KeptStoreFailed} {
		if s := r.Sentence(); s == "" || s == string(r) {
			t.Errorf("%s has the sentence %q", r, s)
		}
	}
}
