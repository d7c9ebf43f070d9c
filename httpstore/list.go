package httpstore

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/wirepost/wirepost"
)

// Connections implements [wirepost.Store].
//
// While the body works on one page the next one is asked for; the server keeps
// nothing between them. A body that stops early cancels that request, and the
// listing returns when it has ended.
func (s *Store) Connections(ctx context.Context, a wirepost.Audience, o wirepost.ListOptions) iter.Seq2[wirepost.Listed, error] {
	s.made()
	return func(yield func(wirepost.Listed, error) bool) {
		if err := cmp.Or(ended(ctx, nil), a.Validate(), o.Validate(), unencodable("cursor", string(o.After))); err != nil {
			yield(wirepost.Listed{}, err)
			return
		}
		if err := s.list(ctx, pageQuery{audience(a), o.After, o.Part, o.Parts, s.o.PageItems}, yield); err != nil {
			yield(wirepost.Listed{}, s.fail(err, "list %s", a))
		}
	}
}

// list returns the error that ends the listing; nil also if the body stopped it.
func (s *Store) list(ctx context.Context, q pageQuery, yield func(wirepost.Listed, error) bool) error {
	reading, cancel := context.WithCancel(ctx)
	var reader sync.WaitGroup
	defer func() {
		cancel()
		reader.Wait()
	}()
	current, err := s.page(reading, q)
	for {
		if err != nil {
			return err
		}
		var next page
		var nextErr error
		if current.More {
			q.After = current.Items[len(current.Items)-1].Cursor
			following := q
			reader.Go(func() { next, nextErr = s.page(reading, following) }) // waited for below, or above on the way out
		}
		for _, it := range current.Items {
			if err := ended(ctx, nil); err != nil {
				return err
			}
			if !yield(it.listed(), nil) {
				return nil
			}
		}
		if !current.More {
			return nil
		}
		reader.Wait()
		current, err = next, nextErr
	}
}

func (s *Store) page(ctx context.Context, q pageQuery) (page, error) {
	p, _, err := ask[page](ctx, s, "connections", q)
	if err == nil && p.More && (len(p.Items) == 0 || p.Items[len(p.Items)-1].Cursor == q.After) {
		return page{}, errors.New("the server says that there is more, but gives no cursor to continue from")
	}
	return p, err
}
