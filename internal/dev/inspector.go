package main

import (
	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/control"
	"github.com/wirepost/wirepost/internal/inspector"
)

// record makes the server tell a recorder what happens, before it starts. It returns
// nil if nobody wants that.
func (d *devFlags) record(server *gateway.Server) *inspector.Recorder {
	if d.noInspector {
		return nil
	}
	var secrets []string
	if a := server.Routes["$connect"].Authorizer; a != nil {
		secrets = a.IdentitySources
	}
	recorder := inspector.NewRecorder(&inspector.RecorderOptions{Secrets: secrets})
	server.Observer = recorder
	return recorder
}

// serveInspector serves the metrics and, if there is a recorder, the inspector at the
// control address, and says where that is. stop ends it.
func (c *command) serveInspector(o inspector.Options, publish *wirepost.PublisherOptions, where controlAddress, live *control.Live) (stop func()) {
	if o.Recorder == nil {
		live.Set(o.Server.Stats, nil)
		return func() {}
	}
	publisher := wirepost.NewPublisher(o.Store, publish)
	o.Publisher, o.Version = publisher, wirepost.Version
	o.Bearer, o.Token = where.Token, control.NewToken()
	page := inspector.New(o)
	live.Set(o.Server.Stats, page)
	c.stderr.Printf("inspector %s%s?token=%s\n", where.URL, inspector.Path, o.Token)
	return func() {
		page.Close()
		publisher.Close()
	}
}
