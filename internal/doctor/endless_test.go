package doctor_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/doctor"
)

// What a doctor asks may be any server, and a server may never come to an end.
func TestAServerThatNeverEndsCostsTheDoctorLittle(t *testing.T) {
	upgraded := "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
	for name, answer := range map[string]struct {
		first, more string
		websocket   bool // only to the client
	}{
		"a header line":                  {"HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 64<<10), false},
		"a header":                       {"HTTP/1.1 200 OK\r\n", strings.Repeat("a:\r\n", 16<<10), false},
		"a body":                         {"HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 64<<10), false},
		"a handshake's header line":      {"HTTP/1.1 101 Switching Protocols\r\nX: ", strings.Repeat("x", 64<<10), true},
		"a handshake's header":           {"HTTP/1.1 101 Switching Protocols\r\n", strings.Repeat("a:\r\n", 16<<10), true},
		"a handshake's refusal":          {"HTTP/1.1 403 Forbidden\r\n\r\n", strings.Repeat("x", 64<<10), true},
		"a client's message":             {upgraded + "accept\r\n\r\n\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", strings.Repeat("x", 64<<10), true},
		"empty messages for two seconds": {upgraded + "accept\r\n\r\n", strings.Repeat("\x81\x00", 32<<10), true},
		"pings for two seconds":          {upgraded + "accept\r\n\r\n", strings.Repeat("\x89\x05hello", 8<<10), true},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			defer serving.Wait()
			defer l.Close()
			serving.Go(func() {
				for {
					nc, err := l.Accept()
					if err != nil {
						return
					}
					serving.Go(func() { // ends when the doctor closes
						defer nc.Close()
						lie(nc, answer.first, []byte(answer.more), answer.websocket)
					})
				}
			})
			o := doctor.Options{Endpoint: "http://" + l.Addr().String() + "/prod", Region: "eu-west-1", Credentials: given(keys), Live: doctor.Live, Step: time.Second}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			report := doctor.Run(t.Context(), o)
			runtime.ReadMemStats(&after)
			if took, MiB := time.Since(began), (after.TotalAlloc-before.TotalAlloc)>>20; took > 15*time.Second || MiB > 16 && !strings.HasSuffix(name, "s for two seconds") {
				t.Errorf("it took %v and %d MiB", took, MiB)
			}
			if len(report.Checks) == 0 {
				t.Error("the report is empty")
			}
		})
	}
}

// lie answers a request without an end, or only a handshake so and others as a gateway
// that knows no such connection.
func lie(nc net.Conn, first string, more []byte, websocket bool) {
	r, err := http.ReadRequest(bufio.NewReader(nc))
	if err != nil {
		return
	}
	if websocket && r.Header.Get("Upgrade") == "" {
		nc.Write([]byte("HTTP/1.1 410 Gone\r\nX-Amzn-Requestid: r\r\nX-Amzn-Errortype: GoneException\r\nX-Wirepost-Api: a/prod\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		return
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455
	first = strings.Replace(first, "accept", base64.StdEncoding.EncodeToString(sum[:]), 1)
	for text := []byte(first); ; text = more {
		if _, err := nc.Write(text); err != nil {
			return
		}
	}
}
