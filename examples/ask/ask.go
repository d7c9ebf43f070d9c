// Package ask is an example: a WebSocket function that answers a question as a language
// model does, piece by piece, for longer than API Gateway waits for a function.
//
//	{"action":"ask","ref":"1","question":"What is a stream?","seconds":10}
//
// Its model needs no network. The comment in [answer] shows where that of a provider goes.
// Clients say who they are in the URL, as in package notify: it is for development.
package ask

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"iter"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

// Options of the function; nil means the defaults.
type Options struct {
	Logger *slog.Logger // nil: nowhere
	// Connect decides about connections. Nil: the user is who the URL says.
	Connect func(context.Context, *wirepost.ConnectRequest) (wirepost.Accept, error)
}

// New makes the function on a store and a publisher.
func New(store wirepost.Store, publisher *wirepost.Publisher, o *Options) *wirepost.Mux {
	if o == nil {
		o = &Options{}
	}
	logger, connect := o.Logger, o.Connect
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if connect == nil {
		connect = func(_ context.Context, r *wirepost.ConnectRequest) (wirepost.Accept, error) {
			return wirepost.Accept{User: strings.Join(r.Query("user"), "")}, nil
		}
	}
	mux := wirepost.NewMux(store, &wirepost.MuxOptions{Connect: connect, Logger: logger, Publisher: publisher})
	mux.HandleLong("ask", func(ctx context.Context, m *wirepost.Message, s *wirepost.Stream) error {
		return answer(ctx, m, s, logger)
	})
	mux.HandleProtocol(publisher, nil)
	return mux
}

// question is what a client asks.
type question struct {
	Question string  `json:"question"`
	Seconds  float64 `json:"seconds"` // how long the answer takes; default 10
}

// answer writes what the model says. It stops when ctx ends: the reader has pressed the
// stop button, or has left.
func answer(ctx context.Context, m *wirepost.Message, s *wirepost.Stream, logger *slog.Logger) error {
	var q question
	if err := json.Unmarshal(m.Body, &q); err != nil {
		return fmt.Errorf("read the question: %w", err)
	}
	if q.Seconds <= 0 || q.Seconds > 600 {
		q.Seconds = 10
	}
	start := time.Now()
	written := 0
	// The iterator of a provider goes here, such as that of an SDK's streaming call:
	//
	//	stream := client.Messages.NewStreaming(ctx, params) // with ctx, so that it stops
	//	for stream.Next() {
	//		fmt.Fprint(s, stream.Current().Delta.Text)
	//	}
	//	return stream.Err()
	for token := range model(ctx, q) {
		if _, err := s.Write([]byte(token)); err != nil {
			break // and ctx says why
		}
		written++
	}
	logger.Info("the model has stopped", "stream", s.ID(), "words", written, "after", time.Since(start).Round(time.Millisecond).String(), "because", fmt.Sprint(context.Cause(ctx)))
	return nil
}

// tokensPerSecond is how fast the model is.
const tokensPerSecond = 200

// text is what the model knows.
const text = `A stream is an answer that comes in pieces. The first words are there while the last ones are still being thought of, ` +
	`and readers need not wait. Each piece says where it begins, so that a reader who was away knows exactly what is missing. ` +
	`What was written is kept for a while. A page that is loaded again goes on where it was, and a button stops the one who writes. `

// model says words of the text, 200 tokens a second, and the same for the same question.
func model(ctx context.Context, q question) iter.Seq[string] {
	return func(yield func(string) bool) {
		h := fnv.New64a()
		h.Write([]byte(q.Question))
		random := rand.New(rand.NewPCG(h.Sum64(), 1))
		sentences := strings.SplitAfter(text, ". ")
		tick := time.NewTicker(time.Second / tokensPerSecond)
		defer tick.Stop()
		left := int(q.Seconds * tokensPerSecond)
		for left > 0 {
			for word := range strings.SplitAfterSeq(sentences[random.IntN(len(sentences)-1)], " ") {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				if left--; word == "" {
					continue
				}
				if left < 0 || !yield(word) {
					return
				}
			}
		}
	}
}
