package gateway

import (
	"bufio"
	"encoding/binary"
	"net"
	"testing"
	"time"
)

// FuzzFrames feeds bytes to a connection that has no network: whatever they
// are, it ends with one $disconnect, and with a close frame if it was not the
// client that stopped.
func FuzzFrames(f *testing.F) {
	f.Add(masked(0x81, []byte("hello")), uint8(3))
	f.Add(join(masked(0x01, []byte("a")), masked(0x89, []byte("p")), masked(0x80, []byte("b")), masked(0x88, closePayload(1000, "x"))), uint8(1))
	f.Add([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0}, uint8(200))
	f.Add([]byte{0xff, 0xff, 0xff}, uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		function := newRecorder()
		s := &Server{Function: function, FrameBytes: 64, MessageBytes: 128, CloseWait: time.Minute}
		e := engineOf(t, s)
		defer e.end()
		ours, theirs := net.Pipe()
		if !e.enter() {
			t.Fatal("the server has ended")
		}
		c := e.start(theirs, peer{id: e.newConnectionID()}, nil, nil)
		frames := make(chan frameIn, 1<<16)
		go func() {
			defer close(frames)
			r := bufio.NewReader(ours)
			for {
				in, err := readFrame(r)
				if err != nil {
					return
				}
				frames <- in
			}
		}()
		for rest := data; len(rest) > 0; {
			n := min(int(size)+1, len(rest))
			if _, err := ours.Write(rest[:n]); err != nil {
				break
			}
			rest = rest[n:]
		}
		// A close frame of the client at a frame's beginning, else an end.
		ours.Write(masked(0x88, closePayload(4321, "")))
		ours.Close()
		closes := 0
		for in := range frames {
			switch in.first {
			case 0x81, 0x8a:
				if closes > 0 {
					t.Errorf("frame %#x after the close frame", in.first)
				}
			case 0x88:
				closes++
				if n := len(in.payload); n == 1 || n > 125 {
					t.Errorf("close frame of %d bytes", n)
				} else if n > 1 {
					if code := binary.BigEndian.Uint16(in.payload); code < 1000 || code >= 5000 {
						t.Errorf("close code %d", code)
					}
				}
			default:
				t.Errorf("frame %#x", in.first)
			}
		}
		if closes > 1 {
			t.Errorf("%d close frames", closes)
		}
		for ended := false; !ended; {
			select {
			case event := <-function.events:
				if c := event.RequestContext; c.EventType == "DISCONNECT" {
					ended = true
					if c.DisconnectStatusCode < 1000 || c.DisconnectStatusCode >= 5000 {
						t.Errorf("disconnectStatusCode %d", c.DisconnectStatusCode)
					}
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("no end; closing = %v", c.closing.Load())
			}
		}
	})
}
