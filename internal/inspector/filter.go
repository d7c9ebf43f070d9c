package inspector

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"unsafe"
)

// filter chooses records. The zero value chooses all.
type filter struct {
	kind, connection, route string
	status                  string // failed, ok, a status, or 4xx
	text                    needle
	code, class             int
}

func parseFilter(q url.Values) (f filter, err error) {
	f = filter{kind: q.Get("kind"), connection: q.Get("connection"), route: q.Get("route"), status: strings.ToLower(q.Get("status")), text: newNeedle(q.Get("q"))}
	switch {
	case f.status == "" || f.status == "failed" || f.status == "ok":
	case len(f.status) == 3 && f.status[1:] == "xx" && f.status[0] >= '1' && f.status[0] <= '5':
		f.class = int(f.status[0] - '0')
	default:
		if f.code, err = strconv.Atoi(f.status); err != nil || f.code < 0 || f.code > 4999 {
			return f, badRequest("status %q: write failed, ok, a status such as 429, or a class such as 4xx", f.status)
		}
	}
	return f, nil
}

// matches reports whether a record is chosen.
func (f *filter) matches(r *Record) bool {
	switch {
	case f.kind != "" && r.Kind != f.kind,
		f.connection != "" && !strings.HasPrefix(r.Connection, f.connection),
		f.route != "" && r.Route != f.route,
		f.status == "failed" && !r.Failed,
		f.status == "ok" && (r.Failed || r.Running),
		f.class != 0 && r.Status/100 != f.class,
		f.code != 0 && r.Status != f.code:
		return false
	}
	return f.text.text == "" || f.matchesText(r)
}

func (f *filter) matchesText(r *Record) bool {
	for _, s := range [...]string{r.Text, r.Answer, r.Error, r.Reason, r.Detail, r.Connection, r.Target, r.Route, r.Request, r.Function, r.Cause} {
		if f.text.inString(s) {
			return true
		}
	}
	for _, s := range r.Lines {
		if f.text.inString(s) {
			return true
		}
	}
	return false
}

// needle is a text that is looked for, in small or capital letters; of letters, only
// those of ASCII are equal to their capitals.
type needle struct {
	text       string // in lower case
	at         int    // of the byte that is rarest in JSON, as far as one can say
	low, upper byte
}

// common are bytes of JSON and of English in it, the most frequent first.
const common = "\" e,:taoinsr{}\\hldcum0_1pgy.-/fwb2b3vk45"

func newNeedle(text string) needle {
	n := needle{text: strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, text)}
	rarest := -1
	for i := range len(n.text) {
		rank := strings.IndexByte(common, n.text[i])
		if rank < 0 {
			rank = len(common)
		}
		if rank > rarest {
			rarest, n.at = rank, i
		}
	}
	if n.text != "" {
		n.low = n.text[n.at]
		n.upper = n.low
		if 'a' <= n.low && n.low <= 'z' {
			n.upper -= 'a' - 'A'
		}
	}
	return n
}

// in reports whether b has the text.
func (n *needle) in(b []byte) bool {
	if len(n.text) == 0 {
		return true
	}
	// The next place of either form of the rare letter, each looked for once.
	next := func(c byte, from int) int {
		if from >= len(b) {
			return len(b)
		}
		if i := bytes.IndexByte(b[from:], c); i >= 0 {
			return from + i
		}
		return len(b)
	}
	low, upper := next(n.low, n.at), len(b)
	if n.upper != n.low {
		upper = next(n.upper, n.at)
	}
	for {
		at := min(low, upper)
		if at-n.at+len(n.text) > len(b) {
			return false
		}
		if n.is(b[at-n.at:]) {
			return true
		}
		if at == low {
			low = next(n.low, at+1)
		} else {
			upper = next(n.upper, at+1)
		}
	}
}

// is reports whether b, which is long enough, begins with the text.
func (n *needle) is(b []byte) bool {
	for i := range len(n.text) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != n.text[i] {
			return false
		}
	}
	return true
}

func (n *needle) inString(s string) bool {
	return n.in(unsafe.Slice(unsafe.StringData(s), len(s)))
}
