package dev

import (
	"context"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/control"
	"github.com/wirepost/wirepost/internal/inspector"
)

// record makes the server tell a recorder what happens, before it starts.
func record(server *gateway.Server) *inspector.Recorder {
	var secrets []string
	if a := server.Routes["$connect"].Authorizer; a != nil {
		secrets = a.IdentitySources
	}
	recorder := inspector.NewRecorder(&inspector.RecorderOptions{Secrets: secrets})
	server.Observer = recorder
	return recorder
}

// inspection is the part that serves the metrics and, if there is a recorder, the
// inspector at the control address.
type inspection struct {
	c           *Config
	listener    *listener
	store       *store
	control     *controlServer
	credentials *credentials
	handler     *handler
	gateway     *gatewayServer

	publisher *wirepost.Publisher
	page      *inspector.Inspector
}

func (i *inspection) start(context.Context) error {
	g := i.gateway
	if g.recorder == nil {
		i.control.live.Set(g.server.Stats, nil)
		return nil
	}
	i.publisher = i.credentials.publisher(i.store.opened, nil)
	token := control.NewToken()
	i.page = inspector.New(inspector.Options{
		Recorder: g.recorder, Server: g.server, Store: i.store.opened, Faults: i.c.Faults, Publisher: i.publisher, Version: wirepost.Version,
		Connect: i.listener.connect(), Endpoint: i.listener.endpoint(), Query: i.handler.query(),
		Bearer: i.control.at.Token, Token: token,
	})
	i.control.live.Set(g.server.Stats, i.page)
	i.c.Report.Address("inspector", i.control.at.URL+inspector.Path+"?token="+token)
	return nil
}

func (i *inspection) stop(context.Context) error {
	if i.page != nil {
		i.page.Close()
		i.publisher.CloseIdleConnections()
	}
	return nil
}
