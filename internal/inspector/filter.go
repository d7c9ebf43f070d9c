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
	text                    string // as lower makes it
	code, class             int
}

func parseFilter(q url.Values) (f filter, err error) {
	f = filter{kind: q.Get("kind"), connection: q.Get("connection"), route: q.Get("route"), status: strings.ToLower(q.Get("status")), text: lower(q.Get("q"))}
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
	return f.text == "" || f.matchesText(r)
}

func (f *filter) matchesText(r *Record) bool {
	for _, s := range [...]string{r.Text, r.Answer, r.Error, r.Reason, r.Connection, r.Target, r.Route, r.Request} {
		if stringContainsFold(s, f.text) {
			return true
		}
	}
	for _, s := range r.Lines {
		if stringContainsFold(s, f.text) {
			return true
		}
	}
	return false
}

// lower makes small letters of ASCII's capitals, which containsFold wants.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// containsFold reports whether b has the text, which is in lower case; of letters,
// only those of ASCII are equal to their capitals.
func containsFold(b []byte, text string) bool {
	n := len(text)
	if n == 0 {
		return true
	}
	first := text[0]
	other := first
	if 'a' <= first && first <= 'z' {
		other -= 'a' - 'A'
	}
	// The next place of either form of the first letter, each looked for once.
	next := func(c byte, from int) int {
		if from >= len(b) {
			return len(b)
		}
		if i := bytes.IndexByte(b[from:], c); i >= 0 {
			return from + i
		}
		return len(b)
	}
	low, high := next(first, 0), len(b)
	if other != first {
		high = next(other, 0)
	}
	for {
		at := min(low, high)
		if at+n > len(b) {
			return false
		}
		i := 1
		for ; i < n; i++ {
			c := b[at+i]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c != text[i] {
				break
			}
		}
		if i == n {
			return true
		}
		if at == low {
			low = next(first, at+1)
		} else {
			high = next(other, at+1)
		}
	}
}

func stringContainsFold(s, text string) bool {
	return containsFold(unsafe.Slice(unsafe.StringData(s), len(s)), text)
}
