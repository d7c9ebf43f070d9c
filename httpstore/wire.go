package httpstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost"
)

// The protocol: a POST to PREFIX/v1/NAME for each method of the contract, with a
// JSON object as its body and as its answer. An answer other than 200 is a
// problem. Times are integers: milliseconds since 1970.
const (
	protocolVersion = "1"
	versionHeader   = "Wirepost-Store"      // in each request and each answer
	timeoutHeader   = "Wirepost-Timeout-Ms" // what is left of the caller's deadline

	maxRequest = 4 << 20  // bytes of a request's body
	maxAnswer  = 64 << 20 // bytes of an answer's body
	maxItems   = 1000     // of a page
)

// What an answer other than 200 can be about.
const (
	codeNotFound = "not-found" // wirepost.ErrNotFound
	codeInvalid  = "invalid"   // the request is malformed; nothing has happened
	codeRefused  = "refused"   // the caller has no right to it; nothing has happened
	codeCanceled = "canceled"  // the caller went away, or the server ends
	codeDeadline = "deadline"  // the time that the caller gave is up
	codeStore    = "store"     // the store failed

	codeMoved        = "moved"         // wirepost.ErrMoved; nothing has happened
	codeUnknown      = "unknown"       // wirepost.ErrUnknown
	codeNotSupported = "not-supported" // wirepost.ErrNotSupported
	codeSuperseded   = "superseded"    // wirepost.ErrSuperseded; nothing has happened
)

// problem is the body of an answer other than 200.
type problem struct {
	Error string `json:"error"`
	Code  string `json:"code"`
}

type (
	none struct{}

	row struct {
		ID          string            `json:"connectionId"`
		Endpoint    wirepost.Identity `json:"endpoint"`
		User        string            `json:"user,omitempty"`
		Topics      []string          `json:"topics,omitempty"`
		Claims      string            `json:"claims,omitempty"`
		Marks       map[string]string `json:"marks,omitempty"` // of an answer only
		ConnectedAt moment            `json:"connectedAt"`
		ExpiresAt   moment            `json:"expiresAt"`
	}
	rowKey struct {
		ID          string            `json:"connectionId"`
		Endpoint    wirepost.Identity `json:"endpoint"`
		ConnectedAt moment            `json:"connectedAt"`
	}
	rowID struct {
		ID string `json:"connectionId"`
	}
	subscription struct {
		ID    string `json:"connectionId"`
		Topic string `json:"topic"`
	}
	audience struct {
		Kind wirepost.AudienceKind `json:"kind"`
		Name string                `json:"name,omitempty"`
	}
	item struct {
		ID          string            `json:"connectionId"`
		Endpoint    wirepost.Identity `json:"endpoint"`
		ConnectedAt moment            `json:"connectedAt"`
		Cursor      wirepost.Cursor   `json:"cursor"`
		Marked      bool              `json:"marked,omitempty"` // of an answer only
	}
	reaping struct {
		Audience audience `json:"audience"`
		Listed   item     `json:"listed"`
	}
	// pageQuery asks for the first items behind After.
	pageQuery struct {
		Audience audience        `json:"audience"`
		After    wirepost.Cursor `json:"after,omitempty"`
		Part     int             `json:"part,omitempty"`
		Parts    int             `json:"parts,omitempty"`
		Limit    int             `json:"limit,omitempty"` // 0: as many as the server gives
	}
	page struct {
		Items []item `json:"items"`
		More  bool   `json:"more"` // the next page starts behind the last item
	}
	record struct {
		Endpoint  wirepost.Identity `json:"endpoint"`
		URL       string            `json:"url"`
		EventTime moment            `json:"eventTime"`
	}
	stageID struct {
		Endpoint wirepost.Identity `json:"endpoint"`
	}
	records struct {
		Stages []record `json:"stages"`
	}
	removal struct {
		Removed bool `json:"removed"`
	}
)

func rowOf(c wirepost.Connection) row {
	return row{c.ID, c.Endpoint, c.User, c.Topics, c.Claims, c.Marks, moment{c.ConnectedAt}, moment{c.ExpiresAt}}
}

func (r row) connection() wirepost.Connection {
	return wirepost.Connection{ID: r.ID, Endpoint: r.Endpoint, User: r.User, Topics: r.Topics, Claims: r.Claims, Marks: r.Marks, ConnectedAt: r.ConnectedAt.Time, ExpiresAt: r.ExpiresAt.Time}
}

func itemOf(l wirepost.Listed) item {
	return item{l.ID, l.Endpoint, moment{l.ConnectedAt}, l.Cursor, l.Marked}
}

func (i item) listed() wirepost.Listed {
	return wirepost.Listed{ID: i.ID, Endpoint: i.Endpoint, ConnectedAt: i.ConnectedAt.Time, Cursor: i.Cursor, Marked: i.Marked}
}

func recordOf(r wirepost.StageRecord) record {
	return record{r.Identity, r.URL, moment{r.EventTime}}
}

func (r record) stage() wirepost.StageRecord {
	return wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: r.Endpoint, URL: r.URL}, EventTime: r.EventTime.Time}
}

// moment is a time as whole milliseconds. One that is left out stays the zero
// time, which no row may have.
type moment struct{ time.Time }

func (m moment) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, m.UnixMilli(), 10), nil
}

func (m *moment) UnmarshalJSON(b []byte) error {
	ms, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("%.40q is not a time in whole milliseconds", b)
	}
	m.Time = time.UnixMilli(ms).UTC()
	return nil
}

// decode reads one JSON object and nothing else. What encoding/json would repair
// is refused: a name that was repaired is another name.
func decode(body []byte, into any) error {
	if !utf8.Valid(body) || loneSurrogate(body) {
		return errors.New("the request is not UTF-8")
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return errors.New("the request is not a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("the request cannot be read: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("the request has more behind its JSON object")
	}
	return nil
}

// loneSurrogate reports whether a JSON text has an escaped half of a character,
// which encoding/json replaces.
func loneSurrogate(b []byte) bool {
	high := false // a first half ends here
	for i := 0; i < len(b); i++ {
		wasHigh := high
		high = false
		if b[i] == '\\' && i+5 < len(b) && b[i+1] == 'u' {
			if n, err := strconv.ParseUint(string(b[i+2:i+6]), 16, 16); err == nil {
				i += 5
				high = n >= 0xd800 && n < 0xdc00
				if low := n >= 0xdc00 && n < 0xe000; low != wasHigh {
					return true
				}
				continue
			}
		}
		if wasHigh {
			return true
		}
		if b[i] == '\\' {
			i++ // whatever is escaped begins no escape
		}
	}
	return high
}

// versionProblem says which side to update.
func versionProblem(client, server string) error {
	c, clientErr := strconv.Atoi(client)
	s, serverErr := strconv.Atoi(server)
	switch {
	case clientErr != nil || c < 1:
		return fmt.Errorf("the request needs the header %s: %s", versionHeader, protocolVersion)
	case serverErr != nil || s < 1:
		return fmt.Errorf("the server's header %s is %.20q, not a version number", versionHeader, server)
	case c < s:
		return fmt.Errorf("the function speaks version %d of the store's protocol and wirepost dev version %d; update the module github.com/wirepost/wirepost in the function", c, s)
	}
	return fmt.Errorf("the function speaks version %d of the store's protocol and wirepost dev version %d; update the wirepost command", c, s)
}
