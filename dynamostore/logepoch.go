package dynamostore

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// logEpoch is the row that names the newest epoch of a topic.
type logEpoch struct {
	name   string
	number int64 // 1 for the first
	made   int64 // milliseconds since 1970: the epoch was empty then

	previous string
	last     int64 // the last offset of previous; -1 if it is not proved

	read time.Time // when this process has read it

	only bool // it is the log of a stream: see streamEpoch
}

// streamTopics begins the names of the topics that streams have for their logs, which
// package wirepost reserves.
const streamTopics = "$stream/"

// streamEpoch is the epoch of a stream's log: it has one, whose name is the stream's ID,
// and no row. The rules for what is missing are not for it: a stream lives for minutes or
// hours, no client has a position in it, and its pieces say where they begin. An ID that
// comes again after its time goes on behind what is still in the table. It is nil for
// another topic.
func streamEpoch(topic string, now time.Time) *logEpoch {
	id, ok := strings.CutPrefix(topic, streamTopics)
	if !ok || id == "" || (wirepost.Position{Epoch: id}).Validate() != nil {
		return nil
	}
	return &logEpoch{name: id, number: 1, made: now.UnixMilli(), last: -1, read: now, only: true}
}

// newEpoch is a name that no epoch has had.
func newEpoch() string { return strings.ToLower(rand.Text()[:16]) }

func (e logEpoch) item(topic string, now time.Time) item {
	it := epochKey(topic).item()
	it[attrTTL] = num(now.Add(epochLife).Unix())
	it[attrEpoch], it[attrNumber], it[attrAppended] = str(e.name), num(e.number), num(e.made)
	if e.previous != "" {
		it[attrPrevious] = str(e.previous)
		if e.last >= 0 {
			it[attrLast] = num(e.last)
		}
	}
	return it
}

func parseEpoch(it item, read time.Time) (e logEpoch, err error) {
	e = logEpoch{name: text(it, attrEpoch), previous: text(it, attrPrevious), last: -1, read: read}
	if e.number, err = number(it, attrNumber); err != nil {
		return e, err
	}
	if e.made, err = number(it, attrAppended); err != nil {
		return e, err
	}
	if _, proved := it[attrLast]; proved {
		e.last, err = number(it, attrLast)
	}
	return e, err
}

// epoch is the newest epoch of a topic, as this process knows it or as it is in the
// table. It is nil if there is none.
func (l *topicLog) epoch(ctx context.Context) (*logEpoch, error) {
	l.mu.Lock()
	known := l.known
	l.mu.Unlock()
	if known != nil && (l.s.o.Now().Sub(known.read) < remembered && !l.s.o.Now().Before(known.read) || l.s.breaks.neverForgets) {
		return known, nil
	}
	return l.readEpoch(ctx)
}

// readEpoch reads the epoch row, and renews it if its time comes to an end.
func (l *topicLog) readEpoch(ctx context.Context) (*logEpoch, error) {
	now := l.s.o.Now()
	if e := streamEpoch(l.topic, now); e != nil {
		l.learnEpoch(*e)
		return e, nil
	}
	k := epochKey(l.topic)
	it, err := l.s.get(ctx, k, true)
	if err != nil || it == nil {
		return nil, err
	}
	e, err := parseEpoch(it, now)
	if err != nil {
		return nil, l.s.explain("read", k.String(), err)
	}
	if end, err := number(it, attrTTL); err == nil && time.Unix(end, 0).Sub(now) < epochLife/2 {
		// It matters for none of this call whether it is done.
		_, _, _ = l.s.compare(ctx, "renew", k, func(ctx context.Context) error {
			_, err := l.s.db.UpdateItem(ctx, dynamodb.UpdateItemInput{TableName: l.s.o.Table, Key: k.item(),
				UpdateExpression: "SET #x = :x", ConditionExpression: "#e = :e",
				ExpressionAttributeNames:  map[string]string{"#x": attrTTL, "#e": attrEpoch},
				ExpressionAttributeValues: map[string]dynamodb.Value{":x": num(now.Add(epochLife).Unix()), ":e": str(e.name)}})
			return err
		})
	}
	l.learnEpoch(e)
	return &e, nil
}

func (l *topicLog) learnEpoch(e logEpoch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = &e
}

// begin makes the first epoch of a topic, unless there is one.
func (l *topicLog) begin(ctx context.Context) (*logEpoch, error) {
	for {
		now := l.s.o.Now()
		e := logEpoch{name: newEpoch(), number: 1, made: now.UnixMilli(), last: -1, read: now}
		held, _, err := l.s.compare(ctx, "write", epochKey(l.topic), func(ctx context.Context) error {
			_, err := l.s.db.PutItem(ctx, dynamodb.PutItemInput{TableName: l.s.o.Table, Item: e.item(l.topic, now),
				ConditionExpression: "attribute_not_exists(#p)", ExpressionAttributeNames: map[string]string{"#p": partitionKey}})
			return err
		})
		if err != nil {
			return nil, err
		}
		if held {
			l.learnEpoch(e)
			return &e, nil
		}
		if there, err := l.readEpoch(ctx); there != nil || err != nil { // another's, or our own of an attempt that was not answered
			return there, err
		}
	}
}

// advance makes the epoch row name the epoch that a seal of the old one names. It may
// have been done by another, and gone on from there.
func (l *topicLog) advance(ctx context.Context, old string, seal logItem) (*logEpoch, error) {
	e, err := l.readEpoch(ctx)
	if err != nil || e == nil || e.name != old {
		return e, err
	}
	now := l.s.o.Now()
	next := logEpoch{name: seal.next, number: e.number + 1, made: now.UnixMilli(), previous: old, last: -1, read: now}
	if seal.proved {
		next.last = int64(seal.first) - 1
	}
	held, _, err := l.s.compare(ctx, "write", epochKey(l.topic), func(ctx context.Context) error {
		_, err := l.s.db.PutItem(ctx, dynamodb.PutItemInput{TableName: l.s.o.Table, Item: next.item(l.topic, now),
			ConditionExpression: "#e = :e", ExpressionAttributeNames: map[string]string{"#e": attrEpoch},
			ExpressionAttributeValues: map[string]dynamodb.Value{":e": str(old)}})
		return err
	})
	if err != nil {
		return nil, err
	}
	if !held {
		return l.readEpoch(ctx)
	}
	l.learnEpoch(next)
	return &next, nil
}

// confirm notes that an epoch without items was empty at a time: a reader within
// the next days knows then that nothing was lost.
func (l *topicLog) confirm(ctx context.Context, e logEpoch, now int64) {
	held, _, err := l.s.compare(ctx, "confirm", epochKey(l.topic), func(ctx context.Context) error {
		_, err := l.s.db.UpdateItem(ctx, dynamodb.UpdateItemInput{TableName: l.s.o.Table, Key: epochKey(l.topic).item(),
			UpdateExpression: "SET #g = :now", ConditionExpression: "#e = :e AND #g = :g",
			ExpressionAttributeNames:  map[string]string{"#g": attrAppended, "#e": attrEpoch},
			ExpressionAttributeValues: map[string]dynamodb.Value{":now": num(now), ":e": str(e.name), ":g": num(e.made)}})
		return err
	})
	if held && err == nil {
		e.made = now
		l.learnEpoch(e)
	}
}
