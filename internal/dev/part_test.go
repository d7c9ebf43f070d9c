package dev

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// fake is a part that notes what is done with it.
type fake struct {
	name           string
	notes          *[]string
	begin          func(context.Context) error
	ending         error
	given, hurried bool
}

func (f *fake) start(ctx context.Context) error {
	*f.notes = append(*f.notes, "start "+f.name)
	if f.begin != nil {
		return f.begin(ctx)
	}
	return nil
}

func (f *fake) stop(ctx context.Context) error {
	*f.notes = append(*f.notes, "stop "+f.name)
	deadline, ok := ctx.Deadline()
	f.given, f.hurried = ok && time.Until(deadline) > stopTime/2, ctx.Err() != nil
	return f.ending
}

func TestPartsStartInOrderAndStopInReverse(t *testing.T) {
	broken, late := errors.New("broken"), errors.New("late")
	for _, c := range []struct {
		name    string
		second  func(context.CancelFunc) error // what the second of three does when it starts
		want    []string                       // until all have started
		says    string
		stopped []string
	}{
		{"all start", nil, []string{"start a", "start b", "start c"}, "", []string{"stop c", "stop b", "stop a"}},
		{"one fails", func(context.CancelFunc) error { return broken }, []string{"start a", "start b", "stop a"}, "broken\nlate", nil},
		{"the context ends", func(cancel context.CancelFunc) error { cancel(); return nil }, []string{"start a", "start b", "stop b", "stop a"},
			"interrupted before everything had started: context canceled\nlate", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var notes []string
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			a, b, last := &fake{name: "a", notes: &notes, ending: late}, &fake{name: "b", notes: &notes}, &fake{name: "c", notes: &notes}
			if c.second != nil {
				b.begin = func(context.Context) error { return c.second(cancel) }
			}
			all := parts{a, b, last}
			err := all.start(ctx)
			if !slices.Equal(notes, c.want) {
				t.Errorf("starting does %q, want %q", notes, c.want)
			}
			if err == nil && c.says != "" || err != nil && err.Error() != c.says {
				t.Errorf("starting says %v, want %q", err, c.says)
			}
			if c.stopped == nil {
				return
			}
			notes = nil
			cancel() // what stops has its time all the same
			if err := all.stop(ctx); !errors.Is(err, late) {
				t.Errorf("stopping says %v, want that the first one was late", err)
			}
			if !slices.Equal(notes, c.stopped) {
				t.Errorf("stopping does %q, want %q", notes, c.stopped)
			}
			for _, p := range []*fake{a, b, last} {
				if !p.given || p.hurried {
					t.Errorf("%s had no time to stop", p.name)
				}
			}
		})
	}
}
