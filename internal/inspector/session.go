package inspector

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/wirepost/wirepost/gateway"
)

// maxImport bounds a session file: JSON of what a recorder may keep is larger than
// what it keeps.
const maxImport = 2 * MaxBytes

// sessionFormat is the format member of a session file, which has its version in it.
const sessionFormat = "wirepost-session-1"

// sessionHead is the first line of a session file. Records follow, one a line, the
// oldest first.
type sessionHead struct {
	Format   string  `json:"format"`
	Version  string  `json:"version"` // of wirepost
	At       Time    `json:"at"`
	Endpoint string  `json:"endpoint"`
	Records  int     `json:"records"`
	Dropped  Dropped `json:"dropped"`
}

// export writes a session file: what is kept, or what a filter chooses of it.
func (i *Inspector) export(w http.ResponseWriter, r *http.Request) {
	f, err := parseFilter(r.URL.Query())
	session := i.sessionOf(r)
	if err != nil || session == nil {
		refuse(w, http.StatusBadRequest, "there is no such session or filter")
		return
	}
	records := slices.DeleteFunc(session.all(), func(r *Record) bool { return !f.matches(r) })
	w.Header().Set("Content-Type", "application/x-ndjson")
	http.NewResponseController(w).SetWriteDeadline(time.Time{}) // as for the stream
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	head := sessionHead{Format: sessionFormat, Version: i.o.Version, At: Time{time.Now()}, Endpoint: i.o.Endpoint, Records: len(records), Dropped: session.state(0).Dropped}
	if lines.Encode(head) != nil {
		return
	}
	for _, record := range records {
		if lines.Encode(record) != nil {
			return
		}
	}
}

// readSession reads a session file into a recorder of its own. It keeps and masks
// what it reads as if it had seen it happen: the file may be anybody's.
func readSession(in io.Reader, into *Recorder) error {
	d := json.NewDecoder(in)
	var head sessionHead
	if err := d.Decode(&head); err != nil || head.Format != sessionFormat {
		return badRequest("this is not a session that the inspector exported: its first line has no format %q", sessionFormat)
	}
	into.dropped = head.Dropped
	for n := 1; ; n++ {
		var record Record
		switch err := d.Decode(&record); {
		case err == io.EOF && n-1 < head.Records:
			return badRequest("the session is not whole: it has %d of %d records", n-1, head.Records)
		case err == io.EOF:
			return nil
		case err != nil:
			return badRequest("record %d of the session cannot be read: %v", n, err)
		}
		if err := into.addForeign(&record); err != nil {
			return badRequest("record %d of the session: %v", n, err)
		}
	}
}

// addForeign keeps a record that another recorder made.
func (r *Recorder) addForeign(record *Record) error {
	switch gateway.ObservationKind(record.Kind) {
	case gateway.ObservedHandshake, gateway.ObservedMessage, gateway.ObservedInvocation, gateway.ObservedFrame,
		gateway.ObservedPost, gateway.ObservedGet, gateway.ObservedDelete, gateway.ObservedClose, Called, MappedKind, Requested:
	default:
		return fmt.Errorf("there is no kind %q", cut(record.Kind, 40))
	}
	for _, s := range []*string{&record.Connection, &record.Route, &record.Request, &record.Reason, &record.Detail, &record.Remote, &record.Target, &record.Function, &record.Cause} {
		*s = cut(*s, MaxText)
	}
	record.Size, record.AnswerSize = max(record.Size, len(record.Text)), max(record.AnswerSize, len(record.Answer))
	text := []byte(record.Text)
	if record.isInvocation() || record.Kind == string(Requested) {
		text = r.mask.event(text)
	}
	record.Text = r.keep(text, &record.Masked)
	record.Target = r.mask.target(record.Target)
	keepAnswer := r.keep
	if record.Route == "$connect" || record.Kind == string(Called) || record.Kind == string(MappedKind) || record.Kind == string(Requested) {
		keepAnswer = r.keepLine
	}
	record.Answer = keepAnswer([]byte(record.Answer), &record.Masked)
	record.Error = r.keepLine([]byte(record.Error), &record.Masked)
	record.Reason = r.keep([]byte(record.Reason), &record.Masked)
	record.Detail = r.keepLine([]byte(record.Detail), &record.Masked)
	lines := record.Lines
	record.Lines, record.lineBytes = nil, 0
	for _, line := range lines {
		if record.lineBytes+len(line) > MaxText {
			record.LinesDropped++
			continue
		}
		record.Lines = append(record.Lines, r.keepLine([]byte(line), &record.Masked))
		record.lineBytes += len(line) + 16
	}
	record.settle()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(record)
	return nil
}

// postImport replaces the imported session.
func (i *Inspector) postImport(r *http.Request) (any, error) {
	session := newRecorder(i.o.Recorder.mask, i.o.Recorder.now)
	if err := readSession(r.Body, session); err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.imported = session
	return session.state(0), nil
}

func (i *Inspector) deleteImport(*http.Request) (any, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.imported = nil
	return struct{}{}, nil
}
