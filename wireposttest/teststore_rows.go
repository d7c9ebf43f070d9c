package wireposttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

var rowChecks = []storeCheck{
	{"a row comes back as it was put", func(ctx context.Context, s wirepost.Store, c *clock) error {
		full, bare := row(c, "aBc-_=1", "Ålice %_*'\"\\ 日本", "orders/#1", "Ålice"), row(c, "aBc-_=2", "")
		bare.Endpoint = wirepost.Identity{APIID: "other", Stage: "$default", Region: "us-gov-west-1"}
		return cmp.Or(
			put(ctx, s, full, bare),
			wantRow(ctx, s, full),
			wantRow(ctx, s, bare),
		)
	}},
	{"times are kept to the millisecond", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "")
		r.ConnectedAt = r.ConnectedAt.Add(123*time.Millisecond + 456*time.Microsecond).In(time.FixedZone("", 3600))
		r.ExpiresAt = r.ExpiresAt.Add(987*time.Millisecond + 654*time.Nanosecond)
		if err := cmp.Or(put(ctx, s, r), wantRow(ctx, s, r)); err != nil {
			return err
		}
		// The parts of a millisecond name no other connection.
		r.ConnectedAt = r.ConnectedAt.Add(time.Microsecond)
		return wantDelete(ctx, s, r.Key(), true)
	}},
	{"topics come back sorted and each once", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "", "b", "a", "ä", "b", "B", "a")
		given := strings.Join(r.Topics, " ")
		if err := cmp.Or(put(ctx, s, r), wantRow(ctx, s, r)); err != nil {
			return err
		}
		if now := strings.Join(r.Topics, " "); now != given {
			return fmt.Errorf("Put changed the topics of its caller from %q to %q", given, now)
		}
		if err := s.Subscribe(ctx, "c1", "C"); err != nil {
			return fmt.Errorf("Subscribe: %w", err)
		}
		r.Topics = append(r.Topics, "C")
		return wantRow(ctx, s, r)
	}},
	{"put again adds topics and sets user and expiry", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a", "b")
		if err := put(ctx, s, r); err != nil {
			return err
		}
		for _, again := range []struct {
			user   string
			expiry time.Duration
			topics []string
		}{{"bob", time.Hour, []string{"b", "c"}}, {"", 3 * time.Hour, nil}} {
			r.User, r.Topics, r.ExpiresAt = again.user, again.topics, c.Now().Add(again.expiry)
			if err := put(ctx, s, r); err != nil {
				return err
			}
			want := r
			want.Topics = []string{"a", "b", "c"}
			if err := wantRow(ctx, s, want); err != nil {
				return fmt.Errorf("after Put again with user %q: %w", again.user, err)
			}
		}
		return cmp.Or(
			wantListed(ctx, s, wirepost.ToTopic("a"), "c1"),
			wantListed(ctx, s, wirepost.ToTopic("c"), "c1"),
		)
	}},
	{"claims stay with their connection", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r, without := row(c, "c1", "alice", "a"), row(c, "c2", "alice", "a")
		r.Claims = strings.Repeat("ä\n", wirepost.MaxClaims/3)
		if err := cmp.Or(put(ctx, s, r, without), wantRow(ctx, s, r), wantRow(ctx, s, without)); err != nil {
			return err
		}
		if err := cmp.Or(s.Subscribe(ctx, "c1", "b"), s.Unsubscribe(ctx, "c1", "a")); err != nil {
			return fmt.Errorf("Subscribe and Unsubscribe: %w", err)
		}
		r.Topics = []string{"b"}
		if err := wantRow(ctx, s, r); err != nil {
			return err
		}
		for _, claims := range []string{`{"a":1}`, ""} {
			r.Claims = claims
			if err := cmp.Or(put(ctx, s, r), wantRow(ctx, s, r)); err != nil {
				return fmt.Errorf("after Put again with the claims %q: %w", claims, err)
			}
		}
		r.Claims = "old"
		later := row(c, "c1", "bob")
		later.ConnectedAt = r.ConnectedAt.Add(time.Millisecond)
		return cmp.Or(put(ctx, s, r, later), wantRow(ctx, s, later))
	}},
	{"a change of user moves the connection", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a")
		if err := put(ctx, s, r); err != nil {
			return err
		}
		r.User = "bob"
		if err := cmp.Or(
			put(ctx, s, r),
			wantListed(ctx, s, wirepost.ToUser("alice")),
			wantListed(ctx, s, wirepost.ToUser("bob"), "c1"),
		); err != nil {
			return err
		}
		r.User = ""
		return cmp.Or(
			put(ctx, s, r),
			wantListed(ctx, s, wirepost.ToUser("bob")),
			wantListed(ctx, s, wirepost.Everyone(), "c1"),
		)
	}},
	{"put of a later connection replaces the row and its subscriptions", func(ctx context.Context, s wirepost.Store, c *clock) error {
		old := row(c, "c1", "alice", "a", "b")
		later := row(c, "c1", "bob", "b", "c")
		later.ConnectedAt = old.ConnectedAt.Add(time.Millisecond)
		later.Endpoint = staging
		return cmp.Or(
			put(ctx, s, old, later),
			wantRow(ctx, s, later),
			wantListed(ctx, s, wirepost.ToTopic("a")),
			wantListed(ctx, s, wirepost.ToTopic("b"), "c1"),
			wantListed(ctx, s, wirepost.ToTopic("c"), "c1"),
			wantListed(ctx, s, wirepost.ToUser("alice")),
			wantListed(ctx, s, wirepost.ToUser("bob"), "c1"),
		)
	}},
	{"put of an earlier connection does nothing", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a")
		earlier := row(c, "c1", "bob", "b")
		earlier.ConnectedAt = r.ConnectedAt.Add(-time.Millisecond)
		return cmp.Or(
			put(ctx, s, r, earlier),
			wantRow(ctx, s, r),
			wantListed(ctx, s, wirepost.ToTopic("b")),
			wantListed(ctx, s, wirepost.ToUser("bob")),
		)
	}},
	{"put of another connection of the same millisecond does nothing", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a")
		other := row(c, "c1", "bob", "b")
		other.Endpoint = staging
		return cmp.Or(put(ctx, s, r, other), wantRow(ctx, s, r), wantListed(ctx, s, wirepost.ToTopic("b")))
	}},
	{"delete removes exactly its connection", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r, bystander := row(c, "c1", "alice", "a"), row(c, "c2", "alice", "a")
		if err := put(ctx, s, r, bystander); err != nil {
			return err
		}
		for _, other := range []func(*wirepost.ConnectionKey){
			func(k *wirepost.ConnectionKey) { k.ID = "C1" },
			func(k *wirepost.ConnectionKey) { k.Endpoint.APIID = "other" },
			func(k *wirepost.ConnectionKey) { k.Endpoint.Stage = "staging" },
			func(k *wirepost.ConnectionKey) { k.Endpoint.Region = "us-east-1" },
			func(k *wirepost.ConnectionKey) { k.ConnectedAt = k.ConnectedAt.Add(-time.Millisecond) },
			func(k *wirepost.ConnectionKey) { k.ConnectedAt = k.ConnectedAt.Add(time.Millisecond) },
		} {
			k := r.Key()
			other(&k)
			if err := cmp.Or(wantDelete(ctx, s, k, false), wantRow(ctx, s, r)); err != nil {
				return err
			}
		}
		return cmp.Or(
			wantDelete(ctx, s, r.Key(), true),
			wantAbsent(ctx, s, "c1"),
			wantRow(ctx, s, bystander),
			wantListed(ctx, s, wirepost.ToTopic("a"), "c2"),
			wantListed(ctx, s, wirepost.ToUser("alice"), "c2"),
		)
	}},
	{"delete reports whether it removed, and may be repeated", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a")
		return cmp.Or(
			wantDelete(ctx, s, r.Key(), false),
			put(ctx, s, r),
			wantDelete(ctx, s, r.Key(), true),
			wantDelete(ctx, s, r.Key(), false),
		)
	}},
	{"an absent row or stage is ErrNotFound", func(ctx context.Context, s wirepost.Store, c *clock) error {
		if err := cmp.Or(put(ctx, s, row(c, "c1", "")), wantAbsent(ctx, s, "c2"), wantAbsent(ctx, s, "c")); err != nil {
			return err
		}
		return wantNoStage(ctx, s, production)
	}},
	{"subscribe adds a topic, once", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a")
		if err := put(ctx, s, r, row(c, "c2", "")); err != nil {
			return err
		}
		for _, t := range []string{"b", "b", "a"} {
			if err := s.Subscribe(ctx, "c1", t); err != nil {
				return fmt.Errorf("Subscribe to %s: %w", t, err)
			}
		}
		r.Topics = []string{"a", "b"}
		return cmp.Or(wantRow(ctx, s, r), wantListed(ctx, s, wirepost.ToTopic("b"), "c1"))
	}},
	{"unsubscribe removes a topic, and may be repeated", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r, bystander := row(c, "c1", "alice", "a", "b"), row(c, "c2", "", "a")
		if err := put(ctx, s, r, bystander); err != nil {
			return err
		}
		for _, u := range [][2]string{{"c1", "a"}, {"c1", "a"}, {"c1", "never"}, {"absent", "a"}} {
			if err := s.Unsubscribe(ctx, u[0], u[1]); err != nil {
				return fmt.Errorf("Unsubscribe %s from %s: %w", u[0], u[1], err)
			}
		}
		r.Topics = []string{"b"}
		return cmp.Or(
			wantRow(ctx, s, r),
			wantRow(ctx, s, bystander),
			wantListed(ctx, s, wirepost.ToTopic("a"), "c2"),
			wantListed(ctx, s, wirepost.ToTopic("b"), "c1"),
		)
	}},
	{"subscribe of an absent connection is ErrNotFound", func(ctx context.Context, s wirepost.Store, c *clock) error {
		if err := s.Subscribe(ctx, "c1", "a"); !errors.Is(err, wirepost.ErrNotFound) {
			return fmt.Errorf("Subscribe of an absent connection: error = %v, want ErrNotFound", err)
		}
		r := row(c, "c1", "")
		return cmp.Or(
			wantAbsent(ctx, s, "c1"),
			wantListed(ctx, s, wirepost.ToTopic("a")),
			put(ctx, s, r),
			wantRow(ctx, s, r),
		)
	}},
	{"subscriptions go with their row", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a")
		if err := put(ctx, s, r); err != nil {
			return err
		}
		if err := s.Subscribe(ctx, "c1", "b"); err != nil {
			return fmt.Errorf("Subscribe: %w", err)
		}
		again := row(c, "c1", "bob", "c")
		return cmp.Or(
			wantDelete(ctx, s, r.Key(), true),
			wantListed(ctx, s, wirepost.ToTopic("a")),
			wantListed(ctx, s, wirepost.ToTopic("b")),
			put(ctx, s, again),
			wantRow(ctx, s, again),
			wantListed(ctx, s, wirepost.ToTopic("a")),
			wantListed(ctx, s, wirepost.ToTopic("b")),
			wantListed(ctx, s, wirepost.ToTopic("c"), "c1"),
		)
	}},
	{"a malformed row, topic or stage is refused and not written", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a")
		if err := put(ctx, s, r); err != nil {
			return err
		}
		long := strings.Repeat("x", 129)
		bad := []string{"", long, "\xff", "a\nb", "\x00", "\x7f"}
		for _, name := range bad {
			changed := r
			changed.Topics = []string{"b", name}
			if err := s.Put(ctx, changed); !errors.Is(err, wirepost.ErrInvalid) {
				return fmt.Errorf("Put with the topic %q: %v, want an ErrInvalid", name, err)
			}
			if name != "" {
				changed = r
				changed.User = name
				if err := s.Put(ctx, changed); !errors.Is(err, wirepost.ErrInvalid) {
					return fmt.Errorf("Put with the user %q: %v, want an ErrInvalid", name, err)
				}
			}
			if err := s.Subscribe(ctx, "c1", name); !errors.Is(err, wirepost.ErrInvalid) {
				return fmt.Errorf("Subscribe to %q: %v, want an ErrInvalid", name, err)
			}
		}
		for what, change := range map[string]func(*wirepost.Connection){
			"no ID":             func(r *wirepost.Connection) { r.ID = "" },
			"a long ID":         func(r *wirepost.Connection) { r.ID = long },
			"a space in the ID": func(r *wirepost.Connection) { r.ID = "c 1" },
			"long claims":       func(r *wirepost.Connection) { r.Claims = strings.Repeat("x", wirepost.MaxClaims+1) },
			"claims not UTF-8":  func(r *wirepost.Connection) { r.Claims = "\xff" },
			"no endpoint":       func(r *wirepost.Connection) { r.Endpoint = wirepost.Identity{} },
			"no region":         func(r *wirepost.Connection) { r.Endpoint.Region = "" },
			"no connectedAt":    func(r *wirepost.Connection) { r.ConnectedAt = time.Time{} },
			"no expiresAt":      func(r *wirepost.Connection) { r.ExpiresAt = time.Time{} },
		} {
			changed := r
			change(&changed)
			if err := s.Put(ctx, changed); !errors.Is(err, wirepost.ErrInvalid) {
				return fmt.Errorf("Put of a row with %s: %v, want an ErrInvalid", what, err)
			}
		}
		for _, id := range []wirepost.Identity{{}, {APIID: "a", Stage: "b"}, {APIID: "a/b", Stage: "c", Region: "eu-west-1"}} {
			if _, err := s.PutStage(ctx, stage(id, "https://example.com", c.Now())); !errors.Is(err, wirepost.ErrInvalid) {
				return fmt.Errorf("PutStage of %v: %v, want an ErrInvalid", id, err)
			}
		}
		for what, r := range map[string]wirepost.StageRecord{
			"no URL":        stage(production, "", c.Now()),
			"no event time": stage(production, "https://example.com", time.Time{}),
		} {
			if _, err := s.PutStage(ctx, r); err == nil {
				return fmt.Errorf("PutStage of a record with %s: no error", what)
			}
		}
		if all, err := s.Stages(ctx); err != nil || len(all) > 0 {
			return fmt.Errorf("Stages = %v, %v after malformed ones only", all, err)
		}
		return cmp.Or(wantRow(ctx, s, r), wantListed(ctx, s, wirepost.Everyone(), "c1"), wantListed(ctx, s, wirepost.ToTopic("b")))
	}},
}

var expiryChecks = []storeCheck{
	{"an expired connection is not found", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a")
		if err := put(ctx, s, r); err != nil {
			return err
		}
		return atExpiry(c, r, func() error { return wantRow(ctx, s, r) }, func() error { return wantAbsent(ctx, s, "c1") })
	}},
	{"an expired connection is not listed", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r, lives := row(c, "c1", "alice", "a"), row(c, "c2", "alice", "a")
		lives.ExpiresAt = lives.ExpiresAt.Add(time.Hour)
		if err := put(ctx, s, r, lives); err != nil {
			return err
		}
		audiences := []wirepost.Audience{wirepost.ToUser("alice"), wirepost.ToTopic("a"), wirepost.Everyone()}
		return atExpiry(c, r, func() error {
			for _, a := range audiences {
				if err := wantListed(ctx, s, a, "c1", "c2"); err != nil {
					return err
				}
			}
			return wantListed(ctx, s, wirepost.ToConnection("c1"), "c1")
		}, func() error {
			for _, a := range audiences {
				if err := wantListed(ctx, s, a, "c2"); err != nil {
					return err
				}
			}
			return wantListed(ctx, s, wirepost.ToConnection("c1"))
		})
	}},
	{"an expired connection is not subscribed", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a")
		if err := put(ctx, s, r); err != nil {
			return err
		}
		alive := func() error { return s.Subscribe(ctx, "c1", "c") }
		return atExpiry(c, r, alive, func() error {
			if err := s.Subscribe(ctx, "c1", "b"); !errors.Is(err, wirepost.ErrNotFound) {
				return fmt.Errorf("Subscribe of an expired connection: error = %v, want ErrNotFound", err)
			}
			if err := s.Unsubscribe(ctx, "c1", "a"); err != nil {
				return fmt.Errorf("Unsubscribe of an expired connection: %w", err)
			}
			return nil
		})
	}},
	{"delete of an expired connection reports false", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r, lives := row(c, "c1", "alice", "a"), row(c, "c2", "alice", "a")
		if err := put(ctx, s, r, lives); err != nil {
			return err
		}
		return atExpiry(c, r,
			func() error { return wantDelete(ctx, s, lives.Key(), true) },
			func() error { return wantDelete(ctx, s, r.Key(), false) })
	}},
	{"an expired connection does not keep its ID", func(ctx context.Context, s wirepost.Store, c *clock) error {
		old := row(c, "c1", "alice", "a")
		if err := put(ctx, s, old); err != nil {
			return err
		}
		c.set(old.ExpiresAt)
		next := row(c, "c1", "bob", "b")
		next.ConnectedAt = old.ConnectedAt.Add(-time.Millisecond) // gateways' clocks differ
		return cmp.Or(put(ctx, s, next), wantRow(ctx, s, next), wantListed(ctx, s, wirepost.ToTopic("a")))
	}},
	{"an expired connection has no topics to add to", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a")
		if err := put(ctx, s, r); err != nil {
			return err
		}
		c.set(r.ExpiresAt)
		r.ExpiresAt, r.Topics = r.ExpiresAt.Add(time.Hour), []string{"b"}
		return cmp.Or(put(ctx, s, r), wantRow(ctx, s, r), wantListed(ctx, s, wirepost.ToTopic("a")))
	}},
	{"a later expiry keeps a connection", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := row(c, "c1", "alice", "a")
		if err := put(ctx, s, r); err != nil {
			return err
		}
		first := r.ExpiresAt
		r.ExpiresAt = first.Add(time.Hour)
		if err := put(ctx, s, r); err != nil {
			return err
		}
		c.set(first)
		return cmp.Or(wantRow(ctx, s, r), wantListed(ctx, s, wirepost.ToTopic("a"), "c1"), wantListed(ctx, s, wirepost.ToUser("alice"), "c1"))
	}},
}

// atExpiry runs a check at the last moment before the row expires, and another
// one at the first moment behind it.
func atExpiry(c *clock, r wirepost.Connection, alive, dead func() error) error {
	c.set(r.ExpiresAt.Add(-1))
	if err := alive(); err != nil {
		return fmt.Errorf("just before it expires: %w", err)
	}
	c.set(r.ExpiresAt)
	if err := dead(); err != nil {
		return fmt.Errorf("at the moment it expires: %w", err)
	}
	return nil
}

func wantAbsent(ctx context.Context, s wirepost.Store, id string) error {
	if got, err := s.Connection(ctx, id); !errors.Is(err, wirepost.ErrNotFound) {
		return fmt.Errorf("Connection %s = %+v, error %v, want ErrNotFound", id, got, err)
	}
	return nil
}

func wantDelete(ctx context.Context, s wirepost.Store, k wirepost.ConnectionKey, want bool) error {
	if got, err := s.Delete(ctx, k); err != nil || got != want {
		return fmt.Errorf("Delete %v = %v, %v, want %v", k, got, err, want)
	}
	return nil
}
