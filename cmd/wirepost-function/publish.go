package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

// reserve is kept of an invocation's time to hand on what is left, and to answer.
const reserve = 2 * time.Second

// object is what any language publishes with; docs/function.md describes it.
type object struct {
	To          string          `json:"to"`
	Data        json.RawMessage `json:"data"`
	Text        *string         `json:"text"`
	Except      string          `json:"except"`
	AtLeastOnce bool            `json:"atLeastOnce"`
	ID          string          `json:"id"`
	Parts       int             `json:"parts"`
}

// reply is what an invoke returns.
type reply struct {
	ID       string                   `json:"id,omitempty"`
	Sent     int                      `json:"sent"`
	Gone     int                      `json:"gone"`
	Removed  int                      `json:"removed"`
	Failed   int                      `json:"failed"`
	Problems map[wirepost.Problem]int `json:"problems"`
	// Queued is how many jobs go on from the queue.
	Queued int `json:"queued,omitempty"`
	// Next is what to invoke the function with for the rest.
	Next *wirepost.Job `json:"next,omitempty"`
}

// request is a payload that was read: one job, or several for the queue.
type request struct {
	id   string // of the envelope; empty if there is none
	jobs []wirepost.Job
}

// parseRequest reads a publish object or a job. id is the envelope's if the object
// does not say; the same event again has the same, so that clients drop what they
// have seen.
func parseRequest(payload []byte, id string) (request, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil || members == nil {
		return request{}, invalid("the publish object is not a JSON object")
	}
	if _, isJob := members["publish"]; isJob {
		return parseJob(payload)
	}
	var o object
	if err := strict(payload, &o); err != nil {
		return request{}, invalid("the publish object: %v", err)
	}
	to, err := wirepost.ParseAudience(o.To)
	switch {
	case o.To == "":
		return request{}, invalid(`the publish object has no "to"`)
	case err != nil:
		return request{}, invalid(`the publish object's "to": %v`, err)
	case len(o.Data) == 0 && o.Text == nil:
		return request{}, invalid(`the publish object has neither "data" nor "text"; one of them is the message`)
	case len(o.Data) > 0 && o.Text != nil:
		return request{}, invalid(`the publish object has both "data" and "text"; one of them is the message`)
	case o.Text != nil && o.ID != "":
		return request{}, invalid(`the publish object has "text" and "id"; a text is sent as it is, and has no ID`)
	case o.Parts < 0 || o.Parts > wirepost.MaxParts:
		return request{}, invalid(`the publish object's "parts" is %d; it must be from 1 to %d`, o.Parts, wirepost.MaxParts)
	}
	if o.Except != "" {
		if err := wirepost.ValidateConnectionID(o.Except); err != nil {
			return request{}, invalid(`the publish object's "except": %v`, err)
		}
	}
	var r request
	var message []byte
	if o.Text != nil {
		message = []byte(*o.Text)
	} else {
		e := wirepost.NewEnvelope(to, o.Data)
		for _, known := range [...]string{o.ID, id} {
			if known != "" {
				e.ID = known
				break
			}
		}
		if message, err = e.Frame(); err != nil {
			return request{}, invalid("the publish object: %v", err)
		}
		r.id = e.ID
	}
	if r.jobs, err = wirepost.Split(to, message, max(o.Parts, 1), &wirepost.PublishOptions{Except: o.Except, AtLeastOnce: o.AtLeastOnce}); err != nil {
		return request{}, invalid("the publish object: %v", err)
	}
	return r, nil
}

func parseJob(payload []byte) (request, error) {
	var j wirepost.Job
	err := strict(payload, &j)
	if err == nil {
		err = j.To.Validate()
	}
	if err == nil {
		err = wirepost.CheckMessage([]byte(j.Text))
	}
	if err == nil && (j.Publish == "" || len(j.Publish) > 128) {
		err = errors.New(`"publish" is not 1 to 128 bytes long`)
	}
	if err == nil {
		err = wirepost.ListOptions{Part: j.Part, Parts: j.Parts}.Validate()
	}
	if err != nil {
		return request{}, invalid("the job: %v", err)
	}
	return request{jobs: []wirepost.Job{j}}, nil
}

// strict reads one JSON object whose members are all known: a name that is written
// wrongly must not be an option that is left out.
func strict(payload []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	return wordless(err)
}

// wordless takes the package's name, and what Go calls things, out of an error.
func wordless(err error) error {
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &kind):
		return fmt.Errorf("%q is a JSON %s, which it cannot be", kind.Field, kind.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// outcome is what became of a request. Its counts are complete even with an error.
type outcome struct {
	result wirepost.Result
	queued int
	rest   *wirepost.Job // what nobody goes on with
}

// publish does a request. An error with an empty rest means that nothing more of
// it can be said to be undone than that all of it may be done again; with a rest,
// that the rest is what there was no time for.
func (f *function) publish(ctx context.Context, r request) (outcome, error) {
	if len(r.jobs) > 1 {
		return f.enqueue(ctx, r.jobs)
	}
	job := r.jobs[0]
	during := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		during, cancel = context.WithDeadline(ctx, deadline.Add(-min(reserve, time.Until(deadline)/4)))
		defer cancel()
	}
	result, err := f.publisher.Do(during, job)
	o := outcome{result: result}
	for _, err := range result.Errors[:min(len(result.Errors), 3)] {
		f.logger.Warn("a post failed", "job", job.String(), "problem", string(wirepost.ProblemOf(err)), "error", err)
	}
	rest, unfinished := job.Rest(result)
	if !unfinished {
		if err != nil {
			return o, &PublishFailed{err.Error()}
		}
		return o, nil
	}
	// A rest that is all of the job is no progress: to queue it again and again would
	// never end. The queue's own redelivery ends in its dead-letter queue.
	if f.queue != nil && rest.After != job.After {
		sendErr := f.send(ctx, rest)
		if sendErr == nil {
			f.logger.Info("the rest of a publish goes on from the queue", "job", rest.String(), "result", result.String(), "error", err)
			o.queued = 1
			return o, nil
		}
		f.logger.Error("the rest of a publish could not be put into the queue", "job", rest.String(), "error", sendErr)
	}
	o.rest = &rest
	message := "the time ended before every post was started"
	if err != nil {
		message = err.Error()
	}
	f.logger.Warn("a publish was not finished", "job", job.String(), "result", result.String(), "error", message)
	return o, &PublishFailed{message}
}

// enqueue puts all jobs of a publish into the queue.
func (f *function) enqueue(ctx context.Context, jobs []wirepost.Job) (outcome, error) {
	if f.queue == nil {
		return outcome{}, invalid(`the publish object has "parts", which go into a queue, and WIREPOST_QUEUE_URL is not set`)
	}
	var o outcome
	for _, job := range jobs {
		if err := f.send(ctx, job); err != nil {
			return o, &PublishFailed{fmt.Sprintf("%d of %d jobs are in the queue: %v", o.queued, len(jobs), err)}
		}
		o.queued++
	}
	return o, nil
}

func (f *function) send(ctx context.Context, job wirepost.Job) error {
	body, err := json.Marshal(job)
	if err != nil {
		return err
	}
	return f.queue.send(ctx, body, job)
}

// restOfSend is what a client's send had no time for, for the queue.
func (f *function) restOfSend() func(context.Context, wirepost.Audience, []byte, wirepost.Result) error {
	if f.queue == nil {
		return nil
	}
	return func(ctx context.Context, to wirepost.Audience, frame []byte, r wirepost.Result) error {
		jobs, err := wirepost.Split(to, frame, 1, nil)
		if err != nil {
			return err
		}
		rest, _ := jobs[0].Rest(r)
		return f.send(ctx, rest)
	}
}

// invoke is a publish whose invoker reads the reply.
func (f *function) invoke(ctx context.Context, payload []byte) ([]byte, error) {
	r, err := parseRequest(payload, "")
	if err != nil {
		return nil, err
	}
	o, err := f.publish(ctx, r)
	if err != nil && o.rest == nil {
		return nil, err
	}
	answer := reply{ID: r.id, Sent: o.result.Sent, Gone: o.result.Gone, Removed: o.result.Removed, Failed: o.result.Failed, Problems: o.result.Problems, Queued: o.queued, Next: o.rest}
	if answer.Problems == nil {
		answer.Problems = map[wirepost.Problem]int{}
	}
	return json.Marshal(answer)
}
