package hint_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/wirepost/wirepost/internal/hint"
)

func TestAHintIsFoundThroughWhatWrapsItsError(t *testing.T) {
	err := fmt.Errorf("start: %w", hint.New(fmt.Errorf("open notes: %w", fs.ErrNotExist), "make the file"))
	if got, want := err.Error(), "start: open notes: file does not exist"; got != want {
		t.Errorf("the text is %q, want %q", got, want)
	}
	if got := hint.Of(err); got != "make the file" {
		t.Errorf("the hint is %q", got)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("what was given a hint is no longer the error that it was")
	}
	if got := hint.Of(fs.ErrNotExist); got != "" {
		t.Errorf("an error without a hint has %q", got)
	}
	if got := hint.Of(nil); got != "" {
		t.Errorf("no error has %q", got)
	}
}
