package inspector

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
)

const (
	// presenceTime bounds the reading of the members for one answer, and presenceAge is how
	// old what is shown of them may be: several pages cost what one costs.
	presenceTime = 2 * time.Second
	presenceAge  = time.Second
	// changesShown is how many of the last changes of all topics the page shows.
	changesShown = 50
	// everyLease is when each lease is over, so that a store lists them all.
	everyLease = wirepost.MaxLease + time.Hour
)

// presences keeps what the store has said of all members.
type presences struct {
	mu   sync.Mutex
	all  []wirepost.Lapsed
	read time.Time
}

// presentSession is one of a member's: a page or a program.
type presentSession struct {
	ID         string `json:"id"`
	Left       int64  `json:"left"`                 // ms until its lease ends; below 0 where it has ended
	Connection string `json:"connection,omitempty"` // where it is open, and of those that are shown
}

// present is a member of a topic, or one that has left and is remembered.
type present struct {
	Topic       string           `json:"topic"`
	User        string           `json:"user,omitempty"`
	ID          string           `json:"id,omitempty"` // of a session without a user
	Here        bool             `json:"here"`
	At          int64            `json:"at"` // the number of its last change: when that was, in ms since 1970
	Unannounced bool             `json:"unannounced,omitempty"`
	Info        string           `json:"info,omitempty"`
	Said        string           `json:"said,omitempty"`
	Masked      bool             `json:"masked,omitempty"`
	Sessions    []presentSession `json:"sessions"`
}

// presentTopic is a topic in which somebody is present.
type presentTopic struct {
	Topic string `json:"topic"`
	Here  int    `json:"here"`
}

// getPresence tells how many are present in each topic, the members of one of them, and what has
// changed last in all.
func (i *Inspector) getPresence(r *http.Request) (any, error) {
	topic := r.URL.Query().Get("topic")
	out := struct {
		Supported bool           `json:"supported"`
		Topics    []presentTopic `json:"topics"`
		Topic     string         `json:"topic"` // that of the members: the first one if none was asked for
		Here      int            `json:"here"`
		Members   []present      `json:"members"` // at most as many as connections are listed
		Changes   []present      `json:"changes"` // the newest first
	}{Topics: []presentTopic{}, Members: []present{}, Changes: []present{}}
	store, ok := i.o.Store.(wirepost.Presence)
	if !ok {
		return out, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), presenceTime)
	defer cancel()
	all, err := i.presences.list(ctx, store)
	if errors.Is(err, wirepost.ErrNotSupported) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out.Supported = true
	now := time.Now()
	for _, l := range all {
		if isHere(l, now) {
			if n := len(out.Topics); n == 0 || out.Topics[n-1].Topic != l.Topic {
				out.Topics = append(out.Topics, presentTopic{Topic: l.Topic})
			}
			out.Topics[len(out.Topics)-1].Here++
		}
	}
	if out.Topic = topic; topic == "" && len(out.Topics) > 0 {
		out.Topic = out.Topics[0].Topic
	}
	connections := i.sessionConnections(r.Context())
	for _, l := range all {
		if l.Topic != out.Topic || !isHere(l, now) {
			continue
		}
		if out.Here++; len(out.Members) < listed {
			out.Members = append(out.Members, i.presentOf(l, now, connections))
		}
	}
	slices.SortStableFunc(all, func(a, b wirepost.Lapsed) int { return cmp.Compare(b.Number, a.Number) })
	for _, l := range all[:min(len(all), changesShown)] {
		out.Changes = append(out.Changes, i.presentOf(l, now, connections))
	}
	return out, nil
}

// list is all members of all topics, in their order. No store lists them as such: what is
// due when each lease is over is everybody, with each session.
func (p *presences) list(ctx context.Context, store wirepost.Presence) ([]wirepost.Lapsed, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.read) < presenceAge {
		return slices.Clone(p.all), nil
	}
	began := time.Now()
	var all []wirepost.Lapsed
	for l, err := range store.Due(ctx, began.Add(everyLease)) {
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b wirepost.Lapsed) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), strings.Compare(a.Key(), b.Key()))
	})
	p.all, p.read = all, began
	return slices.Clone(all), nil
}

func isHere(l wirepost.Lapsed, now time.Time) bool {
	return slices.ContainsFunc(l.Leases, func(lease wirepost.Lease) bool { return now.Before(lease.Until) })
}

// sessionConnections are the connections of sessions, by topic and ID. Rows are read again
// of all that have said something lately: a session without a connection would look as if its
// client had vanished.
func (i *Inspector) sessionConnections(ctx context.Context) map[[2]string]string {
	open := i.o.Server.Connections()
	slices.Reverse(open)
	connections := map[[2]string]string{}
	for id, row := range i.readRows(ctx, open[:min(len(open), listed)], 0) {
		for topic, mark := range row.marks {
			connections[[2]string{topic, strings.TrimPrefix(mark, wirepost.OnlySeen)}] = id
		}
	}
	return connections
}

func (i *Inspector) presentOf(l wirepost.Lapsed, now time.Time, connections map[[2]string]string) present {
	// What is unannounced at a time to come need not be so now: somebody may be announcing it.
	p := present{Topic: l.Topic, User: l.User, ID: l.ID, Here: isHere(l, now), At: l.Number, Sessions: []presentSession{},
		Unannounced: l.Unannounced && now.UnixMilli()-l.Number >= wirepost.AnnounceAfter.Milliseconds()}
	p.Info, p.Said = i.o.Recorder.keep(l.Info, &p.Masked), i.o.Recorder.keep(l.Said, &p.Masked)
	for _, lease := range l.Leases {
		p.Sessions = append(p.Sessions, presentSession{lease.ID, lease.Until.Sub(now).Milliseconds(), connections[[2]string{l.Topic, lease.ID}]})
	}
	slices.SortFunc(p.Sessions, func(a, b presentSession) int { return strings.Compare(a.ID, b.ID) })
	return p
}
