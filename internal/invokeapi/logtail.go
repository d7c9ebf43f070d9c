package invokeapi

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"
)

// logTail is what an invocation logs, as far as an answer needs it.
type logTail struct {
	mu    sync.Mutex
	text  []byte
	lines int
	ended bool
}

// add takes a line. One that comes after the answer is not taken.
func (l *logTail) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.lines++
	l.text = append(append(l.text, line...), '\n')
	if extra := len(l.text) - maxLogTail; extra > maxLogTail {
		l.text = append(l.text[:0], l.text[extra:]...)
	}
}

// count is how many lines there were.
func (l *logTail) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines
}

// Settle waits for the lines that a function has written before its answer, and that are
// still on their way through a pipe: until none has come for a moment. count is how many
// have come.
func Settle(count func() int) {
	quiet, before := 0, count()
	for waited := time.Duration(0); quiet < settleSteps && waited < maxSettle; waited += settleStep {
		time.Sleep(settleStep)
		if n := count(); n == before {
			quiet++
		} else {
			quiet, before = 0, n
		}
	}
}

// An answer with a log waits for its last lines so long: until settleSteps have passed
// without one, and maxSettle at most.
const (
	settleStep  = 20 * time.Millisecond
	settleSteps = 3
	maxSettle   = 300 * time.Millisecond
)

// result is the header's value: the lines between those that Lambda writes itself, cut to
// their end. (AWS docs, "Viewing CloudWatch logs for Lambda functions". The line REPORT
// has the time alone: the memory is not measured here.)
func (l *logTail) result(requestID string, took time.Duration) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	ms := float64(took.Microseconds()) / 1000
	all := fmt.Sprintf("START RequestId: %s Version: $LATEST\n%sEND RequestId: %s\nREPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\n",
		requestID, l.text, requestID, requestID, ms, int(ms)+1)
	all = strings.ToValidUTF8(all[max(0, len(all)-maxLogTail):], "")
	return base64.StdEncoding.EncodeToString([]byte(all))
}
