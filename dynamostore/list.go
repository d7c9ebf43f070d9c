package dynamostore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/wirepost/wirepost"
)

// stretch is a part of a partition that a listing has to read.
type stretch struct {
	number   int // of the partition, for cursors
	name     string
	from, to string // sort keys; from is not included, to neither
	start    bool   // from is a row's and not only a bound
}

// Connections implements [wirepost.Store].
//
// While the body works on one page the next one is being read.
func (s *Store) Connections(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
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
		// The last one first: when the shards are doubled a connection can come
		// back in a higher shard only, so that it is never met in two.
		for n := shards - 1; n >= 0; n-- {
			add(n, topicPartition(n, a.Name))
		}
	default:
		for n := everyonePartitions - 1; n >= 0; n-- {
			add(n, everyone(n))
		}
	}
	if o.After == "" {
		return plan, shards, nil
	}
	at, after, err := parseCursor(o.After)
	if err != nil {
		return nil, 0, err
	}
	for len(plan) > 0 && plan[0].number > at {
		plan = plan[1:]
	}
	if len(plan) > 0 && plan[0].number == at && after > plan[0].from {
		plan[0].from, plan[0].start = after, true
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
	stretch stretch
	items   []item
	last    bool // of its partition
	err     error
}

func (s *Store) list(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions, yield func(wirepost.Listed, error) bool) error {
	plan, shards, err := s.plan(ctx, a, o)
	if err != nil {
		return err
	}
	reading, cancel := context.WithCancel(ctx)
	pages := make(chan page)
	var reader sync.WaitGroup
	reader.Go(func() { s.read(reading, plan, pages) }) // ends when reading does
	defer func() {
		cancel()
		reader.Wait()
	}()

	rows := 0
	// Several connections may have had one ID; the last of them is the one. They
	// are beside each other in the order of the keys, so one item is held back.
	var held *wirepost.Listed
	give := func() bool {
		if held == nil {
			return true
		}
		l := *held
		held = nil
		return yield(l, nil)
	}
	now := s.o.Now()
	for p := range pages {
		if p.err != nil {
			if held != nil && !give() {
				return nil
			}
			return p.err
		}
		rows += len(p.items)
		for _, it := range p.items {
			if err := ctx.Err(); err != nil {
				return err
			}
			end, err := expiryOf(it)
			if err != nil {
				return s.explain("read", keyOf(it).String(), err)
			}
			if !now.Before(end) {
				continue
			}
			l, found, err := s.listed(ctx, a, p.stretch.number, it)
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			if held != nil && held.ID != l.ID && !give() {
				return nil
			}
			held = &l
		}
		if p.last && !give() {
			return nil
		}
		now = s.o.Now()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.Kind == wirepost.KindTopic && shards > 0 && o.Parts <= 1 {
		s.grow(ctx, a.Name, shards, rows)
	}
	return nil
}

// read hands over one page after another, and reads the next one meanwhile.
func (s *Store) read(ctx context.Context, plan []stretch, pages chan<- page) {
	defer close(pages)
	for _, st := range plan {
		in := &dynamodb.QueryInput{TableName: &s.o.Table, ConsistentRead: ref(true), Limit: ref(int32(s.o.PageRows)),
			KeyConditionExpression:    ref("#p = :p AND #s BETWEEN :from AND :to"),
			ExpressionAttributeNames:  map[string]string{"#p": partitionKey, "#s": sortKey},
			ExpressionAttributeValues: map[string]types.AttributeValue{":p": str(st.name), ":from": str(st.from), ":to": str(st.to)},
		}
		if st.start {
			in.ExclusiveStartKey = key{st.name, st.from}.item()
		}
		for more := true; more; {
			out, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.QueryOutput, error) { return s.db.Query(ctx, in) })
			p := page{stretch: st, err: s.explain("list", st.name, err)}
			if err == nil {
				in.ExclusiveStartKey = out.LastEvaluatedKey
				more = len(out.LastEvaluatedKey) > 0
				p.items, p.last = out.Items, !more
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
