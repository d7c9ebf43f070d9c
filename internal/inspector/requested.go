package inspector

import (
	"time"

	"github.com/wirepost/wirepost/gateway"
)

// Requested is the kind of a record of a request to an HTTP API, a REST API or a
// function's URL, with its answer.
const Requested gateway.ObservationKind = "http"

// A Request is such a request when it has been answered. Its target has no secrets any
// more.
type Request struct {
	At       time.Time // when it came
	Took     time.Duration
	ID       string // that of the invocations that it has led to: they are its exchange
	API      string // for people, such as "HTTP API Shop"
	Function string // that was invoked; empty if none was
	Route    string // empty if none fits

	Method, Target string // of the request line
	Body           []byte
	Status         int
	Answer         []byte
	Why            string // why the API itself has answered; empty if it has not
}

// Request records a request.
func (r *Recorder) Request(q Request) {
	record := &Record{Kind: string(Requested), At: Time{q.At}, Took: Millis(q.Took), Request: cut(q.ID, MaxText), Cause: cut(q.API, MaxText), Function: cut(q.Function, MaxText),
		Route: cut(q.Route, MaxText), Status: q.Status, Size: len(q.Body), AnswerSize: len(q.Answer)}
	target := q.Method + " " + q.Target
	record.Target = cut(r.mask.target(target), MaxText)
	record.Masked = record.Target != cut(target, MaxText)
	body := q.Body[:min(len(q.Body), 2*MaxText)]
	masked := r.mask.event(body)
	record.Masked = record.Masked || string(masked) != string(body)
	record.Text = r.keep(masked, &record.Masked)
	record.Answer = r.keepLine(q.Answer, &record.Masked)
	record.Detail = r.keepLine([]byte(q.Why), &record.Masked)
	record.settle()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(record)
}
