package main

import (
	"io"
	"sync/atomic"

	"github.com/wirepost/wirepost/internal/terminal"
)

// standardLogLines is how many lines of package log are printed in a run.
const standardLogLines = 5

// standardLog is where package log writes. Only net/http's clients do, when a server
// breaks the protocol: what matters of it is also an error of the request, and a server
// may do it as often as it likes.
type standardLog struct {
	to      io.Writer
	written atomic.Int64
}

func newStandardLog(w io.Writer) *standardLog {
	return &standardLog{to: terminal.NewPrinter(w).Lines()}
}

func (l *standardLog) Write(line []byte) (int, error) {
	if l.written.Add(1) > standardLogLines {
		return len(line), nil
	}
	return l.to.Write(line)
}
