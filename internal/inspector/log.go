package inspector

import (
	"bytes"
	"context"
	"log/slog"
)

// LogHandler passes on what h is enabled for, and adds every line that is logged with
// the context of an invocation to that invocation's record: functions in this process
// log by a logger, not by the output of a process.
func LogHandler(h slog.Handler) slog.Handler { return &logHandler{next: h, line: newLine} }

type logHandler struct {
	next slog.Handler
	// line makes the handler of one line, with the attributes and groups that the
	// logger has by now.
	line func(*bytes.Buffer) slog.Handler
}

func newLine(b *bytes.Buffer) slog.Handler {
	return slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{} // the record has one
		}
		return a
	}})
}

func invoked(ctx context.Context) bool {
	_, ok := ctx.Value(runningKey{}).(*running)
	return ok
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return invoked(ctx) || h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if invoked(ctx) {
		var b bytes.Buffer
		if err := h.line(&b).Handle(ctx, r); err == nil {
			Log(ctx, b.String())
		}
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	line := h.line
	return &logHandler{h.next.WithAttrs(attrs), func(b *bytes.Buffer) slog.Handler { return line(b).WithAttrs(attrs) }}
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	line := h.line
	return &logHandler{h.next.WithGroup(name), func(b *bytes.Buffer) slog.Handler { return line(b).WithGroup(name) }}
}
