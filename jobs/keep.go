package jobs

import (
	"context"
	"errors"
	"strings"

	"github.com/wirepost/wirepost"
)

// isKept reports whether the message of a request is to be kept. The error is an
// [*InvalidRequest] for what cannot be kept, or a [*PublishFailed] if the publisher's
// rules cannot be read.
func (w *Worker) isKept(r *Request) (bool, error) {
	keep, to := r.Keep, r.Jobs[0].To
	if keep == 0 {
		var err error
		if keep, err = w.publisher.Keeps(to); err != nil {
			return false, &PublishFailed{err.Error()}
		}
	}
	switch {
	case keep <= 0:
		return false, nil
	case r.ID == "":
		return false, invalid(`messages to %s are kept, and only those with "data" can be; give "data", or "keep":"0"`, to)
	case r.Jobs[0].Except != "":
		return false, invalid(`messages to %s are kept, which is for all of the topic; leave "except" out, or give "keep":"0"`, to)
	}
	return true, nil
}

// options are those of a publish that is kept.
func (r *Request) options() *wirepost.PublishOptions {
	return &wirepost.PublishOptions{Keep: r.Keep, Again: r.Again, FirstSent: r.FirstSent, AtLeastOnce: r.Jobs[0].AtLeastOnce}
}

// append appends the message of a request to the log of its topic if it is to be kept,
// and gives the jobs the frame with its position. From then on nothing of the request
// says that it is to be kept. An error means that nothing more can be done.
func (w *Worker) append(ctx context.Context, r *Request) (wirepost.Kept, error) {
	if len(r.Jobs) > 1 && w.queue == nil {
		return wirepost.Kept{}, invalid(`the publish object has "parts", which go into a queue, and this function has none (WIREPOST_QUEUE_URL)`)
	}
	kept, err := w.isKept(r)
	if !kept || err != nil {
		return wirepost.Kept{}, err
	}
	ctx, cancel := w.before(ctx, w.reserve)
	defer cancel()
	k, err := w.publisher.Append(ctx, r.Jobs[0].To, []byte(r.Jobs[0].Text), r.options())
	if err != nil {
		return wirepost.Kept{}, notKept(err)
	}
	r.keptAs(string(k.Frame))
	return k, nil
}

func (r *Request) keptAs(frame string) {
	r.Keep, r.Again = -1, false
	for i := range r.Jobs {
		r.Jobs[i].Text = frame
	}
}

// notKept is the error of a message that was not appended, or for which that is not known.
func notKept(err error) error {
	switch {
	case errors.Is(err, wirepost.ErrUnknown):
		return &PublishFailed{err.Error() + `; give it again with the same "id" and "again":true`}
	case errors.Is(err, wirepost.ErrInvalid):
		return &InvalidRequest{strings.TrimPrefix(err.Error(), "wirepost: ")}
	}
	return &PublishFailed{err.Error()}
}
