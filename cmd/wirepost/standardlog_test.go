package main

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A server that answers more often than it is asked makes net/http log a line for each
// connection.
func TestAServerCannotFillTheTerminalByNetHTTPsLog(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // ends with l
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			http.ReadRequest(bufio.NewReader(nc))
			io.WriteString(nc, strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 3))
			nc.Close()
		}
	}()
	var out transcript
	before := log.Writer()
	log.SetOutput(newStandardLog(&out))
	defer log.SetOutput(before)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for range 200 {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Do(r); err == nil {
			resp.Body.Close()
		}
	}
	log.Print("the last line")
	if n := strings.Count(out.String(), "\n"); n != standardLogLines {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
}
