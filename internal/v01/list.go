package v01

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// stretch is a part of a partition that a listing has to read: sort keys from one
// bound, which is not included, to another. With start the lower bound is a row's.
type stretch struct {
	number   int // of the partition, for cursors
	name     string
	from, to string
	start    bool
}

// Connections implements [wirepost.Store].
//
// All partitions of an audience are read at once and merged by their sort keys, which
// begin alike for one connection wherever its row is: one that is in two shards for a
// moment, or because a subscribe was cut, is still yielded once. While the body works
// on one page of a partition its next one is being read.
func (s *Store) Connections(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
	s.made()
	return func(yield func(wirepost.Listed, error) bool) {
		if err := cmp.Or(a.Validate(), o.Validate(), ctx.Err()); err != nil {
			yield(wirepost.Listed{}, err)
			return
		}
		var err error
		if a.Kind == wirepost.KindConnection {
			err = s.listOne(ctx, a.Name, o, yield)
		} else {
			err = s.list(ctx, a, o, yield)
		}
		if err != nil {
			yield(wirepost.Listed{}, fmt.Errorf("list %s: %w", a, err))
		}
	}
}

func (s *Store) listOne(ctx context.Context, id string, o wirepost.ListOptions, yield func(wirepost.Listed, error) bool) error {
	if o.After != "" || !o.Contains(id) {
		return nil
	}
	r, err := s.readRow(ctx, id)
	if err == nil && r != nil && s.o.Now().Before(r.expiresAt) {
		yield(wirepost.Listed{ID: id, Endpoint: r.endpoint, ConnectedAt: r.connectedAt, Cursor: cursorAt(0, sliceOf(id)+id)}, nil)
	}
	return err
}

// plan says what to read for an audience, in order, and in how many shards it is.
func (s *Store) plan(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) (plan []stretch, shards int, err error) {
	parts := max(o.Parts, 1)
	from, to := sliceBound(o.Part*slices64, parts), sliceBound((o.Part+1)*slices64, parts)
	if from == to {
		return nil, 0, nil // more parts than slices
	}
	add := func(number int, name string) {
		plan = append(plan, stretch{number: number, name: name, from: from, to: to})
	}
	switch a.Kind {
	case wirepost.KindUser:
		add(0, userPartition(a.Name))
	case wirepost.KindTopic:
		if shards, err = s.readShards(ctx, a.Name, true); err != nil {
			return nil, 0, err
		}
		for n := range shards {
			add(n, topicPartition(n, a.Name))
		}
	default:
		for n := range everyonePartitions {
			add(n, everyone(n))
		}
	}
	if o.After == "" {
		return plan, shards, nil
	}
	_, after, err := parseCursor(o.After)
	if err != nil {
		return nil, 0, err
	}
	for i := range plan {
		if after >= plan[i].to {
			return nil, 0, fmt.Errorf("the cursor %q is not of this part of the listing", o.After)
		}
		if after > plan[i].from {
			plan[i].from, plan[i].start = after, true
		}
	}
	return plan, 0, nil // a part of a listing says nothing about the length of shards
}

// sliceBound is the first slice of a part. The bound behind the last one is
// greater than every sort key.
func sliceBound(n, parts int) string {
	n = (n + parts - 1) / parts
	if n >= slices64 {
		return "~"
	}
	return encode(uint64(n), sliceWidth)
}

// page is what one request has read.
type page struct {
	items []item
	err   error
}

// source is a partition while it is read: its next rows, and the pages behind them.
type source struct {
	stretch
	items []item
	key   string // sort key of the first of items
	pages chan page
}

// next steps to the following row. It reports false at the end.
func (s *source) next() (bool, error) {
	if len(s.items) > 0 {
		s.items = s.items[1:]
	}
	for len(s.items) == 0 {
		p, more := <-s.pages
		if p.err != nil || !more {
			return false, p.err
		}
		s.items = p.items
	}
	s.key = text(s.items[0], sortKey)
	return true, nil
}

// sources are a heap by sort key.
type sources []*source

func (s sources) Len() int           { return len(s) }
func (s sources) Less(i, j int) bool { return s[i].key < s[j].key }
func (s sources) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *sources) Push(x any)        { *s = append(*s, x.(*source)) }
func (s *sources) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

func (s *Store) list(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, yield func(wirepost.Listed, error) bool) error {
	plan, shards, err := s.plan(ctx, a, o)
	if err != nil {
		return err
	}
	reading, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer func() {
		cancel()
		readers.Wait()
	}()
	// What waits in memory is two pages a partition, so many of them have short ones.
	rowsAPage := min(s.o.PageRows, max(100, 4*s.o.PageRows/max(len(plan), 1)))
	all := make(sources, len(plan))
	for i, st := range plan {
		all[i] = &source{stretch: st, pages: make(chan page)}
		readers.Go(func() { s.read(reading, st, rowsAPage, all[i].pages) }) // ends when reading does
	}
	m := &merge{Store: s, audience: a, yield: yield, now: s.o.Now()}
	if err := m.begin(all); err != nil {
		return err
	}
	if goOn, err := m.run(ctx); err != nil || !goOn {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.Kind == wirepost.KindTopic && shards > 0 && o.Parts <= 1 {
		s.grow(ctx, a.Name, shards, m.rows)
	}
	return nil
}

// merge yields the rows of several partitions in the order of their keys.
//
// Several connections may have had one ID; the last of them is the one. They are
// next to each other in that order, and so are the rows of one connection in several
// shards: one item is held back.
type merge struct {
	*Store
	audience wirepost.Audience
	yield    func(wirepost.Listed, error) bool

	ready sources
	rows  int // so far
	now   time.Time
	held  *wirepost.Listed
}

// begin waits for the first row of each partition.
func (m *merge) begin(all sources) error {
	m.ready = make(sources, 0, len(all))
	for _, src := range all {
		more, err := src.next()
		if err != nil {
			return err
		}
		if more {
			m.ready = append(m.ready, src)
		}
	}
	heap.Init(&m.ready)
	return nil
}

// run yields all rows. It reports false if the caller wanted no more.
func (m *merge) run(ctx context.Context) (goOn bool, err error) {
	for len(m.ready) > 0 {
		it, number, err := m.take()
		if err != nil {
			// What was read before it is right.
			if m.give() {
				return false, err
			}
			return false, nil
		}
		if m.rows++; m.rows%256 == 0 {
			m.now = m.o.Now()
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		end, err := expiryOf(it)
		if err != nil {
			return false, m.explain("read", keyOf(it).String(), err)
		}
		if !m.now.Before(end) {
			continue
		}
		l, found, err := m.listed(ctx, m.audience, number, it)
		if err != nil {
			return false, err
		}
		if !found {
			continue
		}
		if goOn, err := m.hold(ctx, l); err != nil || !goOn {
			return false, err
		}
	}
	return m.give(), nil
}

// take is the next row of all partitions, and the number of its partition.
func (m *merge) take() (it item, number int, err error) {
	src := m.ready[0]
	it, number = src.items[0], src.number
	more, err := src.next()
	if err != nil {
		return nil, 0, err
	}
	if more {
		heap.Fix(&m.ready, 0)
	} else {
		heap.Pop(&m.ready)
	}
	return it, number, nil
}

// hold takes l as the item that is held back, and yields the one before it unless
// both are of one ID: of those the one that lives is kept.
func (m *merge) hold(ctx context.Context, l wirepost.Listed) (goOn bool, err error) {
	if m.held != nil && m.held.ID != l.ID && !m.give() {
		return false, nil
	}
	if m.held != nil && m.held.Key() != l.Key() {
		// Of two connections under one ID the connection row knows which lives: a
		// later one may have been cut before it was.
		r, err := m.readRow(ctx, l.ID)
		if err != nil {
			return false, err
		}
		if r != nil && r.key() == m.held.Key() {
			return true, nil
		}
	}
	m.held = &l
	return true, nil
}

// give yields the item that is held back. It reports false if the caller wants no
// more.
func (m *merge) give() bool {
	if m.held == nil {
		return true
	}
	l := *m.held
	m.held = nil
	return m.yield(l, nil)
}

// read hands over one page of a partition after another, and reads the next one
// meanwhile.
func (s *Store) read(ctx context.Context, st stretch, rows int, pages chan<- page) {
	defer close(pages)
	in := dynamodb.QueryInput{TableName: s.o.Table, ConsistentRead: true, Limit: rows,
		KeyConditionExpression:    "#p = :p AND #s BETWEEN :from AND :to",
		ExpressionAttributeNames:  map[string]string{"#p": partitionKey, "#s": sortKey},
		ExpressionAttributeValues: map[string]dynamodb.Value{":p": str(st.name), ":from": str(st.from), ":to": str(st.to)},
	}
	if st.start {
		in.ExclusiveStartKey = key{st.name, st.from}.item()
	}
	for more := true; more; {
		out, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.Page, error) { return s.db.Query(ctx, in) })
		p := page{err: s.explain("list", st.name, err)}
		if err == nil {
			in.ExclusiveStartKey = out.LastEvaluatedKey
			more = len(out.LastEvaluatedKey) > 0
			p.items = out.Items
		}
		select {
		case pages <- p:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// listed makes an item of a listing of a row. found is false for a row that is of
// no connection.
func (s *Store) listed(ctx context.Context, a wirepost.Audience, partition int, it item) (l wirepost.Listed, found bool, err error) {
	k := keyOf(it)
	if a.Kind == wirepost.KindEveryone {
		r, err := parseRow(it)
		if err != nil {
			return l, false, s.explain("read", k.String(), err)
		}
		return wirepost.Listed{ID: r.id, Endpoint: r.endpoint, ConnectedAt: r.connectedAt, Cursor: cursorAt(partition, k.s)}, true, nil
	}
	id, connectedAt, code, err := parseSubscription(k.s)
	if err != nil {
		return l, false, s.explain("read", k.String(), err)
	}
	endpoint, found, err := s.identityOf(ctx, code, id, connectedAt)
	return wirepost.Listed{ID: id, Endpoint: endpoint, ConnectedAt: connectedAt, Cursor: cursorAt(partition, k.s)}, found, err
}
