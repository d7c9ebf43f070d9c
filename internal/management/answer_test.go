package management

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// read reads one answer, as a call does.
func read(src io.Reader) (head, body, error) {
	a := answers{src: src, buf: make([]byte, 2<<10)}
	h, err := a.head(true)
	if err != nil || h.length == 0 {
		return h, body{whole: err == nil}, err
	}
	b, err := a.body(h)
	return h, b, err
}

func many(n int, text string) string { return strings.Repeat(text, n) }

// This is the table of docs/benchmarks.md, "The outcome of each answer".
func TestEachKindOfAnswerHasItsOutcome(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, c := range map[string]struct {
		bytes  string
		status int // 0: no answer
		body   string
		keep   bool // the connection is used again
		broken bool // the body is not what was announced
	}{
		"with a length":                      {ok + "Content-Length: 2\r\n\r\nhi", 200, "hi", true, false},
		"without a body":                     {ok + "Content-Length: 0\r\n\r\n", 200, "", true, false},
		"204":                                {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", true, false},
		"204 that announces a body":          {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, "", true, false},
		"chunked":                            {ok + "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\n\r\n", 200, "hi", true, false},
		"chunked, with a length that lies":   {ok + "Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, "hi", true, false},
		"chunked, with trailers":             {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n", 200, "hi", false, false},
		"chunked, cut off":                   {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhi", 200, "hi", false, true},
		"chunked, with a length of nonsense": {ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n", 200, "", false, true},
		"chunked, of endless extensions":     {ok + "Transfer-Encoding: chunked\r\n\r\n1;" + many(5<<10, "x"), 200, "", false, true},
		"chunked, of endless small chunks":   {ok + "Transfer-Encoding: chunked\r\n\r\n" + many(40_000, "1;x\r\na\r\n"), 200, many(maxAnswer, "a"), false, false},
		"without a length":                   {ok + "\r\nhi", 200, "hi", false, false},
		"without a length, endless":          {ok + "\r\n" + many(1<<20, "a"), 200, many(maxAnswer, "a"), false, false},
		"of 60 KB":                           {ok + "Content-Length: 61440\r\n\r\n" + many(61440, "a"), 200, many(maxAnswer, "a"), true, false},
		"of 100 KB":                          {ok + "Content-Length: 102400\r\n\r\n" + many(102400, "a"), 200, many(maxAnswer, "a"), false, false},
		"cut off in the body":                {ok + "Content-Length: 10\r\n\r\nhi", 200, "hi", false, true},
		"cut off in the header":              {ok + "Content-Le", 0, "", false, true},
		"nothing":                            {"", 0, "", false, true},
		"HTTP/1.0":                           {"HTTP/1.0 200 OK\r\n\r\nhi", 200, "hi", false, false},
		"HTTP/1.0 with a length":             {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, false},
		"HTTP/1.0 that is kept alive":        {"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", true, false},
		"HTTP/1.0 and chunks, which it lacks": {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, "2\r\nhi\r\n0\r\n\r\n",
			false, false},
		"Connection: close":          {ok + "Connection: x, Close\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, false},
		"after 1xx":                  {many(8, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") + "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", 410, "", true, false},
		"after too many 1xx":         {many(9, "HTTP/1.1 103 Early Hints\r\n\r\n") + ok + "\r\n", 0, "", false, true},
		"101":                        {"HTTP/1.1 101 Switching Protocols\r\n\r\nhi", 101, "", false, false},
		"a header of 15 KB":          {ok + "X: " + many(15<<10, "x") + "\r\nContent-Length: 0\r\n\r\n", 200, "", true, false},
		"a header of 17 KB":          {ok + "X: " + many(17<<10, "x") + "\r\nContent-Length: 0\r\n\r\n", 0, "", false, true},
		"an endless header":          {ok + many(1<<16, "X: y\r\n"), 0, "", false, true},
		"two lengths":                {ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", 0, "", false, true},
		"the same length twice":      {ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", true, false},
		"a negative length":          {ok + "Content-Length: -1\r\n\r\nhi", 0, "", false, true},
		"gzip as transfer encoding":  {ok + "Transfer-Encoding: gzip\r\n\r\nhi", 0, "", false, true},
		"a folded line":              {ok + "X: a\r\n b\r\n\r\n", 0, "", false, true},
		"a space before the colon":   {ok + "Content-Length : 2\r\n\r\nhi", 0, "", false, true},
		"a line without a colon":     {ok + "nonsense\r\n\r\n", 0, "", false, true},
		"bare newlines":              {"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 200, "hi", true, false},
		"not HTTP":                   {"SSH-2.0-OpenSSH_9.2\r\n\r\n", 0, "", false, true},
		"HTTP/2's preface":           {"PRI * HTTP/2.0\r\n\r\n", 0, "", false, true},
		"a status of two digits":     {"HTTP/1.1 20 OK\r\n\r\n", 0, "", false, true},
		"no reason behind a status":  {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", true, false},
		"a header with a raw escape": {ok + "X: \x1b[2J\r\n\r\n", 0, "", false, true},
	} {
		for way, src := range map[string]io.Reader{"at once": strings.NewReader(c.bytes), "byte by byte": iotest.OneByteReader(strings.NewReader(c.bytes))} {
			h, b, err := read(src)
			if h.Status != c.status && (err == nil || c.status != 0) || (err != nil) != c.broken {
				t.Errorf("%s, %s: status %d, %v", name, way, h.Status, err)
			}
			if string(b.said) != c.body || (h.keep && b.whole) != c.keep {
				t.Errorf("%s, %s: %d bytes of body, used again: %v", name, way, len(b.said), h.keep && b.whole)
			}
		}
	}
}

func TestWhatCountsOfAnAnswerIsTaken(t *testing.T) {
	h, _, err := read(strings.NewReader("HTTP/1.1 403 Forbidden\r\nserver: cloudfront\r\nServer: other\r\nX-AMZN-ErrorType: ForbiddenException:http://x\r\nX-Amz-Apigw-Id: abc\r\n" +
		"Content-Type: text/html; charset=utf-8\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\nX-Wirepost-Api: a/dev\r\nContent-Length: 0\r\n\r\n"))
	if err != nil || h.Server != "cloudfront" || h.ErrorType != "ForbiddenException" || h.Mark != MarkOfAPIGateway || !h.HTML || h.Date.Hour() != 12 || h.API != "a/dev" {
		t.Errorf("%+v, %v", h, err)
	}
}

// stricter reports whether an answer has what net/http takes and this client does
// not: folded lines, spaces in names, versions that are no HTTP/1, a status below 100 or with a
// sign, more bytes or interim answers than AWS sends. Trailers are not read here.
func stricter(data []byte) bool {
	text := "\n" + string(data)
	for line := range strings.SplitSeq(text, "\n") {
		if name, _, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "HTTP/") && strings.Contains(name, " ") {
			return true
		}
	}
	for _, odd := range []string{"\n ", "\n\t", "HTTP/0", "HTTP/2", "HTTP/3", "HTTP/4", "HTTP/5", "HTTP/6", "HTTP/7", "HTTP/8", "HTTP/9"} {
		if strings.Contains(text, odd) {
			return true
		}
	}
	return len(data) > maxHead || strings.Count(text, "HTTP/1") > maxInterim
}

// FuzzAnswer holds the reading of answers against net/http's.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: s\r\n\r\nhi",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\na \r\n0123456789\r\n0\r\n\r\n",
		"HTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 410 Gone\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\nX-Amzn-Errortype: GoneException:x\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 403 Forbidden\r\nConnection: keep-alive, close\r\nX-Amz-Apigw-Id: 1\r\nContent-Type: text/html\r\n\r\n<html>",
		"HTTP/1.1 204 \r\nContent-Length: 3\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length:2\n\nhi",
		"HTTP/1.1 200 \nTransfer-Encoding:Chunked\n\n1 ;\r\n0", // a space before the semicolon
		"HTTP/1.1 200 \nTransfer-Encoding:Chunked\n\n0000000000000001\r\n0", "HTTP/1.1 200 \nTransfer-Encoding:Chunked\n\nffffffffffffffff\r\n0",
		"HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1  200 OK\r\nX:\r\nApigw-Requestid: 1\r\n\r\nx",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, b, err := read(bytes.NewReader(data))
		again, b2, err2 := read(iotest.HalfReader(bytes.NewReader(data)))
		if h.Answer.Status != again.Answer.Status || !bytes.Equal(b.said, b2.said) || (err == nil) != (err2 == nil) || b.whole != b2.whole {
			t.Fatalf("%q is read as %+v %+v %v, and in parts as %+v %+v %v", data, h, b, err, again, b2, err2)
		}
		r := bufio.NewReader(bytes.NewReader(data))
		var want *http.Response
		var wantErr error
		for {
			want, wantErr = http.ReadResponse(r, &http.Request{Method: "POST"})
			if wantErr != nil || want.StatusCode/100 != 1 || want.StatusCode == 101 {
				break
			}
		}
		if wantErr != nil {
			if err == nil && !(errors.Is(wantErr, io.ErrUnexpectedEOF) && len(data) == 0) && !strings.Contains(wantErr.Error(), "trailer key") {
				t.Fatalf("%q is taken, and net/http says %v", data, wantErr)
			}
			return
		}
		if h.Status == 0 || h.Status != want.StatusCode && err != nil {
			if !stricter(data) && !strings.Contains(string(data), " +") && !strings.Contains(string(data), " 0") && !strings.Contains(string(data), " -") {
				t.Fatalf("%q is refused, %v, and net/http takes it", data, err)
			}
			return
		}
		compare(t, data, h, b, err, want)
	})
}

func compare(t *testing.T, data []byte, h head, b body, err error, want *http.Response) {
	errorType, _, _ := strings.Cut(want.Header.Get("X-Amzn-Errortype"), ":")
	mark := MarkOf(want.Header)
	if want.StatusCode/100 == 2 {
		mark = NoMark
	}
	if h.Status != want.StatusCode || h.ErrorType != errorType || h.Server != want.Header.Get("Server") || h.Mark != mark ||
		h.HTML != strings.HasPrefix(want.Header.Get("Content-Type"), "text/html") || h.API != want.Header.Get("X-Wirepost-Api") {
		t.Fatalf("%q is %+v, and by net/http %v %v", data, h, want.Status, want.Header)
	}
	if h.keep && want.Close {
		t.Fatalf("%q: the connection is kept, and net/http closes it", data)
	}
	if h.Status == http.StatusSwitchingProtocols {
		return
	}
	said, bodyErr := io.ReadAll(io.LimitReader(want.Body, maxAnswer))
	if want.ContentLength == 0 {
		said, bodyErr = nil, nil
	}
	if bodyErr != nil && strings.Contains(bodyErr.Error(), "non-data") {
		return // net/http counts what is around chunks, here all is counted
	}
	trailers := strings.Contains(string(data), "\n0") || strings.Contains(string(data), "0\r\n")
	if !bytes.Equal(said, b.said) || (err == nil) != (bodyErr == nil) && !(err == nil && trailers) {
		t.Fatalf("%q has the body %q %v, and by net/http %q %v", data, b.said, err, said, bodyErr)
	}
}
