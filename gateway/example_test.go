package gateway_test

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/gateway"
)

// A server runs a function for each event; a client sees what the function
// answers on a two-way route.
func ExampleServer() {
	function := gateway.FunctionFunc(func(_ context.Context, payload []byte) ([]byte, error) {
		if strings.Contains(string(payload), `"eventType":"MESSAGE"`) {
			return []byte(`{"statusCode":200,"body":"pong"}`), nil
		}
		return []byte(`{"statusCode":200}`), nil
	})
	server := &gateway.Server{
		Function: function,
		Routes:   map[string]gateway.Route{"$connect": {}, "ping": {RouteResponse: true}},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go server.Serve(listener)
	ctx := context.Background()
	defer server.Shutdown(ctx)

	client, _, err := websocket.Dial(ctx, "ws://"+listener.Addr().String()+"/dev", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseNow()
	client.Write(ctx, websocket.MessageText, []byte(`{"action":"ping"}`))
	_, data, _ := client.Read(ctx)
	fmt.Println(string(data))
	// Output: pong
}
