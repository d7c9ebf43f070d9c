package wireposttest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost"
)

var listChecks = []storeCheck{
	{"each audience lists its own connections", func(ctx context.Context, s wirepost.Store, c *clock) error {
		elsewhere := row(c, "c4", "Alice", "A", "a/b")
		elsewhere.Endpoint = staging
		if err := put(ctx, s, row(c, "c1", "alice", "a", "b"), row(c, "c2", "alice"), row(c, "c3", "", "a", "a%", "ab"), elsewhere); err != nil {
			return err
		}
		for _, l := range []struct {
			audience wirepost.Audience
			want     []string
		}{
			{wirepost.ToConnection("c1"), []string{"c1"}},
			{wirepost.ToConnection("C1"), nil},
			{wirepost.ToUser("alice"), []string{"c1", "c2"}},
			{wirepost.ToUser("Alice"), []string{"c4"}},
			{wirepost.ToUser("alic"), nil},
			{wirepost.ToUser("a"), nil},
			{wirepost.ToTopic("a"), []string{"c1", "c3"}},
			{wirepost.ToTopic("a%"), []string{"c3"}},
			{wirepost.ToTopic("a/b"), []string{"c4"}},
			{wirepost.ToTopic("A"), []string{"c4"}},
			{wirepost.ToTopic("alice"), nil},
			{wirepost.Everyone(), []string{"c1", "c2", "c3", "c4"}},
		} {
			if err := wantListed(ctx, s, l.audience, l.want...); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a listed item has the key of its connection", func(ctx context.Context, s wirepost.Store, c *clock) error {
		here, there := row(c, "c1", "alice", "a"), row(c, "c2", "alice", "a")
		there.Endpoint = staging
		there.ConnectedAt = there.ConnectedAt.Add(-time.Hour + 123*time.Millisecond + 456*time.Microsecond).In(time.FixedZone("", 3600))
		if err := put(ctx, s, here, there); err != nil {
			return err
		}
		for _, r := range []wirepost.Connection{here, there} {
			for _, a := range []wirepost.Audience{wirepost.ToUser("alice"), wirepost.ToTopic("a"), wirepost.Everyone(), wirepost.ToConnection(r.ID)} {
				if _, err := wantItem(ctx, s, a, r); err != nil {
					return err
				}
			}
		}
		return nil
	}},
	{"a large audience is listed whole", func(ctx context.Context, s wirepost.Store, c *clock) error {
		all, err := crowd(ctx, s, c, 1200)
		if err != nil {
			return err
		}
		return cmp.Or(
			wantListed(ctx, s, wirepost.Everyone(), all...),
			wantListed(ctx, s, wirepost.ToTopic("all"), all...),
			wantListed(ctx, s, wirepost.ToUser("crowd"), all...),
		)
	}},
	{"a listing continues behind any item", func(ctx context.Context, s wirepost.Store, c *clock) error {
		rest, err := crowd(ctx, s, c, 40)
		if err != nil {
			return err
		}
		for _, a := range []wirepost.Audience{wirepost.Everyone(), wirepost.ToTopic("all"), wirepost.ToUser("crowd"), wirepost.ToConnection(rest[0])} {
			whole, err := list(ctx, s, a, wirepost.ListOptions{})
			if err != nil {
				return err
			}
			for i := range whole {
				var got []string
				for l, err := range s.Connections(ctx, a, wirepost.ListOptions{}) {
					if err != nil {
						return fmt.Errorf("Connections %s: %w", a, err)
					}
					if got = append(got, l.ID); len(got) == i+1 {
						tail, err := list(ctx, s, a, wirepost.ListOptions{After: l.Cursor})
						if err != nil {
							return err
						}
						got = append(got, ids(tail)...)
						break
					}
				}
				if err := sameIDs(fmt.Sprintf("Connections %s, broken off and continued behind item %d of %d", a, i+1, len(whole)), got, ids(whole)); err != nil {
					return err
				}
			}
		}
		return nil
	}},
	{"a listing continues behind a connection that has left", func(ctx context.Context, s wirepost.Store, c *clock) error {
		if _, err := crowd(ctx, s, c, 20); err != nil {
			return err
		}
		for _, a := range []wirepost.Audience{wirepost.Everyone(), wirepost.ToTopic("all"), wirepost.ToUser("crowd")} {
			whole, err := list(ctx, s, a, wirepost.ListOptions{})
			if err != nil {
				return err
			}
			at := whole[len(whole)/2]
			if err := remove(ctx, s, at.ID); err != nil {
				return err
			}
			tail, err := list(ctx, s, a, wirepost.ListOptions{After: at.Cursor})
			if err != nil {
				return err
			}
			if err := sameIDs(fmt.Sprintf("Connections %s, continued", a), ids(tail), ids(whole[len(whole)/2+1:])); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a cursor is text that may be stored", func(ctx context.Context, s wirepost.Store, c *clock) error {
		if _, err := crowd(ctx, s, c, 20); err != nil {
			return err
		}
		all, err := list(ctx, s, wirepost.ToTopic("all"), wirepost.ListOptions{})
		if err != nil {
			return err
		}
		for _, l := range all {
			var back wirepost.Cursor
			b, err := json.Marshal(l.Cursor)
			if err == nil {
				err = json.Unmarshal(b, &back)
			}
			if err != nil || back != l.Cursor || back == "" || !utf8.ValidString(string(back)) {
				return fmt.Errorf("the cursor %q of %s comes back from JSON as %q, %v", l.Cursor, l.ID, back, err)
			}
		}
		return nil
	}},
	{"the parts of a listing have each connection once", func(ctx context.Context, s wirepost.Store, c *clock) error {
		all, err := crowd(ctx, s, c, 600)
		if err != nil {
			return err
		}
		for _, a := range []wirepost.Audience{wirepost.Everyone(), wirepost.ToTopic("all"), wirepost.ToUser("crowd")} {
			for _, parts := range []int{1, 2, 3, 8} {
				var got []string
				for part := range parts {
					// Half of each part is listed from the cursor of the other half.
					o := wirepost.ListOptions{Part: part, Parts: parts}
					one, err := list(ctx, s, a, o)
					if err != nil {
						return err
					}
					if len(one) == len(all) && parts > 1 {
						return fmt.Errorf("Connections %s: part %d of %d is everything", a, part, parts)
					}
					if half := len(one) / 2; half > 0 {
						o.After = one[half-1].Cursor
						tail, err := list(ctx, s, a, o)
						if err != nil {
							return err
						}
						if err := sameIDs(fmt.Sprintf("Connections %s, part %d of %d, continued", a, part, parts), ids(tail), ids(one[half:])); err != nil {
							return err
						}
					}
					got = append(got, ids(one)...)
				}
				if err := sameIDs(fmt.Sprintf("Connections %s in %d parts", a, parts), got, all); err != nil {
					return err
				}
			}
		}
		return nil
	}},
	{"the body of a listing may call every method", func(ctx context.Context, s wirepost.Store, c *clock) error {
		if _, err := crowd(ctx, s, c, 3); err != nil {
			return err
		}
		// A store that is locked meanwhile would wait for ever.
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		for l, err := range s.Connections(ctx, wirepost.ToTopic("all"), wirepost.ListOptions{}) {
			if err != nil {
				return fmt.Errorf("Connections: %w", err)
			}
			other := row(c, "other-"+l.ID, "bob")
			_, stageErr := s.PutStage(ctx, stage(production, "https://example.com", c.Now()))
			_, stagesErr := s.Stages(ctx)
			_, goneErr := s.DeleteStage(ctx, stage(production, "https://example.com", c.Now()))
			_, listErr := list(ctx, s, wirepost.Everyone(), wirepost.ListOptions{})
			if err := cmp.Or(
				stageErr, stagesErr, goneErr, listErr,
				put(ctx, s, other),
				s.Subscribe(ctx, l.ID, "more"),
				s.Unsubscribe(ctx, l.ID, "more"),
				remove(ctx, s, other.ID),
				wantReap(ctx, s, wirepost.ToTopic("all"), l, true),
			); err != nil {
				return fmt.Errorf("in the body of a listing: %w", err)
			}
		}
		return wantListed(ctx, s, wirepost.Everyone())
	}},
	{"a listing yields what stays once, and what joins or leaves at most once", func(ctx context.Context, s wirepost.Store, c *clock) error {
		for _, a := range []wirepost.Audience{wirepost.Everyone(), wirepost.ToTopic("all"), wirepost.ToUser("crowd")} {
			all, err := crowd(ctx, s, c, 600)
			if err != nil {
				return err
			}
			var stay []string // two of three; the others leave
			for i, id := range all {
				if i%3 != 0 {
					stay = append(stay, id)
				}
			}
			seen := map[string]int{}
			for l, err := range s.Connections(ctx, a, wirepost.ListOptions{}) {
				if err != nil {
					return fmt.Errorf("Connections %s: %w", a, err)
				}
				seen[l.ID]++
				n := len(seen)
				switch {
				case n%4 == 0 && n < len(all): // one joins somewhere, before or behind
					err = put(ctx, s, row(c, fmt.Sprintf("%02x-joined-%d", n*37%256, n), "crowd", "all"))
				case n%4 == 1 && n < len(all): // one leaves that was or was not yielded
					err = remove(ctx, s, all[n*7%len(all)/3*3])
				case n%4 == 2: // the yielded one leaves, if it is not to stay
					if !slices.Contains(stay, l.ID) {
						err = remove(ctx, s, l.ID)
					}
				case n%40 == 3: // the yielded one is written again
					again := row(c, l.ID, "crowd", "all", fmt.Sprintf("more-%d", n))
					if was, getErr := s.Connection(ctx, l.ID); getErr == nil {
						again.ConnectedAt = was.ConnectedAt
						err = put(ctx, s, again)
					}
				}
				if err != nil {
					return fmt.Errorf("in the body of a listing: %w", err)
				}
				if len(seen) > 3*len(all) {
					return fmt.Errorf("Connections %s does not end", a)
				}
			}
			var got []string
			for id, n := range seen {
				if n > 1 {
					return fmt.Errorf("Connections %s lists %s %d times", a, id, n)
				}
				if slices.Contains(stay, id) {
					got = append(got, id)
				}
			}
			if err := sameIDs(fmt.Sprintf("Connections %s, of those that stayed", a), got, stay); err != nil {
				return err
			}
			if err := clearAll(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a row that is found is whole", func(ctx context.Context, s wirepost.Store, c *clock) error {
		const rows = 60
		number, names := map[string]int{}, make([]string, rows)
		for n := range names {
			names[n] = fmt.Sprintf("c%d", n)
			number[names[n]] = n
		}
		var returned atomic.Int64 // so many puts, of the first names
		return concurrently(2, func(i int) error {
			if i == 0 {
				defer returned.Store(rows) // also when one failed: the reader has to end
				for n, id := range names {
					if err := put(ctx, s, row(c, id, "alice", "a", "b", "c", "d")); err != nil {
						return err
					}
					returned.Store(int64(n) + 1)
				}
				return nil
			}
			for last := false; !last; {
				last = returned.Load() == rows // one more round behind the last put
				for _, a := range []wirepost.Audience{wirepost.ToTopic("a"), wirepost.ToTopic("d"), wirepost.ToUser("alice"), wirepost.Everyone()} {
					before := int(returned.Load())
					all, err := list(ctx, s, a, wirepost.ListOptions{})
					if err != nil {
						return err
					}
					var got []string // of those whose puts had returned
					for _, l := range all {
						if number[l.ID] < before {
							got = append(got, l.ID)
						}
						// Whose put is under way may be listed and have no row, or is whole.
						due := number[l.ID] < int(returned.Load())
						r, err := s.Connection(ctx, l.ID)
						switch {
						case errors.Is(err, wirepost.ErrNotFound) && !due:
						case err != nil:
							return fmt.Errorf("Connections %s lists %s; Connection: %w", a, l.ID, err)
						case r.User != "alice" || len(r.Topics) != 4:
							return fmt.Errorf("Connections %s lists %s with the user %q and the topics %q only", a, l.ID, r.User, r.Topics)
						}
					}
					if err := sameIDs(fmt.Sprintf("Connections %s, of those whose Put had returned", a), got, names[:before]); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}},
	{"a read sees each write that has returned", func(ctx context.Context, s wirepost.Store, c *clock) error {
		topic := wirepost.ToTopic("a")
		for n := range 20 {
			r := row(c, fmt.Sprintf("c%d", n), "alice")
			if err := cmp.Or(
				wantListed(ctx, s, topic),
				put(ctx, s, r),
				wantRow(ctx, s, r),
				wantListed(ctx, s, wirepost.ToUser("alice"), r.ID),
				s.Subscribe(ctx, r.ID, "a"),
				wantListed(ctx, s, topic, r.ID),
				s.Unsubscribe(ctx, r.ID, "a"),
				wantListed(ctx, s, topic),
				s.Subscribe(ctx, r.ID, "a"),
				wantListed(ctx, s, topic, r.ID),
				wantDelete(ctx, s, r.Key(), true),
				wantAbsent(ctx, s, r.ID),
				wantListed(ctx, s, topic),
				wantListed(ctx, s, wirepost.ToUser("alice")),
			); err != nil {
				return fmt.Errorf("round %d: %w", n, err)
			}
		}
		return nil
	}},
	{"a listing that is asked for wrongly yields one error", func(ctx context.Context, s wirepost.Store, c *clock) error {
		if _, err := crowd(ctx, s, c, 10); err != nil {
			return err
		}
		ask := func(a wirepost.Audience, o wirepost.ListOptions) error {
			n, failed := 0, false
			for l, err := range s.Connections(ctx, a, o) {
				n++
				if failed = err != nil; !failed {
					return fmt.Errorf("Connections %v, %+v lists %s, want an error", a, o, l.ID)
				}
			}
			if n != 1 || !failed {
				return fmt.Errorf("Connections %v, %+v yields %d items, want one error", a, o, n)
			}
			return nil
		}
		for _, a := range []wirepost.Audience{{}, {Kind: "room", Name: "a"}, wirepost.ToUser(""), wirepost.ToTopic("a\n"), wirepost.ToConnection(""), {Kind: wirepost.KindEveryone, Name: "a"}} {
			if err := ask(a, wirepost.ListOptions{}); err != nil {
				return err
			}
		}
		for _, o := range []wirepost.ListOptions{{Part: 3, Parts: 3}, {Part: -1, Parts: 2}, {Part: 1}, {Parts: -1}} {
			if err := ask(wirepost.Everyone(), o); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a listing whose context ends yields the error once, as its last item", func(ctx context.Context, s wirepost.Store, c *clock) error {
		all, err := crowd(ctx, s, c, 1200)
		if err != nil {
			return err
		}
		for _, a := range []wirepost.Audience{wirepost.Everyone(), wirepost.ToTopic("all"), wirepost.ToUser("crowd")} {
			inner, cancel := context.WithCancel(ctx)
			defer cancel()
			var items int
			var ended error
			for _, err := range s.Connections(inner, a, wirepost.ListOptions{}) {
				if ended != nil {
					return fmt.Errorf("Connections %s yields more behind the error %w", a, ended)
				}
				if ended = err; err == nil {
					items++
				}
				cancel()
			}
			if !errors.Is(ended, context.Canceled) {
				return fmt.Errorf("Connections %s yields %d of %d items and then the error %v, want context.Canceled", a, items, len(all), ended)
			}
		}
		return nil
	}},
}

// crowd puts n connections of the user "crowd" on the topic "all". Their IDs are
// spread, so that no order of a driver's is the order of arrival.
func crowd(ctx context.Context, s wirepost.Store, c *clock, n int) ([]string, error) {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%02x-%d=", i*101%256, i)
	}
	const writers = 16
	return all, concurrently(writers, func(w int) error {
		for i := w; i < n; i += writers {
			if err := put(ctx, s, row(c, all[i], "crowd", "all")); err != nil {
				return err
			}
		}
		return nil
	})
}

// remove deletes the connection that has the ID now, if there is one.
func remove(ctx context.Context, s wirepost.Store, id string) error {
	r, err := s.Connection(ctx, id)
	if errors.Is(err, wirepost.ErrNotFound) {
		return nil
	}
	if err == nil {
		_, err = s.Delete(ctx, r.Key())
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", id, err)
	}
	return nil
}

func clearAll(ctx context.Context, s wirepost.Store) error {
	all, err := list(ctx, s, wirepost.Everyone(), wirepost.ListOptions{})
	if err != nil {
		return err
	}
	const callers = 16
	return concurrently(callers, func(c int) error {
		for i := c; i < len(all); i += callers {
			if err := remove(ctx, s, all[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
}
