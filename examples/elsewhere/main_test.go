package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/notify"
	"github.com/wirepost/wirepost/wireposttest"
)

func TestEachClientGetsEveryLineOnceAndInOrder(t *testing.T) {
	const lines, clients = 2_000, 10
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "store.db")
	open := func() wirepost.Store {
		s, err := wirepost.OpenStore(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	function := open()
	g := wireposttest.NewGateway(t, notify.New(function, wirepost.NewPublisher(function, nil), nil), nil)

	var receiving sync.WaitGroup
	defer receiving.Wait()
	for i := range clients {
		c, err := wireposttest.Dial(ctx, fmt.Sprintf("%s?user=u%d&topic=lobby", g.URL, i), nil)
		if err != nil {
			t.Fatal(err)
		}
		receiving.Go(func() {
			defer c.Close()
			for n := range lines {
				got, err := c.Receive(ctx)
				if want := fmt.Sprintf("line %d", n); err != nil || got != want {
					t.Errorf("client %d got %q, %v, want %q", i, got, err, want)
					return
				}
			}
		})
	}

	var in strings.Builder
	for n := range lines {
		fmt.Fprintf(&in, "line %d\n", n)
	}
	publisher := wirepost.NewPublisher(open(), nil) // it knows what is in the store, and nothing else
	defer publisher.CloseIdleConnections()
	var out strings.Builder
	if err := publishLines(ctx, publisher, wirepost.ToTopic("lobby"), strings.NewReader(in.String()), &out); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("published %d lines to topic:lobby: sent %d, gone 0, failed 0\n", lines, lines*clients); out.String() != want {
		t.Errorf("it says %q, want %q", out.String(), want)
	}
}
