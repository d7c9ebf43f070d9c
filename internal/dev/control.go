package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/wirepost/wirepost/httpstore"
	"github.com/wirepost/wirepost/internal/accept"
	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/control"
	"github.com/wirepost/wirepost/internal/hint"
)

// ControlAddress is where a dev that runs can be asked, and the token that it wants.
type ControlAddress struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// StoreURL is the URL of the store that is served there, for functions.
func (a ControlAddress) StoreURL() string {
	return "http://:" + a.Token + "@" + strings.TrimPrefix(a.URL, "http://") + "/store"
}

// controlFile says where the control address of the running dev is, and its token.
func (f Folder) controlFile() string { return f.file("control.json") }

// Control is the control address of the dev that runs in the folder.
func (f Folder) Control() (ControlAddress, error) {
	var where ControlAddress
	b, err := atomicfile.Read(f.controlFile())
	if err == nil {
		if err = json.Unmarshal(b, &where); err == nil && (where.URL == "" || where.Token == "") {
			err = errors.New("it has no address or no token")
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return where, hint.New(errors.New("no 'wirepost dev' runs in this folder"), "start it, or run this in its folder")
	case err != nil:
		return where, hint.New(fmt.Errorf("read %s: %w", f.controlFile(), err), "start 'wirepost dev' in this folder again, which writes it anew")
	}
	return where, nil
}

// controlServer is the part that serves the control address, and keeps where it is in
// the folder meanwhile.
type controlServer struct {
	c        *Config
	listener *listener
	store    *store

	at     ControlAddress
	live   control.Live // metrics and inspector, once the gateway runs
	run    runHandler
	server *http.Server
	served chan struct{} // closed when server has ended
}

func (s *controlServer) start(ctx context.Context) error {
	l, said, err := s.listen(ctx)
	if err != nil {
		return err
	}
	if said != "" {
		s.c.Report.Hint(said)
	}
	return s.serve(l)
}

// serve serves the control address until stop, and keeps where it is in the folder.
func (s *controlServer) serve(l net.Listener) error {
	s.at = ControlAddress{"http://" + l.Addr().String(), control.NewToken()}
	b, err := json.Marshal(s.at)
	if err == nil {
		err = atomicfile.Write(s.c.Folder.controlFile(), append(b, '\n'), 0o600)
	}
	if err != nil {
		l.Close()
		return fmt.Errorf("keep the control address: %w", err)
	}
	s.server = control.NewServer(control.Handler(control.Options{Token: s.at.Token, Faults: s.c.Faults, Public: s.c.ControlPublic, Live: &s.live, Run: &s.run,
		Store: httpstore.NewHandler(s.store.opened, &httpstore.HandlerOptions{Token: s.at.Token})}), s.c.Logger)
	s.served = make(chan struct{})
	go func() { // ends when stop closes the server
		defer close(s.served)
		s.server.Serve(accept.Patient(l, s.c.Logger))
	}()
	return nil
}

func (s *controlServer) stop(context.Context) error {
	s.forget()
	s.server.Close()
	<-s.served
	return nil
}

// forget removes the control address from the folder, unless it is another's: two may
// run in one folder that was removed and made again.
func (s *controlServer) forget() {
	if at, err := s.c.Folder.Control(); err == nil && at != s.at {
		return
	}
	os.Remove(s.c.Folder.controlFile())
}

// listen opens the control address: the one that was asked for, else the port after
// the gateway's, else a free one. Programs find it in the file. said is for people who
// rely on the port that the documentation names; empty if there is nothing to say.
func (s *controlServer) listen(ctx context.Context) (l net.Listener, said string, err error) {
	if s.c.Control != "" {
		host, _, err := net.SplitHostPort(s.c.Control)
		if err != nil {
			return nil, "", hint.New(fmt.Errorf("--control %q: %w", s.c.Control, err), "give an address and a port, such as 127.0.0.1:3002")
		}
		if ip := net.ParseIP(host); !s.c.ControlPublic && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, "", hint.New(fmt.Errorf("--control %s can be reached from other machines", s.c.Control), "give a loopback address, or add --control-public if you mean it")
		}
		l, err := listen(ctx, s.c.Control)
		if err != nil {
			return nil, "", hint.New(fmt.Errorf("listen for control on %s: %w", s.c.Control, err), "choose another address with --control")
		}
		return l, "", nil
	}
	next := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.listener.address().Port+1))
	l, taken := listen(ctx, next)
	if taken == nil {
		return l, "", nil
	}
	if l, err = listen(ctx, "127.0.0.1:0"); err != nil {
		return nil, "", fmt.Errorf("listen for control: %w", err)
	}
	if s.listener.tookFreePort() {
		return l, "", nil // nobody could know the port after it
	}
	why := "is already in use by another program"
	if !errors.Is(taken, syscall.EADDRINUSE) {
		why = "cannot be used: " + reason(taken)
	}
	return l, fmt.Sprintf("the control address is %s, because %s %s; --control chooses another", l.Addr(), next, why), nil
}

// reason is what the system says of a port, without the port.
func reason(err error) string {
	if of, ok := errors.AsType[*net.OpError](err); ok {
		return of.Err.Error()
	}
	return err.Error()
}
