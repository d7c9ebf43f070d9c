package main

import (
	"fmt"
	"net/http"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/control"
	"github.com/wirepost/wirepost/internal/inspector"
)

// inspect makes the server tell a recorder what happens, unless nobody wants that.
// What it returns serves the inspector and the metrics once the server's
// configuration stands, and says where; stop ends that.
func (c *command) inspect(d *devFlags, server *gateway.Server) func(o inspector.Options, publish *wirepost.PublisherOptions, where controlAddress, live *control.Live) (stop func(), err error) {
	if d.noInspector {
		return func(_ inspector.Options, _ *wirepost.PublisherOptions, _ controlAddress, live *control.Live) (func(), error) {
			live.Set(server.Stats, nil)
			return func() {}, nil
		}
	}
	var secrets []string
	if a := server.Routes["$connect"].Authorizer; a != nil {
		secrets = a.IdentitySources
	}
	recorder := inspector.NewRecorder(&inspector.RecorderOptions{Secrets: secrets})
	server.Observer = recorder
	return func(o inspector.Options, publish *wirepost.PublisherOptions, where controlAddress, live *control.Live) (func(), error) {
		publisher := wirepost.NewPublisher(o.Store, publish)
		o.Recorder, o.Server, o.Publisher, o.Faults, o.Version = recorder, server, publisher, d.faults, wirepost.Version
		o.Token = control.NewToken()
		page := inspector.New(o)
		live.Set(server.Stats, http.Handler(page))
		fmt.Fprintf(c.stderr, "inspector %s%s?token=%s\n", where.URL, inspector.Path, o.Token)
		return func() {
			page.Close()
			publisher.Close()
		}, nil
	}
}
