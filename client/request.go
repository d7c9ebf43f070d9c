package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Send sends a JSON value to an audience such as topic:lobby, and returns the function's
// answer, or a *Refusal. It waits for a connection. API Gateway handles the messages of a
// connection at the same time: to keep an order, wait for each answer.
func (c *Client) Send(ctx context.Context, to string, data any) (Ack, error) {
	return c.Request(ctx, "send", map[string]any{"to": to, "data": data})
}

// Request sends {"action": action} with fields to a route, such as one of the function's
// own, and returns the answer, or a *Refusal.
func (c *Client) Request(ctx context.Context, action string, fields map[string]any) (Ack, error) {
	a, err := c.exchange(ctx, action, fields)
	return a.Ack, err
}

// exchange is Request with the whole answer.
func (c *Client) exchange(ctx context.Context, action string, fields map[string]any) (answer, error) {
	done := make(chan asked, 1)
	c.mu.Lock()
	i, err := c.submitted(action, fields, func(r *Refusal, a answer) {
		if r != nil {
			done <- asked{err: r}
		} else {
			done <- asked{a: a}
		}
	})
	c.mu.Unlock()
	if err != nil {
		return answer{}, err
	}
	select {
	case r := <-done:
		return r.a, r.err
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		for n, waiting := range c.queue {
			if waiting == i {
				c.queue = append(c.queue[:n], c.queue[n+1:]...)
				return answer{}, context.Cause(ctx)
			}
		}
		return answer{}, errors.Join(&Refusal{Code: "unanswered"}, context.Cause(ctx))
	}
}

// submit sends a frame, or queues it until there is a connection. done is called with
// the answer, unless there is an error.
func (c *Client) submit(action string, fields map[string]any, done func(*Refusal, answer)) error {
	_, err := c.submitted(action, fields, done)
	return err
}

func (c *Client) submitted(action string, fields map[string]any, done func(*Refusal, answer)) (*item, error) {
	i, err := c.newItem(action, fields, nil)
	if err != nil {
		return nil, err
	}
	i.done = func(r *Refusal, a answer) {
		if r != nil && r.Code == expired && c.state != Closed { // it was refused unseen
			c.queue = append(c.queue, i)
		} else {
			done(r, a)
		}
	}
	switch {
	case c.state == Closed:
		return nil, &Refusal{Code: "closed"}
	case len(i.text) > maxFrame:
		return nil, &Refusal{Code: "too-large", Text: fmt.Sprintf("the frame has %d bytes, %d at most are allowed", len(i.text), maxFrame)}
	case c.current != nil:
		c.ask(c.current, i)
	default:
		c.queue = append(c.queue, i)
	}
	return i, nil
}

// item is a frame that is answered.
type item struct {
	ref  string
	text []byte
	done func(*Refusal, answer)
}

func (c *Client) newItem(action string, fields map[string]any, done func(*Refusal, answer)) (*item, error) {
	c.refs++
	frame := map[string]any{}
	for k, v := range fields {
		frame[k] = v
	}
	i := &item{ref: strconv.FormatInt(int64(c.refs), 36), done: done}
	frame["action"], frame["ref"] = action, i.ref
	text, err := json.Marshal(frame)
	if err != nil {
		return nil, fmt.Errorf("send the action %s: %w", action, err)
	}
	i.text = text
	return i, nil
}
