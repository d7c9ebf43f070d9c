package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/notify"
	"github.com/wirepost/wirepost/sqlitestore"
	"github.com/wirepost/wirepost/wireposttest"
)

func TestStandardInputIsSentAsOneStream(t *testing.T) {
	path := t.TempDir() + "/store.db"
	store, err := sqlitestore.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	g := wireposttest.NewGateway(t, notify.New(store, wirepost.NewPublisher(store, nil), nil), nil)
	client, err := wireposttest.Dial(t.Context(), g.URL+"?user=alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Cut()
	input, typed := io.Pipe()
	var stdout, stderr bytes.Buffer
	status := make(chan int, 1)
	go func() { // ends with the input
		status <- run(t.Context(), []string{"send", "--store", "sqlite:" + path, "--to", "user:alice", "--stream"}, input, &stdout, &stderr)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	text := ""
	next := func() (end bool) {
		line, err := client.Receive(ctx)
		var f struct {
			Type, Text string
			At         int
			End        bool
		}
		if err != nil || json.Unmarshal([]byte(line), &f) != nil || f.Type != "stream" || f.At > len(text) {
			t.Fatalf("%s, %v", line, err)
		}
		text += f.Text[min(len(f.Text), len(text)-f.At):]
		return f.End
	}
	io.WriteString(typed, "one ")
	next() // while the input is open
	io.WriteString(typed, "two")
	typed.Close()
	for !next() {
	}
	if s := <-status; s != exitDone || text != "one two" || !strings.HasPrefix(stdout.String(), "streamed 7 bytes as ") {
		t.Errorf("status %d, %q, %q, %q", s, text, stdout.String(), stderr.String())
	}
	if s, _, said := runCommand(t.Context(), "send", "--to", "user:alice", "--stream", "data"); s != exitUsage || !strings.Contains(said, "send --stream reads standard input") {
		t.Errorf("status %d, %s", s, said)
	}
}
