package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

func TestVersionIsThatOfTheModule(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
		if want := "wirepost " + wirepost.Version + " (go"; status != 0 || !strings.HasPrefix(stdout.String(), want) {
			t.Errorf("wirepost %s: status %d, %q, %q; want %q first", args[0], status, &stdout, &stderr, want)
		}
	}
}
