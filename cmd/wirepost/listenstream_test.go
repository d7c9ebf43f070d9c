//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/client"
)

func TestListenPrintsWhatItHasNotPrintedOfAStream(t *testing.T) {
	h := heard{}
	for _, c := range []struct {
		what    string
		p       client.Piece
		text    string
		missing bool
	}{
		{"joined in the middle", client.Piece{Stream: "s", At: 5, Text: "ab"}, "ab", false},
		{"sent again", client.Piece{Stream: "s", At: 5, Text: "ab"}, "", false},
		{"sent again with more", client.Piece{Stream: "s", At: 5, Text: "ab😀"}, "😀", false},
		{"behind what is missing", client.Piece{Stream: "s", At: 12, Text: "z"}, "z", true},
		{"another stream", client.Piece{Stream: "other", Text: "q"}, "q", false},
		{"the end", client.Piece{Stream: "s", At: 13, End: true}, "", false},
	} {
		if rest, missing := h.unheard(c.p); rest.Text != c.text || missing != c.missing {
			t.Errorf("%s: %q, missing %v", c.what, rest.Text, missing)
		}
	}
	if len(h) != 1 {
		t.Errorf("a stream that has ended is kept: %v", h)
	}
}

func TestListenShowsAStream(t *testing.T) {
	d := startDev(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	output := &transcript{said: make(chan struct{}, 1)}
	ended := make(chan int, 1)
	go func() { // ends with ctx, below
		ended <- run(ctx, []string{"listen", "--topic", "lobby", "--url", clientURL(d), "--user", "carol"}, strings.NewReader(""), output, output)
	}()
	for tick := time.Tick(100 * time.Millisecond); ; {
		if _, stdout, _ := runCommand(ctx, "list", "--topic", "lobby"); strings.Contains(stdout, "carol") {
			break
		}
		select {
		case <-tick:
		case <-ctx.Done():
			t.Fatalf("carol is not there; listen said\n%s", output)
		}
	}
	var stdout, stderr strings.Builder
	if status := run(ctx, []string{"send", "--to", "topic:lobby", "--stream"}, strings.NewReader("one two"), &stdout, &stderr); status != exitDone {
		t.Fatal(stdout.String(), stderr.String())
	}
	for want := regexp.MustCompile(`(?s)^\S+@0 one.*-- stream \S+ has ended\n$`); !want.MatchString(output.String()); {
		select {
		case <-output.said:
		case <-ctx.Done():
			t.Fatalf("it said\n%s", output)
		}
	}
	cancel()
	if status := <-ended; status != exitDone {
		t.Errorf("it ended with %d", status)
	}
}

func TestListenGoesOnWithAStreamThatIsKeptOnAnotherConnection(t *testing.T) {
	d := startDev(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	output := &transcript{said: make(chan struct{}, 1)}
	ended := make(chan int, 1)
	go func() { // ends with ctx, below
		ended <- run(ctx, []string{"listen", "--topic", "lobby", "--url", clientURL(d), "--user", "carol"}, strings.NewReader(""), output, output)
	}()
	until := func(what string, done func() bool) {
		t.Helper()
		for tick := time.Tick(50 * time.Millisecond); !done(); {
			select {
			case <-tick:
			case <-ctx.Done():
				t.Fatalf("%s: listen said\n%s", what, output)
			}
		}
	}
	until("carol is not there", func() bool {
		_, stdout, _ := runCommand(ctx, "list", "--topic", "lobby")
		return strings.Contains(stdout, "carol")
	})
	input, words := io.Pipe()
	sent := make(chan int, 1)
	go func() { // ends with its input
		var said strings.Builder
		sent <- run(ctx, []string{"send", "--to", "topic:lobby", "--stream"}, input, &said, &said)
	}()
	want, pace := "", time.Tick(30*time.Millisecond) // a model's
	for i := range 60 {
		if i == 20 {
			until("nothing has come", func() bool { return strings.Contains(output.String(), "w5") })
			if status, _, stderr := runCommand(ctx, "kick", "--to", "user:carol"); status != exitDone {
				t.Fatal(stderr)
			}
		}
		word := fmt.Sprintf("w%d%s ", i, strings.Repeat("x", 20)) // what is missed is a long line
		want += word
		if _, err := io.WriteString(words, word); err != nil {
			t.Fatal(err)
		}
		<-pace
	}
	words.Close()
	until("it has not ended", func() bool { return strings.Contains(output.String(), "has ended") })
	got := ""
	for line := range strings.Lines(output.String()) {
		if id, text, ok := strings.Cut(line, " "); ok && strings.Contains(id, "@") {
			got += strings.TrimSuffix(text, "\n")
		}
	}
	if got != want || strings.Contains(output.String(), "missing") {
		t.Errorf("it has\n%s\nwant\n%s\nand said\n%s", got, want, output)
	}
	cancel()
	if status := <-sent; status != exitDone {
		t.Errorf("send ended with %d", status)
	}
	if status := <-ended; status != exitDone {
		t.Errorf("listen ended with %d", status)
	}
}
