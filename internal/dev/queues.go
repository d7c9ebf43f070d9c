package dev

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/engine"
	"github.com/wirepost/wirepost/internal/hint"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// queues is the part that has the queues and topics of an app. It deletes none, and no
// message.
type queues struct {
	c       *Config
	app     *resolution
	engines *engines
	nothingToStop
}

// queuesTime bounds the creation of the app's queues and topics.
const queuesTime = time.Minute

func (q *queues) start(ctx context.Context) error {
	a := q.app.app
	if a == nil || len(a.Queues)+len(a.Topics) == 0 {
		return nil
	}
	switch {
	case q.engines.queues == nil && !q.c.Inherit:
		q.sayAbsent(a)
		return nil
	case q.engines.queues == nil:
		return nil // they are on AWS
	case q.c.Inherit && q.c.SQS != LocalEngine:
		q.c.Report.Hint(fmt.Sprintf("the template's queues are not created at %s, because functions have your own AWS credentials", q.c.SQS))
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, queuesTime)
	defer cancel()
	caller := newCaller(q.c, q.engines.queues)
	if err := q.createQueues(ctx, caller, a); err != nil {
		return err
	}
	return q.createTopics(ctx, caller, a)
}

// shownQueues is how many URLs of queues are reported, for those who send to them.
const shownQueues = 10

func (q *queues) sayAbsent(a *app.App) {
	var names []string
	for _, one := range a.Queues {
		names = append(names, one.Name)
	}
	for _, one := range a.Topics {
		names = append(names, one.Name)
	}
	q.c.Report.Hint(fmt.Sprintf("the template's queues and topics are not there: %s; start them with --sqs local, or name a server with --sqs URL", strings.Join(names, ", ")))
}

// sqsFixed are attributes that only a new queue takes.
var sqsFixed = []string{"FifoQueue"}

// createQueues creates the queues that are not there and gives all of them the template's
// attributes: those that name another queue last, when that is there.
func (q *queues) createQueues(ctx context.Context, caller *caller, a *app.App) error {
	urls := map[string]string{} // by logical ID
	for _, one := range a.Queues {
		if one.Unrunnable != nil { // it has been said
			continue
		}
		fixed := map[string]string{}
		for _, name := range sqsFixed {
			if v, ok := one.Attributes[name]; ok {
				fixed[name] = v
			}
		}
		var made struct{ QueueUrl string }
		err := caller.sqs(ctx, "CreateQueue", map[string]any{"QueueName": one.Name, "Attributes": fixed}, &made)
		if err := q.refused("queue", one.Name, one.Position, err); err != nil {
			return err
		}
		if err != nil {
			continue
		}
		if urls[one.LogicalID] = made.QueueUrl; len(urls) <= shownQueues {
			q.c.Report.Address("queue", q.engines.queueURL(one.Name))
		}
	}
	for _, one := range a.Queues {
		attributes := maps.Clone(one.Attributes)
		for _, name := range sqsFixed {
			delete(attributes, name)
		}
		url, ok := urls[one.LogicalID]
		if !ok || len(attributes) == 0 {
			continue
		}
		err := caller.sqs(ctx, "SetQueueAttributes", map[string]any{"QueueUrl": url, "Attributes": attributes}, nil)
		if err := q.refused("queue", one.Name, one.Position, err); err != nil {
			return err
		}
	}
	return nil
}

// createTopics creates the topics that are not there, and their subscriptions.
func (q *queues) createTopics(ctx context.Context, caller *caller, a *app.App) error {
	for _, one := range a.Topics {
		if one.Unrunnable != nil {
			continue
		}
		arn, err := caller.createTopic(ctx, one)
		if err := q.refused("topic", one.Name, one.Position, err); err != nil {
			return err
		}
		if err != nil {
			continue
		}
		for _, s := range one.Subscriptions {
			name, err := q.subscriber(ctx, caller, a, one, &s)
			if name == "" && err == nil {
				continue
			}
			if err == nil {
				err = caller.subscribe(ctx, arn, fmt.Sprintf("arn:aws:sqs:%s:%s:%s", q.c.Region, q.engines.account(), name), s)
			}
			if err := q.refused("subscription of topic", one.Name, s.Position, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// subscriber is the name of the queue that is subscribed to a topic: of a function it is
// one that only dev knows, which is made. It is empty if there is none.
func (q *queues) subscriber(ctx context.Context, caller *caller, a *app.App, topic app.Topic, s *app.Subscription) (name string, err error) {
	if s.Function == "" {
		i := slices.IndexFunc(a.Queues, func(queue app.Queue) bool { return queue.LogicalID == s.Queue && s.Queue != "" })
		if i < 0 {
			return "", nil
		}
		return a.Queues[i].Name, nil
	}
	f := a.Function(s.Function)
	if f == nil || f.Unrunnable != nil && f.StandIn == "" || isFIFO(topic) { // which is said
		return "", nil
	}
	// What SNS gives to a function is never raw. A message is invisible as long as the
	// function may take, and the minute after which Lambda tries again.
	s.Attributes = maps.Clone(s.Attributes)
	delete(s.Attributes, "RawMessageDelivery")
	visible := cmp.Or(q.c.Processes.Timeout, f.Timeout, lambdart.DefaultTimeout) + time.Minute
	name = topicQueue(topic, f.LogicalID)
	var made struct{ QueueUrl string }
	if err := caller.sqs(ctx, "CreateQueue", map[string]any{"QueueName": name}, &made); err != nil {
		return name, err
	}
	return name, caller.sqs(ctx, "SetQueueAttributes", map[string]any{"QueueUrl": made.QueueUrl, "Attributes": map[string]string{"VisibilityTimeout": strconv.Itoa(int(visible / time.Second))}}, nil)
}

func isFIFO(t app.Topic) bool { return strings.HasSuffix(t.Name, ".fifo") }

// topicQueue is the name of the queue between a topic and a function that is subscribed to
// it: neither fauxqs nor most other servers invoke functions, and a queue keeps the
// messages that come while they do not run.
func topicQueue(t app.Topic, function string) string {
	name := "wirepost-" + t.Name + "-" + function
	const most = 80 // AWS docs, SQS API reference: CreateQueue
	if len(name) > most {
		sum := sha256.Sum256([]byte(name))
		name = name[:most-17] + "-" + hex.EncodeToString(sum[:8])
	}
	return name
}

// refused reports what the server refuses, as AWS would; it is an error where no server
// answers, or everything has to run.
func (q *queues) refused(what, name string, at app.Position, err error) error {
	if err == nil {
		return nil
	}
	text := fmt.Sprintf("%s: create %s %s at %s: %v", at, what, name, named(q.c.SQS, engine.SQS), err)
	if refusal, ok := errors.AsType[*refusalOfServer](err); ok && !q.c.Strict && refusal.status < 500 {
		q.c.Report.Hint(text)
		return nil
	}
	return hint.New(errors.New(text), "start the server of --sqs, or leave --sqs out")
}
