package dev

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/internal/accept"
	"github.com/wirepost/wirepost/internal/atomicfile"
)

// servicePort is the part that has the port where functions find DynamoDB, SQS and SNS.
// It listens before the app is resolved, because URLs of queues are in variables, and
// answers once the engines run.
type servicePort struct {
	c *Config

	listener net.Listener // nil if functions find those services where AWS is
	server   *http.Server
	handler  atomic.Pointer[http.Handler]
	done     chan struct{}
}

// wanted reports whether functions are to find the services here: all but those that have
// somebody's credentials and no engine.
func (p *servicePort) wanted() bool {
	return p.c.hasProcesses() && (!p.c.Inherit || p.c.DynamoDB != "" || p.c.SQS != "")
}

func (p *servicePort) start(ctx context.Context) error {
	if !p.wanted() {
		return nil
	}
	l, err := p.listen(ctx)
	if err != nil {
		return fmt.Errorf("listen for calls to DynamoDB, SQS and SNS: %w", err)
	}
	p.listener, p.done = l, make(chan struct{})
	p.server = &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute, // a long poll takes 20 s
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(p.c.Logger.Handler(), slog.LevelDebug),

		Protocols: plainProtocols(),

		DisableGeneralOptionsHandler: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h := p.handler.Load(); h != nil {
				(*h).ServeHTTP(w, r)
				return
			}
			http.Error(w, "wirepost dev has not started yet", http.StatusServiceUnavailable)
		}),
	}
	go func() {
		defer close(p.done)
		_ = p.server.Serve(accept.Patient(l, p.c.Logger)) // stop ends it
	}()
	return nil
}

// servicePortFile has the port of the last run.
func (f Folder) servicePortFile() string { return f.file("service-port") }

// listen takes the port of the last run if it is free, so that the URL of a queue that
// somebody has written down is right after a restart. A file that cannot be read or
// written costs that alone.
func (p *servicePort) listen(ctx context.Context) (net.Listener, error) {
	kept, _ := atomicfile.Read(p.c.Folder.servicePortFile())
	if before, err := strconv.ParseUint(strings.TrimSpace(string(kept)), 10, 16); err == nil && before > 0 {
		if l, err := listen(ctx, net.JoinHostPort("127.0.0.1", strconv.FormatUint(before, 10))); err == nil {
			return l, nil
		}
	}
	l, err := listen(ctx, "127.0.0.1:0")
	if err == nil {
		_ = atomicfile.Write(p.c.Folder.servicePortFile(), []byte(strconv.Itoa(l.Addr().(*net.TCPAddr).Port)+"\n"), 0o600)
	}
	return l, err
}

// plainProtocols are those of a port without TLS that stands for one of AWS's, which has
// HTTP/2: clients that speak nothing else, such as NodeHttp2Handler, begin with it unasked.
func plainProtocols() *http.Protocols {
	var all http.Protocols
	all.SetHTTP1(true)
	all.SetUnencryptedHTTP2(true)
	return &all
}

func (p *servicePort) stop(context.Context) error {
	if p.listener == nil {
		return nil
	}
	err := p.server.Close() // functions have ended
	<-p.done
	return err
}

// serve lets a handler answer.
func (p *servicePort) serve(h http.Handler) { p.handler.Store(&h) }

// url is where functions find the services; empty if that is not here.
func (p *servicePort) url() string {
	if p.listener == nil {
		return ""
	}
	return "http://" + p.listener.Addr().String()
}

// queueURL is the URL of a queue of the app.
func (p *servicePort) queueURL(account, name string) string {
	return p.url() + "/" + account + "/" + name
}
