package inspector

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost/gateway"
)

const (
	// rowAge is how old what is shown of a connection's row may be.
	rowAge = 2 * time.Second
	// rowTime bounds the reading of rows for one answer, rowReaders how many are read
	// at a time.
	rowTime    = time.Second
	rowReaders = 8
)

// rows keeps what the store has said of connections, so that a page that is open does
// not read each row twice a second.
type rows struct {
	mu   sync.Mutex
	seen map[string]row
}

type row struct {
	user   string
	topics []string
	marks  map[string]string // topics in which it is present: its session
	at     time.Time
}

// connection is one as the page lists it.
type connection struct {
	ID     string   `json:"id"`
	User   string   `json:"user,omitempty"`
	Topics []string `json:"topics,omitempty"`
	IP     string   `json:"ip,omitempty"`
	Agent  string   `json:"agent,omitempty"`
	Age    int64    `json:"age"`  // ms
	Idle   int64    `json:"idle"` // ms
	Queue  int      `json:"queue"`
	In     int64    `json:"in"`
	Out    int64    `json:"out"`
	InB    int64    `json:"inBytes"`
	OutB   int64    `json:"outBytes"`
	Client int      `json:"client,omitempty"` // the page's own client of this number
}

// getConnections lists the newest connections, those of which q is in their ID, user
// or topics.
func (i *Inspector) getConnections(r *http.Request) (any, error) {
	open := i.o.Server.Connections()
	total := len(open)
	slices.Reverse(open)
	open = open[:min(len(open), listed)]
	known := i.readRows(r.Context(), open, rowAge)
	own := i.clients.byConnection()
	now := time.Now()
	q := newNeedle(r.URL.Query().Get("q"))
	out := struct {
		Open        int          `json:"open"`
		Connections []connection `json:"connections"`
	}{total, []connection{}}
	for _, o := range open {
		k := known[o.ID]
		if !q.inString(o.ID) && !q.inString(k.user) && !q.inString(strings.Join(k.topics, " ")) {
			continue
		}
		out.Connections = append(out.Connections, connection{
			ID: o.ID, User: k.user, Topics: k.topics, IP: o.SourceIP, Agent: o.UserAgent,
			Age: max(0, now.Sub(o.ConnectedAt).Milliseconds()), Idle: max(0, now.Sub(o.LastActiveAt).Milliseconds()), Queue: o.QueuedBytes,
			In: o.MessagesIn, Out: o.MessagesOut, InB: o.BytesIn, OutB: o.BytesOut, Client: own[o.ID],
		})
	}
	return out, nil
}

// readRows reads the rows that are not known or were read longer ago than age. What cannot
// be read in time stays as it was.
func (i *Inspector) readRows(ctx context.Context, open []gateway.OpenConnection, age time.Duration) map[string]row {
	now := time.Now()
	i.rows.mu.Lock()
	old := i.rows.seen
	i.rows.mu.Unlock()
	next := make(map[string]row, len(open))
	var stale []string
	for _, o := range open {
		k, ok := old[o.ID]
		if ok {
			next[o.ID] = k
		}
		// Topics change by what a client says: one that has said nothing since keeps its.
		if !ok || now.Sub(k.at) > age && o.LastActiveAt.After(k.at.Add(-rowAge)) {
			stale = append(stale, o.ID)
		}
	}
	if i.o.Store == nil || len(stale) == 0 {
		return next
	}
	ctx, cancel := context.WithTimeout(ctx, rowTime)
	defer cancel()
	var mu sync.Mutex
	var readers sync.WaitGroup
	ids := make(chan string)
	for range min(rowReaders, len(stale)) { // they end when ids is closed, below
		readers.Go(func() {
			for id := range ids {
				c, err := i.o.Store.Connection(ctx, id)
				if ctx.Err() != nil {
					continue
				}
				k := row{at: now}
				if err == nil {
					k.user, k.topics, k.marks = c.User, c.Topics, c.Marks
				}
				mu.Lock()
				next[id] = k
				mu.Unlock()
			}
		})
	}
	for _, id := range stale {
		ids <- id
	}
	close(ids)
	readers.Wait()
	i.rows.mu.Lock()
	i.rows.seen = next
	i.rows.mu.Unlock()
	return next
}
