//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A client that is cut every few seconds, loses a fifth of its posts and sees its server
// restart has each offset once and in order.
func TestListenMissesNothingOverLimitsFaultsAndARestart(t *testing.T) {
	const messages = 120
	flags := []string{"--max-age", "5s", "--fault", "post:410:p=0.2"}
	d := startDev(t, flags...)
	address, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	epoch := ""
	send := func(n int) {
		_, stdout, stderr := runCommand(t.Context(), "send", "--to", "topic:lobby", "--keep", "1h", fmt.Sprint(n))
		kept := regexp.MustCompile(`(?m)^kept as (\w+):(\d+) for 1h$`).FindStringSubmatch(stdout)
		if kept == nil || kept[2] != fmt.Sprint(n) {
			t.Fatalf("message %d: %s%s", n, stdout, stderr)
		}
		epoch = kept[1]
	}
	send(1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	output, problems := &transcript{said: make(chan struct{}, 1)}, &transcript{said: make(chan struct{}, 1)}
	ended := make(chan int, 1)
	go func() { // ends with ctx, below
		ended <- run(ctx, []string{"listen", "--topic", "lobby", "--after", epoch + ":0", "--json"}, strings.NewReader(""), output, problems)
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 2; n <= messages; n++ {
		<-tick.C
		switch n {
		case 50:
			d.stop()
		case 56:
			d = startDevHere(t, address.Host, flags...)
		}
		send(n)
	}
	timeout := time.After(time.Minute)
	for got := 0; got < messages; {
		select {
		case <-output.said:
			got = strings.Count(output.String(), "\n")
		case <-timeout:
			t.Fatalf("%d of %d messages came; it said\n%s", got, messages, problems)
		}
	}
	cancel()
	if status := <-ended; status != exitDone {
		t.Errorf("it ended with %d", status)
	}
	n := 0
	for line := range strings.Lines(output.String()) {
		var m struct {
			Type, Topic, Epoch string
			Offset             int
			Data               int
		}
		n++
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.Type != "message" || m.Topic != "lobby" || m.Epoch != epoch || m.Offset != n || m.Data != n {
			t.Fatalf("line %d is %s (%v)", n, line, err)
		}
	}
	if n != messages || !strings.Contains(problems.String(), "hint: not connected to ws://") || !strings.Contains(problems.String(), "hint: connected again") {
		t.Errorf("%d messages came; it said\n%s", n, problems)
	}
}

func TestListenTellsAGap(t *testing.T) {
	d := startDev(t)
	if status, stdout, stderr := runCommand(t.Context(), "send", "--to", "topic:lobby", "--keep", "1ms", `"gone"`); status != exitDone {
		t.Fatal(stdout, stderr)
	}
	if status, stdout, stderr := runCommand(t.Context(), "send", "--to", "topic:lobby", "--keep", "1h", `"there"`); status != exitDone {
		t.Fatal(stdout, stderr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	output := &transcript{said: make(chan struct{}, 1)}
	ended := make(chan int, 1)
	go func() { // ends with ctx, below
		ended <- run(ctx, []string{"listen", "--topic", "lobby", "--after", "none:7", "--url", clientURL(d), "--user", "carol"}, strings.NewReader(""), output, output)
	}()
	timeout := time.After(time.Minute)
	want := regexp.MustCompile(`^-- earlier messages of topic lobby may be gone; how many is not known\n-- message 1 of topic lobby is gone\n\w+:2 +"there"\n$`)
	for !want.MatchString(output.String()) {
		select {
		case <-output.said:
		case <-timeout:
			t.Fatalf("it said\n%s", output)
		}
	}
	if _, stdout, _ := runCommand(t.Context(), "list"); !strings.Contains(stdout, "carol") {
		t.Errorf("nobody is connected as carol:\n%s", stdout)
	}
	cancel()
	if status := <-ended; status != exitDone {
		t.Errorf("it ended with %d", status)
	}
}

func TestListenPrintsPostsThatAreNoMessages(t *testing.T) {
	d := startDev(t)
	for flag, want := range map[string]string{"": "- +plain text\n", "--json": `\{"type":"raw","text":"plain\\ntext"\}\n`} {
		ctx, cancel := context.WithCancel(t.Context())
		output := &transcript{said: make(chan struct{}, 1)}
		ended := make(chan int, 1)
		go func() { // ends with ctx, below
			ended <- run(ctx, append([]string{"listen", "--topic", "lobby", "--url", clientURL(d)}, strings.Fields(flag)...), strings.NewReader(""), output, output)
		}()
		tick := time.NewTicker(100 * time.Millisecond) // until it has subscribed
		timeout := time.After(time.Minute)
		for match := regexp.MustCompile("^(" + want + ")+$"); !match.MatchString(output.String()); {
			select {
			case <-tick.C:
				if status, stdout, stderr := runCommand(t.Context(), "send", "--to", "topic:lobby", "plain\ntext"); status != exitDone {
					t.Fatal(stdout, stderr)
				}
			case <-timeout:
				t.Fatalf("%s: it said\n%s", flag, output)
			}
		}
		tick.Stop()
		cancel()
		if status := <-ended; status != exitDone {
			t.Errorf("%s: it ended with %d", flag, status)
		}
	}
}
