package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/wirepost/wirepost"
)

// sendStream sends standard input as one stream, as it comes.
func (c *command) sendStream(ctx context.Context, t *target, args []string) int {
	to, status, ok := c.audience(t, "send")
	if !ok {
		return status
	}
	if len(args) > 0 && (len(args) > 1 || args[0] != "-") {
		return c.misuse("send --stream reads standard input and takes no DATA", "leave the data out")
	}
	store, err := openStore(ctx, storeURL(t.store))
	if err != nil {
		return c.failWith(err)
	}
	defer store.Close()
	o, err := publisherOptions(ctx, store)
	if err != nil {
		return c.failWith(err)
	}
	publisher := wirepost.NewPublisher(store, o)
	defer publisher.CloseIdleConnections()
	stream := publisher.Stream(ctx, to, nil)
	n, err := c.copyInput(stream)
	var closed error
	switch {
	case err == nil:
		closed = stream.Close()
	case stream.Context().Err() != nil: // it says why itself
		closed, err = stream.Close(), nil
	default:
		closed = stream.CloseWithError("internal")
	}
	c.stdout.Printf("streamed %d bytes as %s\n", n, stream.ID())
	if err := errors.Join(err, closed); err != nil {
		return c.fail(err)
	}
	return exitDone
}

// copyInput writes standard input until its end, or until the stream's. The reading
// goroutine then ends with the program: a terminal gives no end by itself.
func (c *command) copyInput(s *wirepost.Stream) (n int64, err error) {
	type read struct {
		data []byte
		err  error
	}
	reads := make(chan read)
	go func() {
		for {
			buffer := make([]byte, 32<<10)
			n, err := c.stdin.Read(buffer)
			select {
			case reads <- read{buffer[:n], err}:
			case <-s.Context().Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	for {
		select {
		case r := <-reads:
			written, err := s.Write(r.data)
			if n += int64(written); err != nil {
				return n, err
			}
			if errors.Is(r.err, io.EOF) {
				return n, nil
			}
			if r.err != nil {
				return n, fmt.Errorf("read standard input: %w", r.err)
			}
		case <-s.Context().Done():
			return n, context.Cause(s.Context())
		}
	}
}
