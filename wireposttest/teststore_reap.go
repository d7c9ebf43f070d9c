package wireposttest

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/wirepost/wirepost"
)

var reapChecks = []storeCheck{
	{"reap removes what was listed", func(ctx context.Context, s wirepost.Store, c *clock) error {
		bystander := row(c, "bystander", "alice", "a", "b")
		if err := put(ctx, s, bystander); err != nil {
			return err
		}
		for i, kind := range audienceKinds {
			r := row(c, fmt.Sprintf("c%d", i), "alice", "a", "b")
			if err := put(ctx, s, r); err != nil {
				return err
			}
			a := audienceOf(kind, r.ID)
			l, err := wantItem(ctx, s, a, r)
			if err := cmp.Or(err,
				wantReap(ctx, s, a, l, true),
				wantAbsent(ctx, s, r.ID),
				wantListed(ctx, s, wirepost.ToConnection(r.ID)),
				wantReap(ctx, s, a, l, false),
				wantRow(ctx, s, bystander),
			); err != nil {
				return err
			}
			for _, kind := range audienceKinds {
				if err := wantListed(ctx, s, audienceOf(kind, bystander.ID), bystander.ID); err != nil {
					return fmt.Errorf("after Reap of what %s listed: %w", a, err)
				}
			}
			if err := wantListed(ctx, s, wirepost.ToTopic("b"), bystander.ID); err != nil {
				return fmt.Errorf("after Reap of what %s listed: %w", a, err)
			}
		}
		return nil
	}},
	{"reap leaves another connection under the same ID alone", func(ctx context.Context, s wirepost.Store, c *clock) error {
		for i, kind := range audienceKinds {
			for j, endpoint := range []wirepost.Identity{production, staging} {
				// The later one is in every audience that the old one was in but one.
				old := row(c, fmt.Sprintf("c%d-%d", i, j), "alice", "a", "left")
				later := row(c, old.ID, "alice", "a", "new")
				later.Endpoint = endpoint
				later.ConnectedAt = old.ConnectedAt.Add(time.Millisecond)
				if err := put(ctx, s, old); err != nil {
					return err
				}
				a, left := audienceOf(kind, old.ID), wirepost.ToTopic("left")
				l, err := wantItem(ctx, s, a, old)
				m, leftErr := wantItem(ctx, s, left, old)
				if err := cmp.Or(err, leftErr,
					put(ctx, s, later),
					wantReap(ctx, s, a, l, false),
					wantReap(ctx, s, left, m, false),
					wantRow(ctx, s, later),
					wantListed(ctx, s, left),
				); err != nil {
					return err
				}
				for _, a := range []wirepost.Audience{wirepost.ToUser("alice"), wirepost.ToTopic("a"), wirepost.ToTopic("new"), wirepost.Everyone(), wirepost.ToConnection(old.ID)} {
					if _, err := wantItem(ctx, s, a, later); err != nil {
						return fmt.Errorf("after Reap of an older connection under its ID: %w", err)
					}
				}
				if err := remove(ctx, s, later.ID); err != nil {
					return err
				}
			}
		}
		return nil
	}},
}

var audienceKinds = []wirepost.AudienceKind{wirepost.KindConnection, wirepost.KindUser, wirepost.KindTopic, wirepost.KindEveryone}

// audienceOf is one that a connection of alice on the topic "a" is in.
func audienceOf(kind wirepost.AudienceKind, id string) wirepost.Audience {
	return wirepost.Audience{Kind: kind, Name: map[wirepost.AudienceKind]string{
		wirepost.KindConnection: id, wirepost.KindUser: "alice", wirepost.KindTopic: "a",
	}[kind]}
}

// wantItem finds a connection in a listing, once and with its own key.
func wantItem(ctx context.Context, s wirepost.Store, a wirepost.Audience, r wirepost.Connection) (wirepost.Listed, error) {
	all, err := list(ctx, s, a, wirepost.ListOptions{})
	if err != nil {
		return wirepost.Listed{}, err
	}
	return itemIn(a, all, r)
}

func itemIn(a wirepost.Audience, all []wirepost.Listed, r wirepost.Connection) (wirepost.Listed, error) {
	for _, l := range all {
		if l.ID != r.ID {
			continue
		}
		if !l.Key().Matches(r) || !l.ConnectedAt.Equal(time.UnixMilli(r.ConnectedAt.UnixMilli())) {
			return l, fmt.Errorf("Connections %s lists %v, want %v in whole milliseconds", a, l.Key(), r.Key())
		}
		return l, nil
	}
	return wirepost.Listed{}, fmt.Errorf("Connections %s does not list %s", a, r.ID)
}

func wantReap(ctx context.Context, s wirepost.Store, a wirepost.Audience, l wirepost.Listed, want bool) error {
	if got, err := s.Reap(ctx, a, l); err != nil || got != want {
		return fmt.Errorf("Reap of %v, which %s listed = %v, %v, want %v", l.Key(), a, got, err, want)
	}
	return nil
}
