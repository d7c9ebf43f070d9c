package inspector

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
)

const (
	// mostLogs bounds the topics whose logs are asked about for one answer, and logTime
	// how long that may take.
	mostLogs = 50
	logTime  = 2 * time.Second
	// logShown is how many of a log's newest messages the page shows.
	logShown = 50
)

// logs are the topics that are asked about: those of the connections that are shown, and
// those that somebody has named. No store lists the topics that have a log.
type logs struct {
	mu    sync.Mutex
	named map[string]bool
}

// topicLog is a topic with a log.
type topicLog struct {
	Topic  string `json:"topic"`
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

// keptMessage is a message of a log, masked as all payloads are.
type keptMessage struct {
	Offset uint64    `json:"offset"`
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	End    time.Time `json:"end"`
	Text   string    `json:"text"`
	Size   int       `json:"size"`
	Masked bool      `json:"masked,omitempty"`
}

// log is the store's, nil if it has none.
func (i *Inspector) log() wirepost.Log {
	l, _ := i.o.Store.(wirepost.Log)
	return l
}

// getLogs lists the topics with a log, as far as they are known, and where each ends.
func (i *Inspector) getLogs(r *http.Request) (any, error) {
	out := struct {
		Supported bool       `json:"supported"`
		Logs      []topicLog `json:"logs"`
	}{i.log() != nil, []topicLog{}}
	if !out.Supported {
		return out, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), logTime)
	defer cancel()
	for _, topic := range i.knownTopics(ctx) {
		head, err := i.log().Head(ctx, topic)
		switch {
		case errors.Is(err, wirepost.ErrNotSupported):
			out.Supported = false
			return out, nil
		case err != nil:
			return nil, err
		case head.Epoch != "":
			out.Logs = append(out.Logs, topicLog{topic, head.Epoch, head.Offset})
		}
	}
	return out, nil
}

// knownTopics are those that somebody has named, and those of connections.
func (i *Inspector) knownTopics(ctx context.Context) []string {
	known := map[string]bool{}
	i.logs.mu.Lock()
	maps.Copy(known, i.logs.named)
	i.logs.mu.Unlock()
	open := i.o.Server.Connections()
	slices.Reverse(open)
	for _, row := range i.readRows(ctx, open[:min(len(open), listed)], rowAge) {
		for _, topic := range row.topics {
			if len(known) < mostLogs {
				known[topic] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(known))
}

// getLog shows the newest messages of a topic's log, the newest first, and what between
// them is gone.
func (i *Inspector) getLog(r *http.Request) (any, error) {
	topic := r.URL.Query().Get("topic")
	if err := wirepost.ValidateName(topic); err != nil {
		return nil, badRequest("topic: %v", err)
	}
	if i.log() == nil {
		return nil, badRequest("this store keeps no messages")
	}
	ctx, cancel := context.WithTimeout(r.Context(), logTime)
	defer cancel()
	head, err := i.log().Head(ctx, topic)
	if err != nil {
		return nil, err
	}
	out := struct {
		topicLog
		Messages []keptMessage `json:"messages"`
		Gone     [][2]uint64   `json:"gone"`
	}{topicLog{topic, head.Epoch, head.Offset}, []keptMessage{}, [][2]uint64{}}
	if head.Epoch == "" {
		return out, nil
	}
	i.logs.mu.Lock()
	if i.logs.named == nil {
		i.logs.named = map[string]bool{}
	}
	if len(i.logs.named) < mostLogs {
		i.logs.named[topic] = true
	}
	i.logs.mu.Unlock()
	for at := (wirepost.Position{Epoch: head.Epoch, Offset: head.Offset - min(head.Offset, logShown)}); ; {
		replay, err := i.log().Read(ctx, topic, at, wirepost.ReadLimit{Messages: logShown, Bytes: MaxText * logShown})
		if err != nil {
			return nil, err
		}
		for _, m := range replay.Messages {
			k := keptMessage{Offset: m.Offset, ID: m.ID, At: m.At, End: m.End, Size: len(m.Data)}
			k.Text = i.o.Recorder.keep(m.Data, &k.Masked)
			out.Messages = append(out.Messages, k)
		}
		for _, g := range replay.Gaps {
			out.Gone = append(out.Gone, [2]uint64{g.From, g.To})
		}
		if !replay.More || replay.UpTo == at || replay.UpTo.Epoch != head.Epoch || len(out.Messages) >= logShown {
			break
		}
		at = replay.UpTo
	}
	slices.Reverse(out.Messages)
	return out, nil
}
