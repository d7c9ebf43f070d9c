package eventsource

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// times are the next n times of an expression, without what all of them have.
func times3(t *testing.T, text, zone, from string) (all []string) {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	e, err := parseExpression(text, loc, true)
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return nil
	}
	at, err := time.ParseInLocation("2006-01-02T15:04", from, loc)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		next, ok := e.next(at, at)
		if !ok {
			return append(all, "never")
		}
		if !next.After(at) {
			t.Errorf("%s: the next time after %v is %v", text, at, next)
			return all
		}
		all, at = append(all, next.In(loc).Format("Mon 2006-01-02T15:04")), next
	}
	return all
}

func TestExpressionsHaveTheTimesThatAWSDocuments(t *testing.T) {
	for _, c := range []struct{ text, from, want string }{
		// The examples of EventBridge's user guide.
		{"cron(0 10 * * ? *)", "2026-01-01T00:00", "Thu 2026-01-01T10:00 Fri 2026-01-02T10:00 Sat 2026-01-03T10:00"},
		{"cron(15 12 * * ? *)", "2026-01-01T12:15", "Fri 2026-01-02T12:15 Sat 2026-01-03T12:15 Sun 2026-01-04T12:15"},
		{"cron(0 18 ? * MON-FRI *)", "2026-01-01T00:00", "Thu 2026-01-01T18:00 Fri 2026-01-02T18:00 Mon 2026-01-05T18:00"},
		{"cron(0 8 1 * ? *)", "2026-01-01T09:00", "Sun 2026-02-01T08:00 Sun 2026-03-01T08:00 Wed 2026-04-01T08:00"},
		{"cron(0/15 * * * ? *)", "2026-01-01T00:31", "Thu 2026-01-01T00:45 Thu 2026-01-01T01:00 Thu 2026-01-01T01:15"},
		{"cron(0/10 * ? * MON-FRI *)", "2026-01-02T23:45", "Fri 2026-01-02T23:50 Mon 2026-01-05T00:00 Mon 2026-01-05T00:10"},
		{"cron(0/5 8-17 ? * MON-FRI *)", "2026-01-02T17:50", "Fri 2026-01-02T17:55 Mon 2026-01-05T08:00 Mon 2026-01-05T08:05"},
		{"cron(0/30 20-2 ? * MON-FRI *)", "2026-01-05T02:00", "Mon 2026-01-05T02:30 Mon 2026-01-05T20:00 Mon 2026-01-05T20:30"},
		// The words of its syntax.
		{"cron(0 0 ? * 3#2 *)", "2026-01-01T00:00", "Tue 2026-01-13T00:00 Tue 2026-02-10T00:00 Tue 2026-03-10T00:00"},
		{"cron(0 9 3W * ? *)", "2026-01-01T00:00", "Fri 2026-01-02T09:00 Tue 2026-02-03T09:00 Tue 2026-03-03T09:00"},
		{"cron(0 0 L * ? *)", "2026-01-01T00:00", "Sat 2026-01-31T00:00 Sat 2026-02-28T00:00 Tue 2026-03-31T00:00"},
		{"cron(0 0 ? * L *)", "2026-01-01T00:00", "Sat 2026-01-03T00:00 Sat 2026-01-10T00:00 Sat 2026-01-17T00:00"},
		{"cron(1/10 * * * ? *)", "2026-01-01T00:00", "Thu 2026-01-01T00:01 Thu 2026-01-01T00:11 Thu 2026-01-01T00:21"},
		{"cron(0 0 7 JAN,FEB,MAR ? *)", "2026-02-08T00:00", "Sat 2026-03-07T00:00 Thu 2027-01-07T00:00 Sun 2027-02-07T00:00"},
		{"cron(0 12 ? * 1 *)", "2026-01-01T00:00", "Sun 2026-01-04T12:00 Sun 2026-01-11T12:00 Sun 2026-01-18T12:00"},
		{"cron(0 12 ? * 7 *)", "2026-01-01T00:00", "Sat 2026-01-03T12:00 Sat 2026-01-10T12:00 Sat 2026-01-17T12:00"},
		// EventBridge Scheduler's: the last Friday of each month, of some years.
		{"cron(15 10 ? * 6L 2022-2023)", "2022-01-01T00:00", "Fri 2022-01-28T10:15 Fri 2022-02-25T10:15 Fri 2022-03-25T10:15"},
		{"cron(15 10 ? * 6L 2022-2023)", "2023-11-25T00:00", "Fri 2023-12-29T10:15 never"},
		// Ends of months and years.
		{"cron(0 9 1W * ? *)", "2026-08-01T00:00", "Mon 2026-08-03T09:00 Tue 2026-09-01T09:00 Thu 2026-10-01T09:00"},
		{"cron(0 9 31W * ? *)", "2026-05-01T00:00", "Fri 2026-05-29T09:00 Fri 2026-07-31T09:00 Mon 2026-08-31T09:00"},
		{"cron(0 0 LW * ? *)", "2026-01-01T00:00", "Fri 2026-01-30T00:00 Fri 2026-02-27T00:00 Tue 2026-03-31T00:00"},
		{"cron(0 0 L-3 * ? *)", "2026-01-01T00:00", "Wed 2026-01-28T00:00 Wed 2026-02-25T00:00 Sat 2026-03-28T00:00"},
		{"cron(0 0 29 2 ? *)", "2026-01-01T00:00", "Tue 2028-02-29T00:00 Sun 2032-02-29T00:00 Fri 2036-02-29T00:00"},
		{"cron(0 0 30 2 ? *)", "2026-01-01T00:00", "never"},
		{"cron(0 0 1 1 ? 2030)", "2026-01-01T00:00", "Tue 2030-01-01T00:00 never"},
		{"cron(0 0 1 1 ? 2020/5)", "2026-01-01T00:00", "Tue 2030-01-01T00:00 Mon 2035-01-01T00:00 Sun 2040-01-01T00:00"},
		{"cron(0 0 1,15,L * ? *)", "2026-02-01T00:00", "Sun 2026-02-15T00:00 Sat 2026-02-28T00:00 Sun 2026-03-01T00:00"},
		{"cron(0 0 ? * SAT-SUN *)", "2026-01-01T00:00", "Sat 2026-01-03T00:00 Sun 2026-01-04T00:00 Sat 2026-01-10T00:00"},
		{"cron(0 0 1 NOV-FEB ? *)", "2026-01-15T00:00", "Sun 2026-02-01T00:00 Sun 2026-11-01T00:00 Tue 2026-12-01T00:00"},
		// Rates and one time.
		{"rate(5 minutes)", "2026-01-01T00:02", "Thu 2026-01-01T00:07 Thu 2026-01-01T00:12 Thu 2026-01-01T00:17"},
		{"rate(1 hour)", "2026-01-01T00:02", "Thu 2026-01-01T01:02 Thu 2026-01-01T02:02 Thu 2026-01-01T03:02"},
		{"rate(7 days)", "2026-01-01T00:02", "Thu 2026-01-08T00:02 Thu 2026-01-15T00:02 Thu 2026-01-22T00:02"},
		{"at(2026-11-20T13:00:00)", "2026-01-01T00:00", "Fri 2026-11-20T13:00 never"},
		{"at(2025-11-20T13:00:00)", "2026-01-01T00:00", "never"},
	} {
		if got := strings.Join(times3(t, c.text, "UTC", c.from), " "); got != c.want {
			t.Errorf("%s after %s: %s\nand should be %s", c.text, c.from, got, c.want)
		}
	}
}

func TestATimeZoneThatSkipsOrRepeatsAnHourIsHandledAsAWSDocumentsIt(t *testing.T) {
	for _, c := range []struct{ text, zone, from, want string }{
		{"cron(30 2 * * ? *)", "America/New_York", "2026-03-07T00:00", "Sat 2026-03-07T02:30 Mon 2026-03-09T02:30 Tue 2026-03-10T02:30"},
		{"cron(30 1 * * ? *)", "America/New_York", "2026-10-31T12:00", "Sun 2026-11-01T01:30 Mon 2026-11-02T01:30 Tue 2026-11-03T01:30"},
		{"cron(0/30 * * * ? *)", "Europe/Berlin", "2026-03-29T01:15", "Sun 2026-03-29T01:30 Sun 2026-03-29T03:00 Sun 2026-03-29T03:30"},
		{"cron(0/30 2-3 * * ? *)", "Europe/Berlin", "2026-10-25T00:15", "Sun 2026-10-25T02:00 Sun 2026-10-25T02:30 Sun 2026-10-25T03:00"},
		{"cron(0 9 * * ? *)", "Asia/Kolkata", "2026-01-01T10:00", "Fri 2026-01-02T09:00 Sat 2026-01-03T09:00 Sun 2026-01-04T09:00"},
		{"cron(15 2 * * ? *)", "Australia/Lord_Howe", "2026-10-03T12:00", "Mon 2026-10-05T02:15 Tue 2026-10-06T02:15 Wed 2026-10-07T02:15"},
		{"rate(1 day)", "America/New_York", "2026-03-07T12:00", "Sun 2026-03-08T13:00 Mon 2026-03-09T13:00 Tue 2026-03-10T13:00"},
	} {
		if got := strings.Join(times3(t, c.text, c.zone, c.from), " "); got != c.want {
			t.Errorf("%s in %s after %s: %s\nand should be %s", c.text, c.zone, c.from, got, c.want)
		}
	}
	// Of a time that comes twice the first is taken: in Berlin at 00:30 UTC.
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseCron("30 2 25 10 ? 2026")
	if err != nil {
		t.Fatal(err)
	}
	at, ok := c.next(time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), zone)
	if want := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC); !ok || !at.Equal(want) {
		t.Errorf("the time that comes twice is %v and should be %v", at.UTC(), want)
	}
	if again, ok := c.next(at, zone); ok {
		t.Errorf("it comes again at %v", again)
	}
}

func TestAnExpressionThatAWSRefusesIsAnError(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "neither rate",
		"rate(5)":                    "a number and a unit",
		"rate(0 minutes)":            "not a number from 1 on",
		"rate(5 minute)":             "a rule takes minute for 1 and minutes for more",
		"rate(1 hours)":              "a rule takes hour for 1 and hours for more",
		"rate(5 seconds)":            "is not minutes, hours or days",
		"rate(99999999 days)":        "not a number from 1 on",
		"rate(1000000 days)":         "longer than a hundred years",
		"at(2030-01-01T00:00:00)":    "only EventBridge Scheduler",
		"cron(0 10 * * *)":           "it has 5 fields",
		"cron(0 10 * * * *)":         "exactly one of day of month and day of week",
		"cron(0 10 ? * ? *)":         "exactly one of day of month and day of week",
		"cron(60 10 * * ? *)":        "minutes: \"60\"",
		"cron(0 24 * * ? *)":         "hours: \"24\"",
		"cron(0 10 0 * ? *)":         "day of month: \"0\"",
		"cron(0 10 * 13 ? *)":        "month: \"13\"",
		"cron(0 10 * FOO ? *)":       "month: \"FOO\"",
		"cron(0 10 ? * 0 *)":         "day of week: \"0\"",
		"cron(0 10 ? * 8 *)":         "day of week: \"8\"",
		"cron(0 10 ? * 3#6 *)":       "the second Tuesday",
		"cron(0 10 ? * 3#1,6#3 *)":   "the second Tuesday",
		"cron(0 10 * * ? 1969)":      "year: \"1969\"",
		"cron(0 10 * * ? 2030-2020)": "year: \"2030-2020\"",
		"cron(*/0 10 * * ? *)":       "minutes: \"*/0\"",
		"cron(1-2-3 10 * * ? *)":     "minutes: \"1-2-3\"",
		"cron(, 10 * * ? *)":         "minutes: \"\"",
		"cron(+5 10 * * ? *)":        "minutes: \"+5\"",
		"cron(0 10 XW * ? *)":        "day of month: \"XW\"",
		"cron(0 10 * * ? *":          "neither rate",
		"every 5 minutes":            "neither rate",
	} {
		if _, err := parseExpression(text, time.UTC, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, without %q", text, err, want)
		}
	}
	for _, c := range []struct {
		when app.Schedule
		want string
	}{
		{app.Schedule{}, "no expression"},
		{app.Schedule{Expressions: []string{"rate(1 day)"}, TimeZone: "Europe/Nowhere"}, "time zone"},
		{app.Schedule{Expressions: []string{"rate(1 day)"}, TimeZone: "Local"}, "time zone"},
		{app.Schedule{Expressions: []string{"rate(1 day)"}, Input: "{"}, "not JSON"},
		{app.Schedule{Expressions: []string{"at(2026-03-29T02:30:00)"}, TimeZone: "Europe/Berlin", Scheduler: true}, "skips this time"},
	} {
		s := &Schedule{Name: "s", When: c.when}
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || s.Check() == nil {
			t.Errorf("%+v: %v, without %q", c.when, err, c.want)
		}
	}
}

// runSchedule runs a schedule in fake time, which begins on 2000-01-01, and gives when it
// has invoked and with what.
func runSchedule(t *testing.T, when app.Schedule, d time.Duration) (all []string) {
	t.Helper()
	var mu sync.Mutex
	s := &Schedule{Name: "Nightly", Region: "us-east-1", Account: "123456789012", When: when, Random: bytes.NewReader(make([]byte, 1<<20)), Function: functionOf(func(_ context.Context, payload []byte) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, time.Now().UTC().Format("02T15:04:05 ")+string(payload))
		return nil, nil
	})}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
	return all
}

func TestAScheduleInvokesWithAWSsEvents(t *testing.T) {
	const id = `"id":"00000000-0000-4000-8000-000000000000","detail-type":"Scheduled Event",`
	for _, c := range []struct {
		when app.Schedule
		want []string
	}{
		{app.Schedule{Expressions: []string{"rate(1 minute)"}}, []string{
			`01T00:01:00 {"version":"0",` + id + `"source":"aws.events","account":"123456789012","time":"2000-01-01T00:01:00Z","region":"us-east-1","resources":["arn:aws:events:us-east-1:123456789012:rule/Nightly"],"detail":{}}`,
			`01T00:02:00 {"version":"0",` + id + `"source":"aws.events","account":"123456789012","time":"2000-01-01T00:02:00Z","region":"us-east-1","resources":["arn:aws:events:us-east-1:123456789012:rule/Nightly"],"detail":{}}`,
		}},
		{app.Schedule{Expressions: []string{"rate(2 minutes)"}, Scheduler: true}, []string{
			`01T00:00:00 {"version":"0",` + id + `"source":"aws.scheduler","account":"123456789012","time":"2000-01-01T00:00:00Z","region":"us-east-1","resources":["arn:aws:scheduler:us-east-1:123456789012:schedule/default/Nightly"],"detail":"{}"}`,
			`01T00:02:00 {"version":"0",` + id + `"source":"aws.scheduler","account":"123456789012","time":"2000-01-01T00:02:00Z","region":"us-east-1","resources":["arn:aws:scheduler:us-east-1:123456789012:schedule/default/Nightly"],"detail":"{}"}`,
		}},
		{app.Schedule{Expressions: []string{"cron(1 5 * * ? *)"}, TimeZone: "Asia/Karachi", Input: `{"a": "<aws.scheduler.scheduled-time>"}`}, []string{`01T00:01:00 {"a": "<aws.scheduler.scheduled-time>"}`}},
		{app.Schedule{Expressions: []string{"at(2000-01-01T00:01:30)"}, Scheduler: true, Input: `{"a":"<aws.scheduler.scheduled-time>","b":"<aws.scheduler.attempt-number>","c":"<aws.scheduler.schedule-arn>"}`}, []string{
			`01T00:01:30 {"a":"2000-01-01T00:01:30Z","b":"1","c":"arn:aws:scheduler:us-east-1:123456789012:schedule/default/Nightly"}`,
		}},
		{app.Schedule{Expressions: []string{"cron(1 0 * * ? *)", "cron(2 0 * * ? *)"}, Input: "1"}, []string{"01T00:01:00 1", "01T00:02:00 1"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			if got := runSchedule(t, c.when, 150*time.Second); !slices.Equal(got, c.want) {
				t.Errorf("%v: it was\n%s\nand should be\n%s", c.when.Expressions, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestAScheduleKeepsItsPaceForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got := runSchedule(t, app.Schedule{Expressions: []string{"cron(0/15 * * * ? *)"}, Input: "1"}, 24*time.Hour+time.Minute); len(got) != 96 || got[95] != "02T00:00:00 1" {
			t.Errorf("it has invoked %d times, at last %v", len(got), got[len(got)-1])
		}
	})
}

func TestAScheduleWhoseFunctionDoesNotEndHasABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := &notices{}
		var mu sync.Mutex
		n := 0
		s := &Schedule{Name: "s", When: app.Schedule{Expressions: []string{"rate(1 minute)"}}, Notice: said.say, Function: functionOf(func(ctx context.Context, _ []byte) ([]byte, error) {
			mu.Lock()
			n++
			mu.Unlock()
			<-ctx.Done()
			return nil, ctx.Err()
		})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begun := time.Now()
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun) - time.Hour; n != overlap || len(said.said()) != 1 || took > Grace+time.Second {
			t.Errorf("%d invocations were under way, the end took %v, and this was said: %q", n, took, said.said())
		}
	})
}

func TestAScheduleSaysWhenItIsNext(t *testing.T) {
	s := &Schedule{When: app.Schedule{Expressions: []string{"cron(0 12 * * ? *)", "rate(6 hours)"}}}
	next, ok := s.Next(time.Date(2026, 1, 1, 7, 0, 0, 0, time.UTC))
	if got := next.Format("15:04"); !ok || got != "12:00" {
		t.Errorf("it is %s", got)
	}
}

func FuzzExpression(f *testing.F) {
	for _, text := range []string{"cron(0/30 20-2 ? * MON-FRI *)", "rate(5 minutes)", "at(2030-01-01T00:00:00)", "cron(0 0 LW,L-3,1W * ? 2026/3)", "cron(0 0 ? * 6L,TUE *)", "cron(0 0 ? * 3#5 *)"} {
		f.Add(text)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parseExpression(text, zone, true)
		if err != nil {
			return
		}
		at := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
		for range 5 {
			next, ok := e.next(at, at)
			if !ok {
				return
			}
			if !next.After(at) {
				t.Fatalf("%s: the next time after %v is %v", text, at, next)
			}
			at = next
		}
	})
}
