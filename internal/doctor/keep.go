package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"time"

	"github.com/wirepost/wirepost"
)

const (
	// keepVariable has the rules for what is kept.
	keepVariable = "WIREPOST_KEEP"
	// keepRows is of how many connections the topics are looked at, and keepTopics how
	// many topics are.
	keepRows, keepTopics = 50, 20
	// keepRecent is how old the newest message of a log may be that says that somebody
	// keeps the topic.
	keepRecent = 24 * time.Hour
)

// storeKeep looks for topics that others keep and whose messages a program with this
// environment would not keep. No program can see the rules of another; what it has kept
// can be seen.
func (d *run) storeKeep(ctx context.Context) {
	const name = "store-keep"
	l, ok := d.o.Store.(wirepost.Log)
	if !ok {
		d.skip(name, "the store keeps no messages")
		return
	}
	rules, err := wirepost.ParseKeep(d.o.Getenv(keepVariable))
	if err != nil {
		d.fail(name, wirepost.ProblemKeptAndNot, fmt.Sprintf("%s cannot be read, so nothing can be published to a topic: %v", keepVariable, err), "write it like lobby=24h,orders/*=10m")
		return
	}
	publisher := wirepost.NewPublisher(d.o.Store, &wirepost.PublisherOptions{Keep: rules})
	step, cancel := d.step(ctx)
	defer cancel()
	looked := 0
	for _, topic := range d.topics(step) {
		if keep, _ := publisher.Keeps(wirepost.ToTopic(topic)); keep > 0 {
			continue
		}
		m, err := newestOf(step, l, topic)
		switch {
		case err != nil:
			d.skip(name, "the log of topic "+topic+" cannot be read: "+err.Error())
			return
		case m != nil && d.o.Now().Sub(m.At) < keepRecent:
			d.warn(name, wirepost.ProblemKeptAndNot, fmt.Sprintf("a message to topic %s was kept %s, for %s, and %s here keeps none of them", topic, ago(d.o.Now().Sub(m.At)), m.End.Sub(m.At), keepVariable),
				fmt.Sprintf("set %s here as it is where that message was published, such as %s=%s; nothing, if what this program publishes is not meant to be kept", keepVariable, topic, m.End.Sub(m.At)))
			return
		}
		looked++
	}
	d.ok(name, fmt.Sprintf("of %s nothing is kept by others alone", plural(looked, "topic")))
}

// topics are those of some connections, as far as they can be read.
func (d *run) topics(ctx context.Context) []string {
	known := map[string]bool{}
	rows := 0
	for l, err := range d.o.Store.Connections(ctx, wirepost.Everyone(), wirepost.ListOptions{}) {
		if err != nil {
			break
		}
		if c, err := d.o.Store.Connection(ctx, l.ID); err == nil {
			for _, topic := range c.Topics {
				if len(known) < keepTopics {
					known[topic] = true
				}
			}
		}
		if rows++; rows == keepRows {
			break
		}
	}
	return slices.Sorted(maps.Keys(known))
}

// newestOf is the newest message of a log, nil if there is none.
func newestOf(ctx context.Context, l wirepost.Log, topic string) (*wirepost.LogMessage, error) {
	head, err := l.Head(ctx, topic)
	if err != nil || head.Offset == 0 {
		return nil, notSupported(err)
	}
	r, err := l.Read(ctx, topic, wirepost.Position{Epoch: head.Epoch, Offset: head.Offset - 1}, wirepost.ReadLimit{Messages: 1})
	if err != nil || len(r.Messages) == 0 {
		return nil, notSupported(err)
	}
	return &r.Messages[0], nil
}

// notSupported is no error: a store that is lent may have no log behind it.
func notSupported(err error) error {
	if errors.Is(err, wirepost.ErrNotSupported) {
		return nil
	}
	return err
}
