package intercept

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/accept"
)

// Config says what an Interceptor has besides its handlers. The zero value is usable.
type Config struct {
	// Roots are trusted in calls that go on over TLS. Nil means those of the system.
	Roots *x509.CertPool

	// Elsewhere is told of each call of a client to a host of AWS that no handler
	// takes, once it is known whether the host could be reached. It is called
	// concurrently, and should not wait. Nil means nobody.
	Elsewhere func(Call)

	// Logger gets what an operator may want to know, never what is called but for its
	// host. Nil discards it.
	Logger *slog.Logger
}

// Call is a call of a client to a host of AWS.
type Call struct {
	Client *Client
	Host   Host

	// Err says why the host could not be reached. Nil means that it was, or that this is
	// not known, as of a program that connects by itself.
	Err error
}

// Interceptor is the forward proxy and the port for server names. Its methods may be
// called concurrently.
type Interceptor struct {
	c         Config
	authority *Authority
	proxy     net.Listener
	names     net.Listener
	onward    *onward

	outer, inner *http.Server
	handed       *handedOver
	serving      sync.WaitGroup
	tunnels      tunnels

	mu       sync.Mutex
	clients  map[string]*Client // by token
	services map[string]http.Handler
	closed   bool
}

// Limits of what is served. A function may be invoked for 15 minutes, and what it calls
// may take as long.
const (
	headerTimeout  = 10 * time.Second
	bodyTimeout    = 5 * time.Minute
	answerTimeout  = 16 * time.Minute
	idleTimeout    = 3 * time.Minute
	maxHeaderBytes = 64 << 10
	// closeTime bounds how long Close waits for requests that are being answered.
	closeTime = time.Second
)

// Listen takes two free ports of 127.0.0.1. Programs that connect wait until Serve is
// called.
func Listen(ctx context.Context, c Config) (*Interceptor, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Elsewhere == nil {
		c.Elsewhere = func(Call) {}
	}
	i := &Interceptor{c: c, clients: map[string]*Client{}}
	i.tunnels.open = map[net.Conn]bool{}
	var err error
	if i.authority, err = NewAuthority(time.Now()); err != nil {
		return nil, err
	}
	i.onward = newOnward()
	var listen net.ListenConfig
	for _, l := range []*net.Listener{&i.proxy, &i.names} {
		if *l, err = listen.Listen(ctx, "tcp4", "127.0.0.1:0"); err != nil {
			i.Close()
			return nil, fmt.Errorf("listen for the calls of functions: %w", err)
		}
	}
	return i, nil
}

// Authority is the one of this run: what clients have to trust.
func (i *Interceptor) Authority() *Authority { return i.authority }

// Proxy is the address of the forward proxy.
func (i *Interceptor) Proxy() string { return i.proxy.Addr().String() }

// Names is the address of the port for server names.
func (i *Interceptor) Names() string { return i.names.Addr().String() }

// SetRoots replaces Config.Roots. It is for the time before Serve.
func (i *Interceptor) SetRoots(roots *x509.CertPool) { i.onward.trust(roots) }

// Serve begins to answer, and returns at once. services has the handlers of the services
// that are taken over, by [Host].Service. A handler gets requests as they were sent: to a
// host of its service in any region, over HTTP/1.1 or HTTP/2, with the server name of TLS
// in r.TLS, if that was used. [CallOf] says who calls. It may take 16 minutes.
func (i *Interceptor) Serve(services map[string]http.Handler) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.services != nil || i.closed {
		return errors.New("intercept: it serves already, or is closed")
	}
	i.services = maps.Clone(services)
	if i.services == nil {
		i.services = map[string]http.Handler{}
	}
	i.onward.trust(i.c.Roots)
	i.handed = newHandedOver(i.proxy.Addr())
	i.outer, i.inner = i.newServer(http.HandlerFunc(i.proxied)), i.newServer(http.HandlerFunc(i.arrived))
	i.inner.ConnContext = withArrival
	for l, server := range map[net.Listener]*http.Server{
		accept.Patient(i.proxy, i.c.Logger):                    i.outer,
		&namedListener{accept.Patient(i.names, i.c.Logger), i}: i.inner,
		i.handed: i.inner,
	} {
		i.serving.Go(func() { _ = server.Serve(l) }) // ends when Close closes the server
	}
	return nil
}

func (i *Interceptor) newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(i.c.Logger.Handler(), slog.LevelDebug), DisableGeneralOptionsHandler: true,
	}
}

// taken are the services that have handlers.
func (i *Interceptor) taken() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Collect(maps.Keys(i.services))
}

// handler is what answers at a host; nil if nothing here does.
func (i *Interceptor) handler(h Host) http.Handler {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.services[h.Service]
}

// Close ends everything, and waits a second at most for requests that are being
// answered. What is tunnelled is cut.
func (i *Interceptor) Close() error {
	i.mu.Lock()
	i.closed = true
	i.mu.Unlock()
	for _, l := range []net.Listener{i.proxy, i.names} {
		if l != nil {
			l.Close()
		}
	}
	if i.outer != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		for _, server := range []*http.Server{i.outer, i.inner} {
			if server.Shutdown(ctx) != nil {
				server.Close()
			}
		}
		i.handed.Close()
	}
	i.tunnels.close()
	i.serving.Wait()
	i.onward.close()
	return nil
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
