package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/accept"
	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/control"
)

// controlFile says where the control address of the running dev is, and its token.
var controlFile = filepath.Join(folder, "control.json")

type controlAddress struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// store is the URL of the store of dev for the functions that it starts.
func (a controlAddress) store() string {
	return "http://:" + a.Token + "@" + strings.TrimPrefix(a.URL, "http://") + "/store"
}

// listenForControl opens the control address: the one that was asked for, else the
// port after the gateway's, else a free one. Whoever needs it reads the file.
func listenForControl(ctx context.Context, asked string, public bool, gateway *net.TCPAddr) (net.Listener, error) {
	if asked != "" {
		host, _, err := net.SplitHostPort(asked)
		if err != nil {
			return nil, &hinted{fmt.Errorf("--control %q: %w", asked, err), "give an address and a port, such as 127.0.0.1:3002"}
		}
		if ip := net.ParseIP(host); !public && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, &hinted{fmt.Errorf("--control %s can be reached from other machines", asked), "give a loopback address, or add --control-public if you mean it"}
		}
		l, err := listen(ctx, asked)
		if err != nil {
			return nil, &hinted{fmt.Errorf("listen for control on %s: %w", asked, err), "choose another address with --control"}
		}
		return l, nil
	}
	if l, err := listen(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(gateway.Port+1))); err == nil {
		return l, nil
	}
	l, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for control: %w", err)
	}
	return l, nil
}

// serveControl serves the control address until stop is called, and keeps where it
// is in the folder meanwhile.
func serveControl(l net.Listener, o control.Options, logger *slog.Logger) (where controlAddress, stop func(), err error) {
	where = controlAddress{"http://" + l.Addr().String(), o.Token}
	b, err := json.Marshal(where)
	if err == nil {
		err = atomicfile.Write(controlFile, append(b, '\n'), 0o600)
	}
	if err != nil {
		l.Close()
		return where, nil, fmt.Errorf("keep the control address: %w", err)
	}
	server := control.NewServer(control.Handler(o), logger)
	served := make(chan struct{})
	go func() { // ends when stop closes the listener
		defer close(served)
		server.Serve(accept.Patient(l, logger))
	}()
	return where, func() {
		os.Remove(controlFile)
		server.Close()
		<-served
	}, nil
}

// runningControl is the control address of the dev that runs in this folder.
func runningControl() (controlAddress, error) {
	var where controlAddress
	b, err := os.ReadFile(controlFile)
	if err == nil {
		if err = json.Unmarshal(b, &where); err == nil && (where.URL == "" || where.Token == "") {
			err = errors.New("it has no address or no token")
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return where, &hinted{errors.New("no 'wirepost dev' runs in this folder"), "start it, or run this in its folder"}
	case err != nil:
		return where, &hinted{fmt.Errorf("read %s: %w", controlFile, err), "start 'wirepost dev' in this folder again, which writes it anew"}
	}
	return where, nil
}

const (
	controlTimeout = 5 * time.Second
	// maxControlAnswer bounds what is read of an answer that is not a stream.
	maxControlAnswer = 4 << 20
)

// controlClient asks a running dev. There is no proxy, because it is this machine, and
// a redirect is not followed: what listens at the address after dev has ended is not to
// send the token elsewhere.
func controlClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: controlTimeout, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: stay,
	}
}

// boundedTransport is net/http's usual one with a bound for headers. It keeps no
// connection: what it is for asks once.
func boundedTransport() *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10}
}

// stay is the CheckRedirect of a client that follows no redirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// askControl asks the running dev and reads its answer into out.
func askControl(ctx context.Context, method, path string, body []byte, out any) error {
	where, err := runningControl()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, where.URL+path, bytesReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+where.Token)
	answer, err := controlClient().Do(r)
	if err != nil {
		return &hinted{fmt.Errorf("ask the running 'wirepost dev' at %s: %w", where.URL, err), "if it has ended, start it again"}
	}
	defer answer.Body.Close()
	d := json.NewDecoder(io.LimitReader(answer.Body, maxControlAnswer))
	if answer.StatusCode != http.StatusOK {
		var refused struct{ Error string }
		if d.Decode(&refused) != nil || refused.Error == "" {
			refused.Error = answer.Status
		}
		return errors.New(refused.Error)
	}
	return d.Decode(out)
}
