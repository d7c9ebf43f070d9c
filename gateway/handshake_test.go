package gateway

import (
	"testing"

	"github.com/coder/websocket"
)

func TestAConnectionLivesFromConnectToDisconnect(t *testing.T) {
	f := newRecorder()
	s := &Server{Function: f}
	host := serve(t, s)
	c := dial(t, host, nil)
	connect := f.next(t, "CONNECT")
	if n := s.ConnectionCount(); n != 1 {
		t.Errorf("ConnectionCount = %d, want 1", n)
	}
	write(t, c, `{"action":"x"}`)
	message := f.next(t, "MESSAGE")
	if message.Body != `{"action":"x"}` || message.RequestContext.RouteKey != "$default" {
		t.Errorf("message = %+v", message)
	}
	c.Close(websocket.StatusCode(4001), "bye")
	d := f.next(t, "DISCONNECT").RequestContext
	if d.DisconnectStatusCode != 4001 || d.DisconnectReason != "bye" || d.ConnectionID != connect.RequestContext.ConnectionID {
		t.Errorf("disconnect = %+v", d)
	}
	if d.ConnectedAt != connect.RequestContext.ConnectedAt || d.DomainName != host {
		t.Errorf("disconnect = %+v", d)
	}
}
