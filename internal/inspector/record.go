package inspector

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost/gateway"
)

// Record is one line of the timeline. One that is kept is never changed: a change
// makes another of the same Seq.
type Record struct {
	Seq        uint64 `json:"seq"`
	At         Time   `json:"at"`
	Kind       string `json:"kind"` // a gateway.ObservationKind, Called, MappedKind or Requested
	Connection string `json:"connection,omitempty"`
	Route      string `json:"route,omitempty"`
	Request    string `json:"request,omitempty"` // of the exchange that it is part of
	Status     int    `json:"status,omitempty"`  // HTTP, of an answer too; a close code
	Reason     string `json:"reason,omitempty"`
	Detail     string `json:"detail,omitempty"` // why the gateway refused it, for people
	Remote     string `json:"remote,omitempty"`
	Target     string `json:"target,omitempty"`
	Took       Millis `json:"took,omitempty"`

	// Text is the payload: an event for an invocation. Size is what it had before it
	// was cut to MaxText.
	Text string `json:"text,omitempty"`
	Size int    `json:"size,omitempty"`

	// Of a Called: the function's name, and what has invoked it. Of a Requested: the
	// function that was invoked, and the API.
	Function string `json:"function,omitempty"`
	Cause    string `json:"cause,omitempty"`

	// Of an invocation, also of a Called. A Requested has an answer, too.
	Answer       string   `json:"answer,omitempty"`
	AnswerSize   int      `json:"answerSize,omitempty"`
	Error        string   `json:"error,omitempty"`
	Lines        []string `json:"lines,omitempty"` // that it logged
	LinesDropped int      `json:"linesDropped,omitempty"`
	Running      bool     `json:"running,omitempty"`
	Authorizer   bool     `json:"authorizer,omitempty"`
	Replay       bool     `json:"replay,omitempty"`

	Failed bool `json:"failed,omitempty"`
	Fault  bool `json:"fault,omitempty"` // somebody asked for it with a fault
	Masked bool `json:"masked,omitempty"`

	lineBytes int
}

// Time is a moment as JSON: milliseconds since 1970.
type Time struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, t.UnixMilli(), 10), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(b []byte) error {
	var ms int64
	err := json.Unmarshal(b, &ms)
	t.Time = time.UnixMilli(ms)
	return err
}

// Millis is a duration as JSON: milliseconds, with three places.
type Millis time.Duration

// MarshalJSON implements json.Marshaler.
func (m Millis) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Duration(m).Microseconds())/1000, 'f', -1, 64), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Millis) UnmarshalJSON(b []byte) error {
	var ms float64
	err := json.Unmarshal(b, &ms)
	*m = Millis(math.Round(ms * float64(time.Millisecond)))
	return err
}

// size is about what a record takes of the memory.
func (r *Record) size() int {
	return 512 + len(r.Connection) + len(r.Request) + len(r.Reason) + len(r.Detail) + len(r.Target) + len(r.Text) + len(r.Answer) + len(r.Error) + len(r.Function) + len(r.Cause) + r.lineBytes
}

// isInvocation reports whether a record is of a function that was invoked, by whatever.
func (r *Record) isInvocation() bool {
	return r.Kind == string(gateway.ObservedInvocation) || r.Kind == string(Called)
}

// settle decides whether a record is a failure.
func (r *Record) settle() {
	switch gateway.ObservationKind(r.Kind) {
	case gateway.ObservedMessage:
		r.Failed = r.Route == ""
	case gateway.ObservedInvocation, Called, MappedKind:
		r.Failed = r.Error != ""
	case gateway.ObservedFrame:
		r.Failed = r.Reason != ""
	case gateway.ObservedClose:
		// 1005 is a close frame without a code, and above 2999 are an application's own.
		r.Failed = r.Status != 1000 && r.Status != 1001 && r.Status != 1005 && r.Status < 3000
	default:
		r.Failed = !r.Running && (r.Status == 0 || r.Status >= 400)
	}
}

// summary is a record as a line of the timeline shows it.
type summary struct {
	Seq        uint64 `json:"seq"`
	At         Time   `json:"at"`
	Kind       string `json:"kind"`
	Connection string `json:"connection,omitempty"`
	Route      string `json:"route,omitempty"`
	Status     int    `json:"status,omitempty"`
	Took       Millis `json:"took,omitempty"`
	Size       int    `json:"size,omitempty"`
	Preview    string `json:"preview,omitempty"`
	Lines      int    `json:"lines,omitempty"`
	Running    bool   `json:"running,omitempty"`
	Failed     bool   `json:"failed,omitempty"`
	Fault      bool   `json:"fault,omitempty"`
	Replay     bool   `json:"replay,omitempty"`
	Authorizer bool   `json:"authorizer,omitempty"`
	Function   string `json:"function,omitempty"`
	Cause      string `json:"cause,omitempty"`
}

const previewBytes = 200

func (r *Record) summary() summary {
	preview := r.Text
	switch gateway.ObservationKind(r.Kind) {
	case gateway.ObservedHandshake, Requested:
		preview = r.Target
	case gateway.ObservedInvocation, Called, MappedKind:
		preview = bodyOf(r.Answer)
		if r.Error != "" {
			preview = r.Error
		}
	case gateway.ObservedClose:
		preview = r.Reason
	case gateway.ObservedMessage:
	default:
		if r.Reason != "" && r.Text == "" {
			preview = r.Reason
		}
	}
	if r.Detail != "" {
		// Behind the beginning of the rest: it is what a line of a refusal is looked at for.
		if preview = cut(preview, previewBytes/2); preview != "" {
			preview += "  "
		}
		preview += r.Detail
	}
	return summary{r.Seq, r.At, r.Kind, r.Connection, r.Route, r.Status, r.Took, r.Size, cut(preview, previewBytes), len(r.Lines) + r.LinesDropped,
		r.Running, r.Failed, r.Fault, r.Replay, r.Authorizer, r.Function, r.Cause}
}

// bodyOf is the body of a function's answer, which says more than what is around it,
// or the answer.
func bodyOf(text string) string {
	var a struct{ Body *string }
	if json.Unmarshal([]byte(text), &a) == nil && a.Body != nil {
		return *a.Body
	}
	return text
}

// cut is the beginning of a text, of at most n bytes and whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// statusOf is the statusCode of a function's answer, or 0.
func statusOf(answer []byte) int {
	_, rest, ok := bytes.Cut(answer, []byte(`"statusCode"`))
	if !ok {
		return 0
	}
	n := 0
	for i, c := range bytes.TrimLeft(rest, ": \t\r\n\"") {
		if c < '0' || c > '9' || i > 3 {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n
}
