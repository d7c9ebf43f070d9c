package inspector

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// The stream of the page costs the same however much happens: it looks at the newest
// changes of each interval, shows some and counts the rest. That of programs has all,
// as long as they keep up.
const (
	pageInterval    = 500 * time.Millisecond
	pageChanges     = 400 // looked at
	pageRecords     = 120 // shown
	programInterval = 100 * time.Millisecond
	// quietTicks is how many intervals without a change go by before a tick says so.
	quietTicks = 2
)

// hello is the first line of the page's stream.
type hello struct {
	Type     string   `json:"type"` // hello
	Version  string   `json:"version"`
	Connect  string   `json:"connect"`
	Endpoint string   `json:"endpoint"`
	Query    string   `json:"query"`
	Routes   []string `json:"routes"`
	MaxText  int      `json:"maxText"`
	Limit    int      `json:"limit"`
	Imported bool     `json:"imported"` // there is an imported session
	state
}

// tick is every other line.
type tick struct {
	Type    string    `json:"type"` // tick
	Records []summary `json:"records"`
	Skipped uint64    `json:"skipped,omitempty"` // changes of which no record is shown
	Since   uint64    `json:"since"`
	Open    int       `json:"open"`
	Faults  int       `json:"faults"` // rules in force
	state
}

// stream sends lines of JSON until the client leaves: for the page, hello and ticks;
// with full=1, records.
func (i *Inspector) stream(w http.ResponseWriter, r *http.Request) {
	f, err := parseFilter(r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	since, full := i.o.Recorder.changedNow(), r.URL.Query().Get("full") != ""
	if text := r.URL.Query().Get("since"); text != "" {
		if since, err = strconv.ParseUint(text, 10, 64); err != nil {
			refuse(w, http.StatusBadRequest, "since: want a number")
			return
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	out := http.NewResponseController(w)
	out.SetWriteDeadline(time.Time{}) // 'wirepost tail | less' may stand still for as long as it likes
	interval := pageInterval
	if full {
		interval = programInterval
	} else if lines.Encode(i.hello()) != nil {
		return
	}
	out.Flush()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	quiet := 0
	for {
		select {
		case <-r.Context().Done():
			return
		case <-ticker.C:
		}
		var sent bool
		if full {
			since, sent, err = i.sendRecords(lines, &f, since)
		} else {
			quiet++
			since, sent, err = i.sendTick(lines, &f, since, quiet >= quietTicks)
			if sent {
				quiet = 0
			}
		}
		if err == nil && sent {
			err = out.Flush()
		}
		if err != nil {
			return
		}
	}
}

func (i *Inspector) hello() hello {
	h := hello{Type: "hello", Version: i.o.Version, Connect: i.o.Connect, Endpoint: i.o.Endpoint, Query: i.o.Query, MaxText: MaxText, Limit: MaxRecords,
		state: i.o.Recorder.state(seconds)}
	for _, r := range i.o.Server.Stats().Routes {
		h.Routes = append(h.Routes, r.Key)
	}
	i.mu.Lock()
	h.Imported = i.imported != nil
	i.mu.Unlock()
	return h
}

func (i *Inspector) sendTick(lines *json.Encoder, f *filter, since uint64, anyway bool) (next uint64, sent bool, err error) {
	records, skipped, next := i.o.Recorder.recent(since, pageChanges)
	if next == since && !anyway {
		return next, false, nil
	}
	t := tick{Type: "tick", Records: []summary{}, Skipped: skipped, Since: next, Open: i.o.Server.ConnectionCount(), state: i.o.Recorder.state(3)}
	if i.o.Faults != nil {
		t.Faults = len(i.o.Faults.Counts())
	}
	for n := len(records) - 1; n >= 0; n-- {
		switch {
		case !f.matches(records[n]):
		case len(t.Records) == pageRecords:
			t.Skipped++
		default:
			t.Records = append(t.Records, records[n].summary())
		}
	}
	return next, true, lines.Encode(t)
}

// sendRecords sends each record that has changed and is complete.
func (i *Inspector) sendRecords(lines *json.Encoder, f *filter, since uint64) (next uint64, sent bool, err error) {
	records, skipped, next := i.o.Recorder.recent(since, recentChanges)
	if skipped > 0 {
		sent = true
		if err := lines.Encode(map[string]any{"kind": "skipped", "size": skipped}); err != nil {
			return next, sent, err
		}
	}
	for _, r := range records {
		if r.Running || !f.matches(r) {
			continue
		}
		sent = true
		if err := lines.Encode(r); err != nil {
			return next, sent, err
		}
	}
	return next, sent, nil
}

// changedNow is where a stream of what happens from now on begins.
func (r *Recorder) changedNow() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}
