package lambdart

import (
	"bufio"
	"context"
	"io"
	"slices"
	"strings"
	"sync"
)

const (
	// maxLine is where a line of output is cut.
	maxLine = 16 << 10
	// Of what a process wrote last, so much is kept for errors.
	tailLines     = 24
	tailLineBytes = 500
)

// lineWriter writes lines of several processes, one Write each.
type lineWriter struct {
	mu     sync.Mutex
	to     io.Writer
	prefix string
	buffer []byte
}

// Write takes one line without its end.
func (l *lineWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buffer = append(append(append(l.buffer[:0], l.prefix...), line...), '\n')
	if _, err := l.to.Write(l.buffer); err != nil {
		return 0, err
	}
	return len(line), nil
}

// readOutput passes a process's lines on until their end.
func (p *process) readOutput(r io.Reader) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := lines.ReadSlice('\n') // or as much as fits
		if len(line) > 0 {
			text := strings.TrimRight(string(line), "\r\n")
			_, _ = p.f.c.Output.Write([]byte(text)) // nobody to tell
			ctx, id := p.tail.add(text)
			if p.f.c.OnLog != nil {
				p.f.c.OnLog(ctx, id, text)
			}
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

// tail is a process's last lines since it was given an invocation.
type tail struct {
	mu   sync.Mutex
	ctx  context.Context // of the Invoke
	id   string
	last []string
}

func (t *tail) begin(ctx context.Context, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ctx, t.id, t.last = ctx, id, t.last[:0]
}

func (t *tail) add(line string) (ctx context.Context, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.last) == tailLines {
		t.last = slices.Delete(t.last, 0, 1)
	}
	if len(line) > tailLineBytes {
		line = strings.ToValidUTF8(line[:tailLineBytes], "") + "…"
	}
	if len(t.last) > 0 || line != "" {
		t.last = append(t.last, line)
	}
	if t.ctx == nil {
		return context.Background(), ""
	}
	return t.ctx, t.id
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.last)
}
