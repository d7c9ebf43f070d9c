package gateway

import (
	"errors"
	"net"
)

// Why a send was refused.
var (
	errGone      = errors.New("the connection is gone")
	errQueueFull = errors.New("the connection's queue is full")
)

const (
	maxQueuedFrames = 4096
	// flushBytes is about how much one write of the flusher takes: enough to
	// make the system call cheap, little enough for a queue to show progress.
	flushBytes = 64 << 10
)

// outbound is a connection's way out, guarded by conn.mu. A send writes to the
// socket at once and without blocking when nothing waits. What the socket does
// not take goes to a bounded queue, and only then a flusher runs; it ends when
// the queue is empty. Each element is whole frames or the rest of one, so
// frames never interleave.
type outbound struct {
	queued  int // bytes in queue and in the flusher's hands
	queue   [][]byte
	drained chan struct{} // closed when the flusher ends, if somebody waits
}

// send sends compiled frames, which the connection shares and never changes.
// It never blocks. It returns errQueueFull if the client does not read fast
// enough and errGone if the connection is closing or closed.
func (c *conn) send(frames []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.offer(frames)
	if err == nil {
		c.sent++
		c.sentBytes += int64(len(frames))
	}
	return err
}

// sendControl is send for a control frame, which is no message.
func (c *conn) sendControl(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offer(frame)
}

// offer is send without its lock and its count.
func (c *conn) offer(frames []byte) error {
	if c.closing.Load() {
		return errGone
	}
	if c.flushing && (c.out.queued+len(frames) > c.engine.queueBytes || len(c.out.queue) >= maxQueuedFrames) {
		return errQueueFull
	}
	return c.push(frames)
}

// push is send without its checks. The caller holds c.mu.
func (c *conn) push(frames []byte) error {
	if !c.flushing && c.fd >= 0 {
		n, err := writeNow(int(c.fd), frames)
		if err != nil {
			c.killLocked()
			return errGone
		}
		if n == len(frames) {
			return nil
		}
		frames = frames[n:]
	}
	c.out.queue = append(c.out.queue, frames)
	c.out.queued += len(frames)
	if !c.flushing {
		c.flushing = true
		go c.flush()
	}
	return nil
}

// flush writes what waits, joined, until nothing does. A kill of the
// connection ends it: the write fails.
func (c *conn) flush() {
	var batch net.Buffers
	for {
		c.mu.Lock()
		size := 0
		batch = batch[:0]
		for _, frames := range c.out.queue {
			if size > 0 && size+len(frames) > flushBytes {
				break
			}
			batch = append(batch, frames)
			size += len(frames)
		}
		if size == 0 || c.killed {
			c.flushing = false
			c.out.queue, c.out.queued = nil, 0
			if c.out.drained != nil {
				close(c.out.drained)
				c.out.drained = nil
			}
			c.mu.Unlock()
			return
		}
		clear(c.out.queue[:len(batch)])
		c.out.queue = c.out.queue[len(batch):]
		c.mu.Unlock()

		err := c.writeAll(batch, size)

		c.mu.Lock()
		c.out.queued -= size
		if err != nil {
			c.killLocked()
		}
		c.mu.Unlock()
	}
}

// writeAll writes a batch with one system call where that is possible.
func (c *conn) writeAll(batch net.Buffers, size int) error {
	if len(batch) == 1 {
		_, err := c.nc.Write(batch[0])
		return err
	}
	if c.raw != nil {
		buffers := batch // WriteTo consumes it
		_, err := buffers.WriteTo(c.nc)
		return err
	}
	joined := make([]byte, 0, size)
	for _, frames := range batch {
		joined = append(joined, frames...)
	}
	_, err := c.nc.Write(joined)
	return err
}

// drain waits until nothing waits to be written or the connection is killed.
func (c *conn) drain() {
	c.mu.Lock()
	if !c.flushing || c.killed {
		c.mu.Unlock()
		return
	}
	drained := make(chan struct{})
	c.out.drained = drained
	c.mu.Unlock()
	select {
	case <-drained:
	case <-c.dead:
	}
}
