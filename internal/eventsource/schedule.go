package eventsource

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // Windows has no time zones by these names

	"github.com/wirepost/wirepost/internal/app"
)

const (
	// overlap is how many invocations of one schedule may be under way.
	overlap = 10

	// nap is the longest sleep of a schedule: a clock that is set, and a machine that
	// wakes up, change how long it is to the next time.
	nap = 30 * time.Second

	// asyncTime is how long an invocation may wait for a place (AWS docs, Lambda
	// developer guide, "Asynchronous invocation").
	asyncTime = 6 * time.Hour
)

// Schedule invokes a function at times: a scheduled rule of EventBridge, or a schedule of
// EventBridge Scheduler. All fields but Notice and Random are required, and none may be
// changed while Run runs.
//
// AWS invokes asynchronously: Function is best one whose Invoke returns when the event is
// in a queue. A rate begins with the interval for a rule, and at once for Scheduler. What
// was missed, as this machine slept, is made up for by one invocation.
type Schedule struct {
	Name            string // of the rule or schedule
	Region, Account string // of the event
	When            app.Schedule
	Function        Function
	Notice          Notices
	Random          io.Reader // of the IDs of events; nil means crypto/rand
}

// Check reports an expression, a time zone or an input that cannot be read. Run would
// return the same error.
func (s *Schedule) Check() error {
	_, err := s.expressions()
	return err
}

func (s *Schedule) expressions() (all []*expression, err error) {
	zone, err := time.LoadLocation(cmp.Or(s.When.TimeZone, "UTC"))
	if err != nil || zone == time.Local {
		return nil, fmt.Errorf("the time zone %.60q is not known here", s.When.TimeZone)
	}
	if s.When.Input != "" && !json.Valid([]byte(s.When.Input)) && !s.When.Scheduler {
		return nil, errors.New("the input is not JSON")
	}
	if len(s.When.Expressions) == 0 {
		return nil, errors.New("it has no expression")
	}
	for _, text := range s.When.Expressions {
		e, err := parseExpression(text, zone, s.When.Scheduler)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// Next is when the schedule invokes next after t if it begins then; ok is false if it
// does not. The schedule has to be one that Check has nothing against.
func (s *Schedule) Next(t time.Time) (next time.Time, ok bool) {
	all, _ := s.expressions()
	for _, e := range all {
		if at, has := s.first(e, t); has && (!ok || at.Before(next)) {
			next, ok = at, true
		}
	}
	return next, ok
}

func (s *Schedule) first(e *expression, t time.Time) (time.Time, bool) {
	if e.every > 0 && s.When.Scheduler {
		return t, true
	}
	return e.next(t, t)
}

// Run invokes the function until ctx ends.
func (s *Schedule) Run(ctx context.Context) error {
	expressions, err := s.expressions()
	if err != nil {
		return err
	}
	late, cancel := outlive(ctx, Grace)
	defer cancel()
	r := &scheduleRun{Schedule: s, late: late, places: make(chan struct{}, overlap)}
	for _, e := range expressions {
		r.running.Go(func() { r.run(ctx, e) }) // Run waits for it
	}
	r.running.Wait()
	return nil
}

type scheduleRun struct {
	*Schedule
	late    context.Context
	running sync.WaitGroup
	places  chan struct{}
	once    once
}

// run invokes at the times of one expression.
func (r *scheduleRun) run(ctx context.Context, e *expression) {
	now := time.Now()
	at, more := r.first(e, now)
	for ; more; at, more = e.next(time.Now(), at) {
		for left := time.Until(at); left > 0; left = time.Until(at) {
			if !sleep(ctx, min(left, nap)) {
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		event := r.event(at)
		select {
		case r.places <- struct{}{}:
			r.running.Go(func() {
				r.invoke(ctx, event)
				<-r.places
			})
		default:
			r.once.say(r.Notice, "overlap", "schedule %s leaves out invocations, as %d of it are under way", r.Name, overlap)
		}
	}
}

// invoke invokes once; an invocation without a place is tried again.
func (r *scheduleRun) invoke(ctx context.Context, event []byte) {
	for begun, tries := time.Now(), 1; ; tries++ {
		_, err := r.Function.Invoke(r.late, event)
		if !errors.Is(err, ErrNoPlace) || time.Since(begun) > asyncTime || !sleep(ctx, backoff(tries, orRandom(nil))) {
			return
		}
	}
}

// scheduledEvent is the event of a schedule without an input. (AWS docs, EventBridge
// events reference, "Scheduled Event"; of Scheduler's nothing but its use as a default is
// documented, and that its detail is a string comes from events that were recorded:
// UNCERTAIN.)
type scheduledEvent struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     any      `json:"detail"`
}

func (r *scheduleRun) event(at time.Time) []byte {
	id, when := r.newID(), at.UTC().Format("2006-01-02T15:04:05Z")
	arn := "arn:aws:events:" + r.Region + ":" + r.Account + ":rule/" + r.Name
	if r.When.Scheduler {
		arn = "arn:aws:scheduler:" + r.Region + ":" + r.Account + ":schedule/default/" + r.Name
	}
	if input := r.When.Input; input != "" {
		if r.When.Scheduler { // AWS docs, EventBridge Scheduler user guide, "Adding context attributes"
			input = strings.NewReplacer("<aws.scheduler.schedule-arn>", arn, "<aws.scheduler.scheduled-time>", when,
				"<aws.scheduler.execution-id>", id, "<aws.scheduler.attempt-number>", "1").Replace(input)
		}
		return []byte(input)
	}
	e := scheduledEvent{"0", id, "Scheduled Event", "aws.events", r.Account, when, r.Region, []string{arn}, struct{}{}}
	if r.When.Scheduler {
		e.Source, e.Detail = "aws.scheduler", "{}"
	}
	return encode(e)
}

// newID is a random UUID.
func (r *scheduleRun) newID() string {
	random := r.Random
	if random == nil {
		random = rand.Reader
	}
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic(err) // crypto/rand does not fail, and a test's reader may not
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
