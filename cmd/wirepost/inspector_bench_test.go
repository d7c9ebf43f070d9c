//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wirepost/wirepost/wireposttest"
)

const (
	loadClients  = 8
	loadMessages = 20_000
)

// wsLoad sends so many messages in all over so many connections, each when the answer
// to the one before has come: wsload URL CONNECTIONS MESSAGES.
func wsLoad() {
	os.Exit(func() int {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		count, _ := strconv.Atoi(os.Args[2])
		messages, _ := strconv.Atoi(os.Args[3])
		failed := make(chan error, count)
		var clients sync.WaitGroup
		for range count {
			clients.Go(func() {
				c, err := wireposttest.Dial(ctx, os.Args[1], nil)
				if err != nil {
					failed <- err
					return
				}
				defer c.Close()
				for range messages / count {
					if err := c.Send(`{"action":"ping","ref":"0123456789012345678901234567890123456789"}`); err != nil {
						failed <- err
						return
					}
					if _, err := c.Receive(ctx); err != nil {
						failed <- err
						return
					}
				}
			})
		}
		clients.Wait()
		close(failed)
		for err := range failed {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}())
}

// BenchmarkCPUMicrosecondsPerMessageWithTheInspectorOpen is what a message and its
// answer cost the process of dev, its clients and Chromium in others: with the page
// open, live and unfiltered, and as the reference with it closed, in turns. What the
// recorder itself takes is in both; the other row has that. Goal: less than 5 % more.
func BenchmarkCPUMicrosecondsPerMessageWithTheInspectorOpen(b *testing.B) {
	d := startDev(b)
	opened := d.await(b, `^inspector (http://\S+)$`)[1]
	page := newBrowser(b, 1200, 800)
	closed := func() { do(b, page, "close the page", chromedp.Navigate("about:blank")) }
	open := func() {
		do(b, page, "open the page", chromedp.Navigate(opened), until(`document.querySelector("#live")?.dataset.state === "live"`))
	}
	without, with := inTurns(b, d, closed, open)
	b.ReportMetric(with, "value")
	b.ReportMetric(without, "reference")
	b.ReportMetric(with/without, "ratio")
	b.ReportMetric(1.05, "goal-max")
	b.ReportMetric(0, "ns/op")
}

// inTurns measures messages after each of two, in turns, and returns the medians of
// what a message cost, in microseconds of this process's CPU.
func inTurns(b *testing.B, d *running, first, second func()) (one, two float64) {
	b.Helper()
	var took [2][]float64
	for n := range 2 * 7 * b.N {
		// The order changes each time: ABBAABBA…
		which := (n + n/2) % 2
		if which == 0 {
			first()
		} else {
			second()
		}
		before := cpuTime(b)
		load := exec.Command("wsload", clientURL(d), strconv.Itoa(loadClients), strconv.Itoa(loadMessages))
		if out, err := load.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		took[which] = append(took[which], float64((cpuTime(b)-before).Microseconds())/loadMessages)
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	return took[0][len(took[0])/2], took[1][len(took[1])/2]
}

// cpuTime is what this process has used, its children not counted.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
