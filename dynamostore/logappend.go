package dynamostore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

const (
	// lossesBeforeRead is how often an appender that was overtaken tries the next place
	// without a read.
	lossesBeforeRead = 3
	// longestLossPause bounds the wait of one that is overtaken again and again.
	longestLossPause = 200 * time.Millisecond
)

// logHead is where a log ends.
type logHead struct {
	epoch  logEpoch
	newest *logItem // nil: the epoch shows no item
	read   time.Time
}

// last is the last offset that is taken.
func (h logHead) last() uint64 {
	if h.newest == nil {
		return 0
	}
	return h.newest.last()
}

// position is what appenders and readers call the end. A topic whose first epoch is
// empty has no log yet.
func (h logHead) position() wirepost.Position {
	if h.newest == nil && h.epoch.number == 1 {
		return wirepost.Position{}
	}
	return wirepost.Position{Epoch: h.epoch.name, Offset: h.last()}
}

// since is from when on what is not there may have been removed: the latest end of the
// newest item, or when the epoch was empty.
func (h logHead) since() int64 {
	if h.newest == nil {
		return h.epoch.made
	}
	return h.newest.latest
}

// over reports whether nobody appends here any more, and proved whether it is certain
// that nothing is behind what shows.
func (h logHead) over(now int64) bool {
	if h.epoch.only {
		return false
	}
	if h.newest == nil {
		return now-h.epoch.made > trusted.Milliseconds()
	}
	return now > h.newest.latest+closed.Milliseconds()
}

func (h logHead) proved(now int64) bool {
	return h.epoch.only || now <= h.since()+trusted.Milliseconds()
}

// waiting is an append that waits to be part of a group.
type waiting struct {
	ctx     context.Context
	entries []wirepost.LogEntry
	at      *wirepost.Position
	taken   bool // a group has it, whose first put may be out
	done    chan appended
}

type appended struct {
	first wirepost.Position
	err   error
}

// append waits for its group. What one process appends at the same moment shares an item.
func (l *topicLog) append(ctx context.Context, entries []wirepost.LogEntry, at *wirepost.Position) (wirepost.Position, error) {
	w := &waiting{ctx: ctx, entries: entries, at: at, done: make(chan appended, 1)}
	l.mu.Lock()
	l.waiting = append(l.waiting, w)
	if !l.leading {
		l.leading = true
		go l.lead() // ends when nobody waits; a context of each group's own bounds it
	}
	l.mu.Unlock()
	select {
	case done := <-w.done:
		return done.first, done.err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case done := <-w.done:
		return done.first, done.err
	default:
	}
	if w.taken {
		return wirepost.Position{}, fmt.Errorf("%w: %w", wirepost.ErrUnknown, ended(ctx, nil))
	}
	w.taken = true // by nobody
	return wirepost.Position{}, ended(ctx, nil)
}

// lead appends one group after the other until nobody waits.
func (l *topicLog) lead() {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), longestCall)
		h, err := l.appendable(ctx)
		group := l.take()
		if group == nil {
			cancel()
			return
		}
		var first wirepost.Position
		if err == nil {
			group, first, err = l.put(ctx, h, group)
		}
		cancel()
		for _, w := range group {
			w.done <- appended{first, err}
			first.Offset += uint64(len(w.entries))
		}
	}
}

// take closes a group: those that wait, as far as an item has room for them. One with a
// position is alone. Nil says that nobody waits, and that the leading has ended.
func (l *topicLog) take() (group []*waiting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries, size := 0, 0
	for len(l.waiting) > 0 {
		w := l.waiting[0]
		if !w.taken {
			bytes := 0
			for _, e := range w.entries {
				bytes += len(e.Data)
			}
			if len(group) > 0 && (w.at != nil || group[0].at != nil || entries+len(w.entries) > wirepost.MaxAppendEntries || size+bytes > wirepost.MaxAppendBytes) {
				break
			}
			entries, size = entries+len(w.entries), size+bytes
			w.taken = true
			group = append(group, w)
		}
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
	}
	if group == nil {
		l.leading, l.waiting = false, nil
	}
	return group
}

// put appends a group: at the place behind the head, or, where another was faster, at
// the next one, and so on. It returns those of the group that were there to the end. Who
// has gone was told that nobody knows, and may append the message again: it must not turn
// up in a later place.
func (l *topicLog) put(ctx context.Context, h logHead, group []*waiting) ([]*waiting, wirepost.Position, error) {
	next := logItem{name: rand.Text()}
	at, asked := group[0].at, false
	for losses := 0; ; losses++ {
		if group = stillWaiting(group); len(group) == 0 {
			return nil, wirepost.Position{}, context.Canceled
		}
		switch moved := at != nil && h.position() != *at; {
		case moved && asked:
			return group, wirepost.Position{}, fmt.Errorf("at %s: it ends at %s: %w", *at, h.position(), wirepost.ErrMoved)
		case moved: // what is remembered may be older than the position
			asked = true
			l.forget()
			var err error
			if h, err = l.appendable(ctx); err != nil {
				return group, wirepost.Position{}, err
			}
			continue
		}
		l.place(&next, h, group)
		sent := time.Now()
		there, unsure, err := l.putItem(ctx, h.epoch.name, next)
		if err != nil {
			l.forget()
			if unsure {
				err = fmt.Errorf("%w: %w", wirepost.ErrUnknown, err)
			}
			return group, wirepost.Position{}, err
		}
		h.newest, h.read = there, l.s.o.Now()
		l.learnHead(h)
		if there.name == next.name {
			return group, wirepost.Position{Epoch: h.epoch.name, Offset: there.first}, nil
		}
		if losses+1 >= lossesBeforeRead { // the log has gone on meanwhile
			if err := l.pause(ctx, losses, time.Since(sent)); err != nil {
				return group, wirepost.Position{}, err
			}
			l.forgetHead()
		}
		if h, err = l.appendable(ctx); err != nil {
			return group, wirepost.Position{}, err
		}
	}
}

// stillWaiting are those of a group who have not gone.
func stillWaiting(group []*waiting) []*waiting {
	return slices.DeleteFunc(slices.Clone(group), func(w *waiting) bool { return w.ctx.Err() != nil })
}

// place puts an item with the messages of a group behind a head. Ends never fall along a
// log.
func (l *topicLog) place(i *logItem, h logHead, group []*waiting) {
	i.first, i.appended, i.latest, i.entries = h.last()+1, l.s.o.Now().UnixMilli(), 0, nil
	for _, w := range group {
		for _, e := range w.entries {
			i.entries = append(i.entries, logEntry{e.ID, e.Keep.Milliseconds(), string(e.Data)})
		}
	}
	for _, e := range i.entries {
		i.latest = max(i.latest, i.appended+e.keep)
	}
	if h.newest != nil && !l.s.breaks.endsMayFall {
		i.latest = max(i.latest, h.newest.latest)
	}
}

// pause waits for a random time, so that appenders who meet do not meet again: for so many
// puts as there seem to be others, of whom each loss shows some more.
func (l *topicLog) pause(ctx context.Context, losses int, put time.Duration) error {
	longest := min(time.Duration(losses)*put, longestLossPause)
	t := time.NewTimer(time.Duration(l.s.o.Random() * float64(longest)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ended(ctx, nil)
	}
}

// putItem puts an item in its place, and returns what is there then: the item, or
// another's that was there before. An unanswered put is repeated with the same bytes in
// the same place; unsure says with an error that the item may be there all the same.
func (l *topicLog) putItem(ctx context.Context, epoch string, i logItem) (there *logItem, unsure bool, err error) {
	k := logKey(l.topic, epoch, i.first)
	in := dynamodb.PutItemInput{TableName: l.s.o.Table, Item: i.item(k),
		ConditionExpression: "attribute_not_exists(#p)", ExpressionAttributeNames: map[string]string{"#p": partitionKey},
		ReturnValuesOnConditionCheckFailure: dynamodb.AllOld}
	_, unsure, err = call(ctx, l.s, func(ctx context.Context) (*dynamodb.WriteOutput, error) { return l.s.db.PutItem(ctx, in) })
	if err == nil {
		return &i, false, nil
	}
	if !conditionFailed(err) {
		return nil, unsure, l.s.explain("write", k.String(), err)
	}
	refused, _ := errors.AsType[*dynamodb.Error](err)
	old := refused.Item
	if old == nil { // a server that does not say what it has found
		if old, err = l.s.get(ctx, k, true); err != nil {
			return nil, unsure, err
		}
		if old == nil {
			return nil, unsure, fmt.Errorf("write %s: a row was there and is not", k)
		}
	}
	i, err = parseLogItem(old)
	if err != nil {
		return nil, false, l.s.explain("read", k.String(), err)
	}
	if l.s.breaks.repeatsPuts {
		i.name = ""
	}
	return &i, false, nil
}

// appendable is where the log ends, in an epoch to which may be appended.
func (l *topicLog) appendable(ctx context.Context) (logHead, error) {
	for {
		h, err := l.head(ctx, true)
		if err != nil {
			return h, err
		}
		now := l.s.o.Now().UnixMilli()
		switch {
		case h.newest != nil && h.newest.isSeal():
			l.forgetHead()
			_, err = l.advance(ctx, h.epoch.name, *h.newest)
		case h.over(now) && !(l.s.breaks.noSeal && h.newest != nil) && !(l.s.breaks.noEmptySeal && h.newest == nil):
			_, err = l.seal(ctx, h, h.proved(now) || l.s.breaks.sealProves)
		default:
			return h, nil
		}
		if err != nil {
			return h, err
		}
	}
}

// seal ends an epoch behind a head, if nobody has appended meanwhile. It returns what is
// in the place.
func (l *topicLog) seal(ctx context.Context, h logHead, proved bool) (*logItem, error) {
	now := l.s.o.Now()
	i := logItem{name: rand.Text(), first: h.last() + 1, appended: now.UnixMilli(), latest: now.UnixMilli(), next: newEpoch(), proved: proved}
	if h.newest != nil {
		i.latest = max(i.latest, h.newest.latest)
	}
	there, _, err := l.putItem(ctx, h.epoch.name, i)
	if err != nil {
		l.forget()
		return nil, err
	}
	h.newest, h.read = there, now
	l.learnHead(h)
	return there, nil
}

// head is where the log ends, as this process knows it or as it is in the table. With
// begin a topic that has no epoch gets one; without, the head has none.
func (l *topicLog) head(ctx context.Context, begin bool) (logHead, error) {
	l.mu.Lock()
	known := l.end
	l.mu.Unlock()
	now := l.s.o.Now()
	if begin && known != nil && (now.Sub(known.read) < freshHead && !now.Before(known.read) && now.Sub(known.epoch.read) < remembered || l.s.breaks.neverForgets) {
		return *known, nil
	}
	e, err := l.epoch(ctx)
	if e == nil && err == nil && begin {
		e, err = l.begin(ctx)
	}
	if err != nil || e == nil {
		return logHead{}, err
	}
	h := logHead{epoch: *e, read: now}
	if h.newest, err = l.newest(ctx, e.name); err != nil {
		return h, err
	}
	l.learnHead(h)
	return h, nil
}

// newest reads the newest item of an epoch; nil if it shows none.
func (l *topicLog) newest(ctx context.Context, epoch string) (*logItem, error) {
	p := logPartition(l.topic, epoch)
	backward := false
	page, _, err := call(ctx, l.s, func(ctx context.Context) (*dynamodb.Page, error) {
		return l.s.db.Query(ctx, dynamodb.QueryInput{TableName: l.s.o.Table, ConsistentRead: true, Limit: 1, ScanIndexForward: &backward,
			KeyConditionExpression: "#p = :p", ExpressionAttributeNames: map[string]string{"#p": partitionKey}, ExpressionAttributeValues: map[string]dynamodb.Value{":p": str(p)}})
	})
	if err != nil {
		return nil, l.s.explain("read", p, err)
	}
	if len(page.Items) == 0 {
		return nil, nil
	}
	i, err := parseLogItem(page.Items[0])
	if err != nil {
		return nil, l.s.explain("read", p, err)
	}
	return &i, nil
}

func (l *topicLog) learnHead(h logHead) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = &h
}

func (l *topicLog) forgetHead() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = nil
}

// forget is for when something went wrong: all is read anew.
func (l *topicLog) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end, l.known = nil, nil
}
