package eventsource

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// expression is when a schedule invokes: rate(…), cron(…) or at(…).
type expression struct {
	text string
	zone *time.Location
	cron *cron

	every time.Duration // of rate
	once  time.Time     // of at
}

// parseExpression reads an expression of a rule, or of EventBridge Scheduler.
func parseExpression(text string, zone *time.Location, scheduler bool) (*expression, error) {
	e := &expression{text: text, zone: zone}
	kind, rest, ok := strings.Cut(strings.TrimSpace(text), "(")
	inner, closed := strings.CutSuffix(rest, ")")
	var err error
	switch {
	case !ok || !closed:
		err = errors.New("it is neither rate(…) nor cron(…)")
	case kind == "rate":
		e.every, err = parseRate(inner, scheduler)
	case kind == "cron":
		e.cron, err = parseCron(inner)
	case kind == "at" && scheduler:
		e.once, err = parseAt(inner, zone)
	case kind == "at":
		err = errors.New("only EventBridge Scheduler has at(…)")
	default:
		err = errors.New("it is neither rate(…) nor cron(…)")
	}
	if err != nil {
		return nil, fmt.Errorf("the expression %.100q cannot be read: %w", text, err)
	}
	return e, nil
}

// parseRate reads a number and a unit. A rule wants minute for 1 and minutes for more
// (AWS docs, EventBridge user guide, "Rate expressions"); Scheduler takes both.
func parseRate(text string, scheduler bool) (time.Duration, error) {
	f := strings.Fields(text)
	if len(f) != 2 {
		return 0, errors.New("a rate is a number and a unit, such as rate(5 minutes)")
	}
	n, err := strconv.Atoi(f[0])
	if err != nil || n < 1 || n > 1_000_000 {
		return 0, fmt.Errorf("%.20q is not a number from 1 on", f[0])
	}
	units := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
	unit, plural := strings.CutSuffix(f[1], "s")
	d := units[unit]
	if d == 0 {
		return 0, fmt.Errorf("%.20q is not minutes, hours or days", f[1])
	}
	if !scheduler && plural != (n > 1) {
		return 0, fmt.Errorf("a rule takes %s for 1 and %ss for more", unit, unit)
	}
	if n > int(365*100*24*time.Hour/d) {
		return 0, errors.New("the rate is longer than a hundred years")
	}
	return time.Duration(n) * d, nil
}

func parseAt(text string, zone *time.Location) (time.Time, error) {
	t, err := time.Parse("2006-01-02T15:04:05", text)
	if err != nil {
		return t, errors.New("a time is written as at(2030-11-20T13:00:00)")
	}
	at, exists := inZone(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), zone)
	if !exists {
		return at, fmt.Errorf("the time zone %s skips this time", zone)
	}
	return at, nil
}

// next is the first time after t. last is when the schedule has invoked, or has begun if
// it has not. ok is false if it does not invoke any more.
func (e *expression) next(t, last time.Time) (at time.Time, ok bool) {
	switch {
	case e.cron != nil:
		return e.cron.next(t, e.zone)
	case e.every > 0:
		at = last.Add(e.every)
		if late := t.Sub(at); late >= 0 {
			at = at.Add(late.Truncate(e.every) + e.every)
		}
		return at, true
	}
	return e.once, e.once.After(t)
}
