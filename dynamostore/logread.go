package dynamostore

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

const (
	// maxTail and maxTails bound what a process keeps of what it has read, in bytes.
	maxTail  = 4 << 20
	maxTails = 64 << 20
	// firstItems is how many items a reader asks for at first.
	firstItems = 8
	// maxEpochs bounds how many epochs one read goes through.
	maxEpochs = 50
)

// logTail is the end of an epoch, without a hole, as this process has read it. Items
// never change, so every reader may be served from it; what is behind it is asked for.
type logTail struct {
	epoch string
	items []logItem
	bytes int
}

// from is the index of the item that contains an offset, of the first one for offset 0,
// or of the last one if the offset is behind it; -1 if the tail does not go back so far.
func (t *logTail) from(epoch string, after uint64) int {
	if t.epoch != epoch || len(t.items) == 0 || t.items[0].first > max(after, 1) {
		return -1
	}
	i := len(t.items) - 1
	for i > 0 && t.items[i].first > after {
		i--
	}
	return i
}

// Read implements [wirepost.Log]. It costs one read unit for each 4 KB that this process
// has not read before, one at least.
func (s *Store) Read(ctx context.Context, topic string, after wirepost.Position, limit wirepost.ReadLimit) (wirepost.Replay, error) {
	s.made()
	r := wirepost.Replay{}
	err := cmp.Or(ctx.Err(), wirepost.ValidateName(topic), after.Validate())
	if err == nil {
		r, err = s.log(topic).read(ctx, after, limit.OrDefault())
	}
	if err != nil {
		return wirepost.Replay{}, fmt.Errorf("read topic %s: %w", topic, err)
	}
	return r, nil
}

// lost stands for messages of earlier epochs.
var lost = []wirepost.Offsets{{}}

// read follows a position through the epochs to the first one that has something to tell,
// or to the end.
func (l *topicLog) read(ctx context.Context, after wirepost.Position, limit wirepost.ReadLimit) (r wirepost.Replay, err error) {
	e, err := l.epoch(ctx)
	if err != nil {
		return r, err
	}
	if e == nil {
		if after.Epoch != "" {
			r.Gaps = lost
		}
		return r, nil
	}
	if after.Epoch == "" {
		after.Epoch = cmp.Or(e.previous, e.name)
		if e.number > 2 {
			r.Gaps = lost
		}
	}
	if after.Epoch != e.name { // an old one, or one that this process does not know yet
		if e, err = l.readEpoch(ctx); err != nil || e == nil {
			r.Gaps = lost
			return r, err
		}
	}
	for range maxEpochs {
		v := view{l: l, after: after, limit: limit, now: l.s.o.Now().UnixMilli()}
		if err := v.load(ctx); err != nil {
			return r, err
		}
		done, err := v.judge(ctx, &e, &r)
		if err != nil || done {
			return r, err
		}
		after = v.next
	}
	r.UpTo, r.Head, r.More = after, after, true
	return r, nil
}

// view is what a reader sees of one epoch behind a position.
type view struct {
	l     *topicLog
	after wirepost.Position
	limit wirepost.ReadLimit
	now   int64 // milliseconds since 1970

	messages []wirepost.LogMessage
	gaps     []wirepost.Offsets
	upTo     uint64
	size     int
	full     bool // there is more than the limit allows

	newest *logItem // the last one that was seen
	seal   *logItem // which ends the epoch

	next wirepost.Position // where the reader goes on, if there is nothing to tell here
}

// load reads until the answer is full, or the epoch ends.
func (v *view) load(ctx context.Context) error {
	v.upTo = v.after.Offset
	start, near := v.remembered()
	if v.full {
		return nil
	}
	l := v.l
	p := logPartition(l.topic, v.after.Epoch)
	l.mu.Lock()
	limit := max(l.took, firstItems)
	l.mu.Unlock()
	if !near {
		limit += longestGroup + 1
	}
	in := dynamodb.QueryInput{TableName: l.s.o.Table, ConsistentRead: true, Limit: limit, KeyConditionExpression: "#p = :p AND #s >= :s",
		ExpressionAttributeNames:  map[string]string{"#p": partitionKey, "#s": sortKey},
		ExpressionAttributeValues: map[string]dynamodb.Value{":p": str(p), ":s": str(encode(start, offsetWidth))}}
	taken := 0
	for {
		page, _, err := call(ctx, l.s, func(ctx context.Context) (*dynamodb.Page, error) { return l.s.db.Query(ctx, in) })
		if err != nil {
			return l.s.explain("read", p, err)
		}
		for _, it := range page.Items {
			i, err := parseLogItem(it)
			if err != nil {
				return l.s.explain("read", p, err)
			}
			l.remember(v.after.Epoch, i)
			if taken++; v.see(&i) {
				l.mu.Lock()
				l.took = min(taken, v.limit.Messages)
				l.mu.Unlock()
				return nil
			}
		}
		if len(page.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey = page.LastEvaluatedKey
	}
}

// remembered serves what this process has read before, and says from which offset on the
// table is to be asked. near tells that this is behind what was read before.
func (v *view) remembered() (start uint64, near bool) {
	l := v.l
	l.mu.Lock()
	items := l.tail.items
	i := l.tail.from(v.after.Epoch, v.after.Offset)
	l.mu.Unlock()
	if i < 0 {
		return max(v.after.Offset, longestGroup+1) - longestGroup, false
	}
	for ; i < len(items); i++ {
		if v.see(&items[i]) {
			return 0, true
		}
	}
	return items[len(items)-1].last() + 1, true
}

// see takes an item into the view, and reports whether it is full.
func (v *view) see(i *logItem) bool {
	v.newest = i
	if i.last() <= v.after.Offset {
		return false
	}
	if i.isSeal() {
		v.lose(v.upTo+1, i.first-1)
		v.upTo, v.seal = i.first-1, i
		return true
	}
	for n := range i.entries {
		m, there := i.message(n, v.after.Epoch, v.now)
		if m.Offset <= v.after.Offset || !there {
			continue
		}
		if v.size += len(m.Data); len(v.messages) > 0 && (len(v.messages) == v.limit.Messages || v.size > v.limit.Bytes) {
			v.full = true
			return true
		}
		v.lose(v.upTo+1, m.Offset-1)
		v.messages, v.upTo = append(v.messages, m), m.Offset
	}
	if last := i.last(); last > v.upTo {
		v.lose(v.upTo+1, last)
		v.upTo = last
	}
	return false
}

// lose adds a range to the gaps, if there is anything in it. One that goes on is one.
func (v *view) lose(from, to uint64) {
	if v.l.s.breaks.holesUntold {
		return
	}
	if n := len(v.gaps); n > 0 && v.gaps[n-1].To == from-1 && from <= to {
		v.gaps[n-1].To = to
		return
	}
	if from <= to {
		v.gaps = append(v.gaps, wirepost.Offsets{From: from, To: to})
	}
}

// tells reports whether the view has anything for the reader.
func (v *view) tells() bool { return len(v.messages)+len(v.gaps) > 0 }

// answer adds the view to the replay.
func (v *view) answer(r *wirepost.Replay, head uint64, more bool) {
	r.Messages, r.Gaps = v.messages, append(r.Gaps[:len(r.Gaps):len(r.Gaps)], v.gaps...)
	r.UpTo = wirepost.Position{Epoch: v.after.Epoch, Offset: v.upTo}
	r.Head = wirepost.Position{Epoch: v.after.Epoch, Offset: max(head, v.upTo)}
	r.More = more
}

// judge decides what the view proves. It either completes the replay, or says where the
// reader goes on. e is the newest epoch, before and after.
func (v *view) judge(ctx context.Context, e **logEpoch, r *wirepost.Replay) (done bool, err error) {
	switch {
	case v.full:
		v.answer(r, v.newest.last(), true)
		return true, nil
	case v.seal != nil:
		return v.atSeal(ctx, e, r)
	case v.after.Epoch == (*e).name:
		return v.atEnd(ctx, e, r)
	case v.tells():
		v.answer(r, v.upTo, true)
		return true, nil
	}
	// An old epoch whose seal has vanished, or one that never was.
	if v.after.Epoch != (*e).previous || (*e).last < 0 || uint64((*e).last) != v.upTo {
		r.Gaps = lost
	}
	v.next = wirepost.Position{Epoch: (*e).name}
	return false, nil
}

// atSeal is for a view that ends with one.
func (v *view) atSeal(ctx context.Context, e **logEpoch, r *wirepost.Replay) (done bool, err error) {
	if (*e).name == v.after.Epoch {
		next, err := v.l.advance(ctx, (*e).name, *v.seal)
		if err != nil {
			return false, err
		}
		if next == nil {
			return false, errors.New("the row that names the newest epoch has vanished")
		}
		*e = next
	}
	if v.tells() {
		v.answer(r, v.upTo, true)
		return true, nil
	}
	if !v.seal.proved && !v.l.s.breaks.sealsAreQuiet {
		r.Gaps = lost
	}
	v.next = wirepost.Position{Epoch: v.seal.next}
	return false, nil
}

// atEnd is for a view that reaches the end of the newest epoch.
func (v *view) atEnd(ctx context.Context, e **logEpoch, r *wirepost.Replay) (done bool, err error) {
	h := logHead{epoch: **e, newest: v.newest}
	if h.newest == nil { // nothing near the position: it is beyond the end, or the epoch shows nothing
		if h.newest, err = v.l.newest(ctx, h.epoch.name); err != nil {
			return false, err
		}
		if h.newest != nil && h.newest.last() >= v.after.Offset && !h.newest.isSeal() { // it came meanwhile
			v.next = v.after
			return false, nil
		}
	}
	switch {
	case h.newest == nil:
	case h.newest.isSeal(): // the position is of a log that was lost
		v.seal, r.Gaps = h.newest, lost
		return v.atSeal(ctx, e, r)
	case h.newest.last() < v.after.Offset:
		v.upTo = h.newest.last()
	}
	if h.proved(v.now) && (h.newest != nil || v.after.Offset == 0) || v.l.s.breaks.endUnproved {
		return v.atCertainEnd(ctx, e, h, r)
	}
	if v.tells() { // the next read finds out
		v.answer(r, v.upTo, true)
		return true, nil
	}
	there, err := v.l.seal(ctx, h, false)
	if err != nil {
		return false, err
	}
	v.next = v.after
	if there.isSeal() {
		v.seal, r.Gaps = there, lost
		return v.atSeal(ctx, e, r)
	}
	return false, nil // somebody has appended meanwhile
}

// atCertainEnd completes the replay. It sees to it that the end stays certain: that it
// is proved tomorrow, too, is worth a write.
func (v *view) atCertainEnd(ctx context.Context, e **logEpoch, h logHead, r *wirepost.Replay) (done bool, err error) {
	if v.now-h.since() > renewed.Milliseconds() && !h.epoch.only {
		if h.newest == nil {
			v.l.confirm(ctx, h.epoch, v.now)
		} else if !v.tells() {
			if there, err := v.l.seal(ctx, h, true); err == nil && there.isSeal() {
				v.seal = there
				return v.atSeal(ctx, e, r)
			}
		}
	}
	v.answer(r, h.last(), false)
	return true, nil
}

// remember adds an item to the tail, if it goes on there.
func (l *topicLog) remember(epoch string, i logItem) {
	l.mu.Lock()
	t := &l.tail
	before := t.bytes
	switch n := len(t.items); {
	case i.isSeal() || l.known == nil || l.known.name != epoch:
	case t.epoch == epoch && n > 0 && i.first == t.items[n-1].last()+1:
		t.items, t.bytes = append(t.items, i), t.bytes+i.size()
	case t.epoch != epoch || n == 0 || i.first > t.items[n-1].last():
		*t = logTail{epoch: epoch, items: []logItem{i}, bytes: i.size()}
	}
	for t.bytes > maxTail && len(t.items) > 1 {
		t.bytes -= t.items[0].size()
		t.items = t.items[1:]
	}
	grown := t.bytes - before
	l.mu.Unlock()
	l.s.logs.grow(grown, l.topic)
}

// grow counts what tails take, and forgets others if that is too much.
func (t *topicLogs) grow(n int, topic string) {
	t.Lock()
	defer t.Unlock()
	t.bytes += n
	for other := range t.byTopic {
		if t.bytes <= maxTails {
			return
		}
		l := t.byTopic[other]
		if l.mu.Lock(); other != topic {
			t.bytes -= l.tail.bytes
			l.tail = logTail{}
		}
		l.mu.Unlock()
	}
}

func (l *topicLog) forgetTail() {
	l.mu.Lock()
	n := l.tail.bytes
	l.tail = logTail{}
	l.mu.Unlock()
	l.s.logs.grow(-n, l.topic)
}
