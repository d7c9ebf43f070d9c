package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// HandleJSON sets the handler of a route key, as [Mux.Handle] does, for frames like those
// of docs/protocol.md: JSON objects with "action" and, if the client wants to know
// which answer is whose, "ref". Each frame is read into a T, which has the members that
// the route needs; others are ignored.
//
//	type order struct {
//		Number string `json:"order"`
//	}
//	wirepost.HandleJSON(mux, "track", func(ctx context.Context, m *wirepost.Message, in order) (any, error) {
//		return find(ctx, in.Number)
//	})
//
// What handle returns is answered as {"type":"ack","ref":…,"data":…}, without data if it
// is nil. An error is answered as {"type":"error","ref":…,"code":…}: with the code and
// the text of a [FrameError]; "expired" if it is that of [Message.Connection] or
// [Message.Subscribe] for a sender that has no row any more, whose connection is closed
// then; "internal" otherwise, and the error is in the log only. A frame that is no JSON
// object, or does not fit T, is answered with "bad-frame" and handle is not called.
//
// An answer reaches the client only if the route has a route response. The method
// request of clients/js sends such frames and waits for their answers.
//
// It panics where Mux.Handle does.
func HandleJSON[T any](mux *Mux, routeKey string, handle func(ctx context.Context, m *Message, in T) (any, error)) {
	var h Handler // which Mux.Handle refuses if there is nothing to call
	if handle != nil {
		h = func(ctx context.Context, m *Message) ([]byte, error) {
			return answerJSON(ctx, m, func() (any, error) {
				var in T
				if err := json.Unmarshal(m.Body, &in); err != nil {
					return nil, &FrameError{"bad-frame", jsonFault(err)}
				}
				return handle(ctx, m, in)
			})
		}
	}
	mux.Handle(routeKey, h)
}

// FrameError is the error of a handler of [HandleJSON] that is for the client. Any other
// error is for the log.
type FrameError struct {
	// Code is for programs, such as "no-order". docs/protocol.md has those of the
	// protocol.
	Code string
	// Text is a sentence for people about the client's own frame. It may be empty.
	Text string
}

// Error implements error.
func (e *FrameError) Error() string {
	if e.Text == "" {
		return e.Code
	}
	return e.Code + ": " + e.Text
}

// jsonAnswer is what HandleJSON answers, and the order of its members.
type jsonAnswer struct {
	Type string          `json:"type"`
	Ref  json.RawMessage `json:"ref,omitempty"`
	Code string          `json:"code,omitempty"`
	Text string          `json:"text,omitempty"`
	Data any             `json:"data,omitempty"`
}

// answerJSON answers a frame with what a handler does with it.
func answerJSON(ctx context.Context, m *Message, handle func() (any, error)) ([]byte, error) {
	ref, err := refOf(m.Body)
	var out any
	if err == nil {
		out, err = handle()
	}
	answer := jsonAnswer{Type: "ack", Ref: ref, Data: out}
	if err == nil {
		var frame []byte
		if frame, err = encodeFrame(answer); err == nil {
			return frame, nil
		}
		err = fmt.Errorf("what the handler returned cannot be encoded as JSON: %s", jsonFault(err))
	}
	answer = jsonAnswer{Type: "error", Ref: ref, Code: "internal"}
	if refused, ok := errors.AsType[*FrameError](err); ok {
		answer.Code, answer.Text = refused.Code, refused.Text
		return encodeFrame(answer)
	}
	if !errors.Is(err, errNoRow) {
		m.logger().ErrorContext(ctx, "a handler failed", "routeKey", m.RouteKey, "connectionId", m.ConnectionID, "error", err)
		return encodeFrame(answer)
	}
	answer.Code = "expired"
	frame, err := encodeFrame(answer)
	if err == nil {
		m.expire(ctx, frame)
	}
	return nil, err
}

// refOf is the ref of a frame; nil if it has none.
func refOf(body []byte) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return nil, &FrameError{"bad-frame", "a frame is a JSON object"}
	}
	ref := members["ref"]
	if string(ref) == "null" {
		return nil, nil
	}
	if !validRef(ref) {
		return nil, &FrameError{"bad-frame", `"ref" is a string or a number of at most 64 bytes`}
	}
	return ref, nil
}

// validRef reports whether a ref can be answered; an absent one is answered without.
func validRef(ref json.RawMessage) bool {
	return len(ref) <= maxRef && (len(ref) == 0 || ref[0] == '"' || ref[0] == '-' || ref[0] >= '0' && ref[0] <= '9')
}
