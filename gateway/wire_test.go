package gateway

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const handshakeFields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// rawHandshake upgrades nc and leaves what follows the answer unread.
func rawHandshake(nc net.Conn, stage string) error {
	if _, err := io.WriteString(nc, "GET /"+stage+" HTTP/1.1\r\nHost: gateway.test\r\n"+handshakeFields+"\r\n"); err != nil {
		return err
	}
	var answer []byte
	for one := make([]byte, 1); !strings.HasSuffix(string(answer), "\r\n\r\n"); answer = append(answer, one[0]) {
		if _, err := nc.Read(one); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(string(answer), "HTTP/1.1 101 ") {
		return fmt.Errorf("handshake: %q", answer)
	}
	return nil
}

// rawDial connects without any WebSocket library.
func rawDial(t testing.TB, host string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := rawHandshake(nc, "dev"); err != nil {
		t.Fatal(err)
	}
	return nc
}

// dialTCP connects and says nothing.
func dialTCP(t testing.TB, host string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

// masked makes a client's frame; first is the first byte with FIN and opcode.
func masked(first byte, payload []byte) []byte {
	frame := []byte{first}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	frame = append(frame, mask[:]...)
	for i, b := range payload {
		frame = append(frame, b^mask[i%4])
	}
	return frame
}

// frameIn is a frame from the gateway.
type frameIn struct {
	first   byte
	payload []byte
}

// readFrame reads one unmasked frame.
func readFrame(r *bufio.Reader) (frameIn, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frameIn{}, err
	}
	size := int(head[1])
	switch size {
	case 126:
		var n uint16
		if err := binary.Read(r, binary.BigEndian, &n); err != nil {
			return frameIn{}, err
		}
		size = int(n)
	case 127:
		var n uint64
		if err := binary.Read(r, binary.BigEndian, &n); err != nil {
			return frameIn{}, err
		}
		size = int(n)
	}
	if head[1]&0x80 != 0 {
		return frameIn{}, fmt.Errorf("the gateway masked a frame")
	}
	payload := make([]byte, size)
	_, err := io.ReadFull(r, payload)
	return frameIn{head[0], payload}, err
}

// httpRaw sends a request as it stands and reads its answer, whose body is empty
// after an upgrade. The connection is closed.
func httpRaw(t testing.TB, host, request string) answerOf {
	t.Helper()
	nc := dialTCP(t, host)
	defer nc.Close()
	io.WriteString(nc, request)
	nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	r, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	if r.StatusCode == http.StatusSwitchingProtocols {
		return answerOf{r.StatusCode, r.Header, ""}
	}
	body, _ := io.ReadAll(r.Body)
	return answerOf{r.StatusCode, r.Header, string(body)}
}
