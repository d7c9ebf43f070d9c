package dynamostore

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/wirepost/wirepost/client"
)

var presenceTopics = []string{"small", "other", "big"}

// chaosUser is one session of a user.
type chaosUser struct {
	user   string
	number int
	topics []string
	c      *client.Client
	seen   map[string]*client.Presence
	since  time.Time
	gone   atomic.Bool // it has ended, one way or the other
	conns  []net.Conn
	done   chan struct{}

	missing map[string]time.Time // since when it lacks a live member
}

// open begins a session of a user.
func (c *presenceChaos) open(ctx context.Context, running *sync.WaitGroup, number int) {
	u := &chaosUser{user: fmt.Sprint("user", number), number: number, since: time.Now(), seen: map[string]*client.Presence{}, done: make(chan struct{}), missing: map[string]time.Time{}}
	u.topics = []string{"big"}
	if number%3 == 0 {
		u.topics = append(u.topics, presenceTopics[number%2])
	}
	dialer := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return c.pipes.Dial() }}
	u.c = client.Connect("ws://localhost/dev?user="+u.user, &client.Options{MaxAge: c.maxAge(), Random: c.float, MaxDelay: 10 * time.Second,
		Dial: func(ctx context.Context, url string, _ []string) (client.Socket, error) {
			if u.gone.Load() {
				return nil, errDied
			}
			conn, early, _, err := dialer.Dial(ctx, url)
			if early != nil {
				ws.PutReader(early)
			}
			if err != nil {
				return nil, err
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			u.conns = append(u.conns, conn)
			return closing{pipe{conn}}, nil
		}})
	for _, topic := range u.topics {
		p, err := u.c.Presence(topic, nil)
		if err != nil {
			c.fault("%v", err)
		}
		u.seen[topic] = p
	}
	c.mu.Lock()
	c.users = append(c.users, u)
	c.mu.Unlock()
	running.Go(func() {
		defer close(u.done)
		for e := range u.c.Events(ctx) {
			if e.Presence != nil {
				c.told(u, e.Presence)
			}
		}
	})
}

// closing sends close frames as browsers do.
type closing struct{ pipe }

func (p closing) Close(code int) {
	body := ws.NewCloseFrameBody(ws.StatusCode(code), "")
	if code == 1005 {
		body = nil
	}
	go func() { // ends with the deadline: the client does not wait for a pipe that is full
		p.conn.SetWriteDeadline(time.Now().Add(time.Second))
		ws.WriteFrame(p.conn, ws.MaskFrame(ws.NewCloseFrame(body)))
		p.conn.Close()
	}()
}

// settled is how long ago a session has to have begun so that all others know it.
const settled = time.Minute

// told holds an event against the promise: nobody leaves who has a session.
func (c *presenceChaos) told(u *chaosUser, e *client.PresenceChange) {
	c.mu.Lock()
	c.changes += len(e.Joined) + len(e.Left)
	c.mu.Unlock()
	for _, m := range e.Left {
		if !c.harmed.Load() && c.isPresent(e.Topic, m.User, settled) {
			c.fault("%s is told that %s has left %s, inside its lease", u.user, m.User, e.Topic)
		}
	}
}

// isPresent reports whether a user has had a session in a topic for some time.
func (c *presenceChaos) isPresent(topic, user string, since time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.users, func(u *chaosUser) bool {
		return u.user == user && !u.gone.Load() && slices.Contains(u.topics, topic) && time.Since(u.since) >= since
	})
}

// here is who is in a topic, in truth.
func (c *presenceChaos) here(topic string, since time.Duration) (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range c.users {
		if !u.gone.Load() && slices.Contains(u.topics, topic) && time.Since(u.since) >= since {
			all = append(all, u.user)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// end ends a session: by a goodbye, or by a cable that is pulled.
func (c *presenceChaos) end(u *chaosUser, politely bool) {
	if u.gone.Swap(true) {
		return
	}
	if !politely {
		c.cut(u)
	}
	u.c.Close()
}

func (c *presenceChaos) cut(u *chaosUser) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range u.conns {
		conn.Close()
	}
	u.conns = nil
}

func (c *presenceChaos) live() (all []*chaosUser) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range c.users {
		if !u.gone.Load() {
			all = append(all, u)
		}
	}
	return all
}
