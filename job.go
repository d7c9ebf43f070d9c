package wirepost

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
)

// MaxParts is the most jobs that [Split] makes of one publish.
const MaxParts = 1000

// Job is one part of a publish as a value: it can be compared, and its JSON can
// wait in a queue for whichever process does it. The JSON is about as long as the
// message; characters that JSON escapes make it up to six times that, below the
// 1 MiB that an SQS message may have (AWS, "Amazon SQS message quotas").
//
// A queue that delivers a job twice, as SQS's standard queues may, sends its
// messages twice: clients that mind need an ID in the message.
type Job struct {
	// Publish names the publish that the job is a part of, for logs and for queues
	// that drop duplicates. It says nothing to a client.
	Publish string   `json:"publish"`
	To      Audience `json:"to"`
	// Text is the message as it is posted.
	Text string `json:"text"`
	// Part of Parts is which connections of the audience the job is for.
	Part  int `json:"part"`
	Parts int `json:"parts"`
	// After is where the job goes on, if a part of it was done before.
	After       Cursor    `json:"after,omitempty"`
	Only        *Identity `json:"only,omitempty"`
	Except      string    `json:"except,omitempty"`
	AtLeastOnce bool      `json:"atLeastOnce,omitempty"`
}

// Split cuts a publish into jobs that many processes or goroutines do at once,
// each with [Publisher.Do]: every connection of the audience is in exactly one of
// them. Nothing is read or sent. How many connections a job has follows from the
// audience when the job is done; a driver may leave some jobs without any.
//
// One process posts some thousand messages a second, so an audience that is to be
// reached within a Lambda's time needs about one part for each 50,000 connections.
//
// Of the options Part, Parts, After and OnResult have no meaning here. A message that is
// to be kept is appended first ([Publisher.Append]), and its frame is what is split:
// Keep is an error here.
func Split(to Audience, data []byte, parts int, o *PublishOptions) ([]Job, error) {
	if err := cmp.Or(to.Validate(), checkReserved(to)); err != nil {
		return nil, err
	}
	if err := CheckMessage(data); err != nil {
		return nil, err
	}
	if parts < 1 || parts > MaxParts {
		return nil, invalidf("split the publish to %s into %d parts: the number must be from 1 to %d", to, parts, MaxParts)
	}
	if to.Kind == KindConnection {
		parts = 1
	}
	if o == nil {
		o = &PublishOptions{}
	}
	if o.Keep > 0 || o.Again {
		return nil, invalidf("split the publish to %s: a message is kept before it is split; Publisher.Append does it", to)
	}
	publish, text := rand.Text(), string(data)
	jobs := make([]Job, parts)
	for i := range jobs {
		jobs[i] = Job{Publish: publish, To: to, Text: text, Part: i, Parts: parts, Only: o.Only, Except: o.Except, AtLeastOnce: o.AtLeastOnce}
	}
	return jobs, nil
}

// Do does a job, as [Publisher.Publish] does a publish. If its time runs out
// Result.Next is not empty, and [Job.Rest] is what is left.
func (p *Publisher) Do(ctx context.Context, j Job) (Result, error) {
	return p.Publish(ctx, j.To, []byte(j.Text), &PublishOptions{After: j.After, Part: j.Part, Parts: j.Parts, Only: j.Only, Except: j.Except, AtLeastOnce: j.AtLeastOnce,
		Keep: -1}) // what was to be kept was appended before the job was made
}

// Rest is the job that is left after a result of [Publisher.Do] whose time ran out:
// doing it reaches those for whom there was no time, and nobody twice. What failed is
// not in it; see [Job.Left]. It reports false if nothing is left, or if
// Do returned an error before anything was started: then the job itself is left.
func (j Job) Rest(r Result) (Job, bool) {
	j.After = r.Next
	return j, r.Next != ""
}

// Left is what remains of a job after [Publisher.Do]; [Job.Left] makes it. Its zero value
// says that the job is done.
type Left struct {
	// Again says that the same job must be done again, because nobody can have got the
	// message: a consumer of a queue reports the job as failed, so that the queue delivers
	// it again. With AtLeastOnce it is also set if Lost would not be zero.
	Again bool
	// Jobs are what is left otherwise: the rest that there was no time for, and a job
	// for each connection that the message certainly missed and that a repeat may
	// reach, 100 of those at most.
	Jobs []Job
	// Lost counts the connections that the message missed and that are in none of
	// Jobs.
	Lost int
}

// Left is what is left after a result and an error of [Publisher.Do]: doing it reaches
// those who were not reached, and nobody twice. A connection that alone was throttled
// to the end is not in it, nor, without AtLeastOnce, one that may have got the message
// ([Result].Missed).
func (j Job) Left(r Result, err error) Left {
	nobody := r.Sent == 0 && (j.AtLeastOnce || r.Failed == r.NotDelivered)
	begun := r.Sent+r.Gone+r.Failed > 0
	switch {
	case nobody && r.Missed > 0:
		return Left{Again: true}
	case !begun && (r.Next == j.After && r.Next != "" || r.Next == "" && err != nil):
		return Left{Again: true} // its rest is all of it
	}
	l := Left{Lost: r.Missed - len(r.FirstMissed)}
	if l.Lost > 0 && j.AtLeastOnce {
		return Left{Again: true}
	}
	if rest, ok := j.Rest(r); ok {
		l.Jobs = append(l.Jobs, rest)
	}
	for _, o := range r.FirstMissed {
		one := Job{Publish: j.Publish, To: ToConnection(o.ConnectionID), Text: j.Text, Parts: 1, Only: j.Only, AtLeastOnce: j.AtLeastOnce}
		if o.Endpoint != (Identity{}) {
			one.Only = &o.Endpoint // the ID may be another stage's by then
		}
		l.Jobs = append(l.Jobs, one)
	}
	return l
}

// String names the job in logs, without its message.
func (j Job) String() string {
	s := fmt.Sprintf("publish %s to %s, part %d of %d", clip(j.Publish), j.To, j.Part+1, max(j.Parts, 1))
	if j.After != "" {
		s += ", continued"
	}
	return s
}
