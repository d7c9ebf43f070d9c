package dev

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"

	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/intercept"
	"github.com/wirepost/wirepost/internal/lambdart"
)

// interception is the part that has the ports to which functions are led when they call
// AWS. It listens long before anything answers, because variables have its addresses.
// For a function in this process it does nothing.
type interception struct {
	c     *Config
	calls *awsCalls

	at *intercept.Interceptor // nil for a function in this process
}

func (p *interception) start(ctx context.Context) (err error) {
	if !p.c.hasProcesses() {
		return nil
	}
	p.at, err = intercept.Listen(ctx, intercept.Config{Elsewhere: p.calls.elsewhere, Logger: p.c.Logger})
	return err
}

// nodeOptions is NODE_OPTIONS with the module for Node.js, which is written first.
func (p *interception) nodeOptions(options string) (string, error) {
	file := absolute(p.c.Folder.file("intercept.cjs"))
	if err := atomicfile.Write(file, intercept.Preload, 0o600); err != nil {
		return "", fmt.Errorf("write the module that leads Node.js here: %w", err)
	}
	return intercept.NodeOptions(options, file), nil
}

func (p *interception) stop(context.Context) error {
	if p.at == nil {
		return nil
	}
	return p.at.Close()
}

// authority is the certificate of the authority of this run; nil if there is none.
func (p *interception) authority() []byte {
	if p.at == nil {
		return nil
	}
	return p.at.Authority().PEM()
}

// trust has calls that go on trust the roots that this machine, or the caller, trusts.
func (p *interception) trust(roots []byte) {
	pool := x509.NewCertPool()
	if p.at != nil && pool.AppendCertsFromPEM(roots) {
		p.at.SetRoots(pool)
	}
}

// lead has each process of a function led here, with a token of its own: what it calls
// is of the invocation that it has.
func (p *interception) lead(config *lambdart.Config) {
	if p.at == nil {
		return
	}
	name, env := config.Name, config.Env
	config.ForProcess = func(current func() context.Context) ([]string, func()) {
		client := p.at.NewClient(name, env, current)
		return client.Variables(), client.Close
	}
}

// arrivals is the part that begins to answer functions in the place of AWS, once it is
// known what answers, by the name of the service in hosts: execute-api, dynamodb,
// streams.dynamodb, sqs, sns, lambda. What has no handler is not taken over.
//
// A handler gets the request as the function sent it, with a context that
// intercept.CallOf takes: the function, the invocation's context and the host, whose
// region may be another than the app's. What is not its own it gives to onward if
// Config.Inherit says so, and answers itself otherwise.
type arrivals struct {
	c            *Config
	interception *interception
	engines      *engines
	invocations  *invocations
	api          *executeAPI
	calls        *awsCalls
	around       func(service string, h http.Handler) http.Handler // of tests, which see what arrives; nil otherwise
	nothingToStop
}

func (a *arrivals) start(context.Context) error {
	if a.interception.at == nil {
		return nil
	}
	a.api.onward = a.interception.at.Onward()
	all := a.engines.services()
	all["execute-api"] = a.api
	if h := a.invocations.handler(); h != nil {
		all["lambda"] = h
	}
	for name, h := range all {
		if a.around != nil {
			h = a.around(name, h)
		}
		all[name] = a.calls.inRegion(h)
	}
	return a.interception.at.Serve(all)
}
