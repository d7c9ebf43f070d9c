package gateway

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

func TestAPageIsServedOutsideOfTheStageOnly(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page of "+r.URL.Path) })
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	s := &Server{Function: newRecorder(), Hosts: []string{"localhost"}, Page: page}
	with, without := serve(t, s), serve(t, &Server{Function: newRecorder(), Hosts: []string{"localhost"}})
	for _, test := range []struct {
		method, path, host, headers string
		with, without               int
	}{
		{"GET", "/", "localhost", "", 200, 403},
		{"HEAD", "/", "localhost", "", 200, 403},
		{"GET", "/a/b.js", "localhost:3001", "", 200, 403},
		{"GET", "/devious", "localhost", "", 200, 403},
		{"GET", "/", "evil.test", "", 403, 403}, // a name that points here
		{"POST", "/", "localhost", "Content-Length: 0\r\n", 403, 403},
		{"GET", "/prod", "localhost", upgrade, 403, 403},
		{"GET", "/dev", "localhost", "", 426, 426},
		{"GET", "/dev/", "localhost", "", 426, 426},
		{"GET", "/dev/x", "localhost", "", 403, 403},
		{"GET", "/dev", "localhost", upgrade, 101, 101},
		{"GET", "/dev/@connections/x", "localhost", "", 403, 403},
		{"GET", "/@connections/x", "localhost", "", 403, 403},
	} {
		request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", test.method, test.path, test.host, test.headers)
		if test.method == "HEAD" {
			request = fmt.Sprintf("HEAD %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", test.path, test.host)
		}
		a, b := httpRaw(t, with, request), httpRaw(t, without, request)
		if a.status != test.with || b.status != test.without {
			t.Errorf("%s %s at %s: %d with a page and %d without, want %d and %d", test.method, test.path, test.host, a.status, b.status, test.with, test.without)
		}
		if test.method == "GET" && a.status == 200 && a.body != "page of "+test.path {
			t.Errorf("GET %s: %s", test.path, a.body)
		}
	}
	if a := httpRaw(t, without, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); a.body != `{"message":"Forbidden"}` {
		t.Errorf("without a page: %s", a.body)
	}
}

func TestThePagesOwnOriginIsLetIn(t *testing.T) {
	nobody := func(string) bool { return false }
	page := http.NotFoundHandler()
	named := serve(t, &Server{Function: newRecorder(), Origin: nobody, Page: page, Hosts: []string{"localhost", "gateway.test"}})
	any := serve(t, &Server{Function: newRecorder(), Origin: nobody, Page: page})
	none := serve(t, &Server{Function: newRecorder(), Origin: nobody})
	for _, test := range []struct {
		server, host, origin string
		status               int
	}{
		{any, "192.168.1.5:3001", "http://192.168.1.5:3001", 101},
		{any, "192.168.1.5", "https://192.168.1.5", 101},
		{any, "[fd00::5]:3001", "http://[fd00::5]:3001", 101},
		{any, "192.168.1.5:3001", "http://192.168.1.5", 403},
		{any, "192.168.1.5:3001", "http://192.168.1.6:3001", 403},
		{any, "192.168.1.5:3001", "http://192.168.1.5:3001.evil.test", 403},
		{any, "192.168.1.5:3001", "192.168.1.5:3001", 403},
		{any, "evil.test:3001", "http://evil.test:3001", 403}, // a name that points here
		{any, "localhost:3001", "http://localhost:3001", 403},
		{named, "LOCALHOST:3001", "http://localhost:3001", 101},
		{named, "gateway.test:3001", "https://gateway.test:3001", 101},
		{named, "evil.test:3001", "http://evil.test:3001", 403},
		{named, "192.168.1.5:3001", "http://192.168.1.5:3001", 101},
		{none, "192.168.1.5:3001", "http://192.168.1.5:3001", 403},
	} {
		a := httpRaw(t, test.server, "GET /dev HTTP/1.1\r\nHost: "+test.host+"\r\n"+handshakeFields+"Origin: "+test.origin+"\r\n\r\n")
		if a.status != test.status {
			t.Errorf("%s at %s: %d, want %d", test.origin, test.host, a.status, test.status)
		}
	}
}
