package wirepost

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
)

// A Handler does the work of one route. The bytes it returns reach the client
// only if the route has a route response (AWS, developer guide, "Set up route
// responses"), and only up to [MaxMessage] of them; longer answers are logged. An error
// is logged and answered with status 500, which API Gateway does not pass on.
//
// [HandleJSON] is for handlers that read JSON and answer each frame.
type Handler func(ctx context.Context, m *Message) ([]byte, error)

// Middleware makes a handler of a handler: what is done for every message, such as
// logging, measuring, or asking whether the sender may. [Mux.Use] adds one.
type Middleware func(next Handler) Handler

// Use puts middleware around the handlers of all routes, those of [HandleJSON] and of
// [Mux.HandleProtocol] too; the first is the outermost. $connect and $disconnect have
// hooks and not handlers, and are not concerned.
//
// It panics for a nil one, and if a handler was set before: that one would go without.
func (m *Mux) Use(around ...Middleware) {
	m.made("wirepost: Mux.Use")
	if len(m.handlers) > 0 || m.protocol != nil {
		panic("wirepost: Mux.Use: a handler was set before, and would go without the middleware; call Use first")
	}
	for _, w := range around {
		if w == nil {
			panic("wirepost: Mux.Use: the middleware is nil")
		}
	}
	m.around = append(m.around, around...)
}

// wrap puts the middleware around a handler.
func (m *Mux) wrap(routeKey string, h Handler) Handler {
	for i := len(m.around) - 1; i >= 0; i-- {
		if h = m.around[i](h); h == nil {
			panic("wirepost: middleware made a nil handler of that of route key " + routeKey)
		}
	}
	return h
}

// Handle sets the handler of a route key, such as "sendmessage" or "$default".
// Call it before the first event. A handler that is set here wins over that of
// [Mux.HandleProtocol], in whichever order they are called.
//
// A message that the API sends by $default, because it has no route for the message's
// action, goes to the handler of that action if there is one: so a route of one's own
// needs no route of the API's. The action is the string member "action" of the message,
// as in the usual route selection expression $request.body.action.
//
// It panics for $connect and $disconnect, which have hooks in [MuxOptions], for a
// handler that is nil, and for a route key that has a handler already.
func (m *Mux) Handle(routeKey string, h Handler) {
	m.made("wirepost: Mux.Handle")
	switch {
	case routeKey == "$connect" || routeKey == "$disconnect" || routeKey == "":
		panic("wirepost: Mux.Handle: route key " + routeKey + ": use MuxOptions.Connect and MuxOptions.Disconnect")
	case h == nil:
		panic("wirepost: Mux.Handle: the handler of route key " + routeKey + " is nil")
	case m.handlers[routeKey] != nil:
		panic("wirepost: Mux.Handle: route key " + routeKey + " has a handler already")
	}
	m.handlers[routeKey] = m.wrap(routeKey, h)
}

// find is the handler of a message and the key that it was set for. It is that of the
// action if the API sent the message by $default, else that of the route key, else that
// of $default; nil if there is none.
func (m *Mux) find(routeKey string, body []byte) (string, Handler) {
	if routeKey == "$default" {
		if action, ok := actionOf(body); ok {
			if h := m.handler(action); h != nil {
				return action, h
			}
		}
	}
	if h := m.handler(routeKey); h != nil {
		return routeKey, h
	}
	return routeKey, m.handler("$default")
}

// handler is that of exactly this key.
func (m *Mux) handler(key string) Handler {
	if h := m.handlers[key]; h != nil {
		return h
	}
	return m.protocol[key]
}

// actionOf is the member "action" of a message, spelled so. Route keys that begin with $
// are API Gateway's own, and no client chooses one.
func actionOf(body []byte) (action string, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || json.Unmarshal(members["action"], &action) != nil {
		return "", false
	}
	return action, action != "" && action[0] != '$'
}

// RouteKeys lists what the API may have routes for: $connect, $disconnect and each key
// that has a handler. All but the first two need a route response if what the handler
// returns is to reach the client. Of the keys that are missing in the API, those that
// are actions arrive by $default (see [Mux.Handle]).
func (m *Mux) RouteKeys() []string {
	m.made("wirepost: Mux.RouteKeys")
	all := maps.Clone(m.handlers)
	maps.Copy(all, m.protocol)
	return append([]string{"$connect", "$disconnect"}, sortedKeys(all)...)
}

// routesAnswer answers {"wirepost":"routes"}.
type routesAnswer struct {
	Routes []string `json:"routes"`
}

// maxAsk is more than the payload needs: an event is not parsed twice.
const maxAsk = 256

// asksForRoutes reports whether a payload is exactly {"wirepost":"routes"}. What a client
// sends comes inside an event, so none can ask.
func asksForRoutes(payload []byte) bool {
	if len(payload) > maxAsk || !bytes.Contains(payload, []byte(`"routes"`)) {
		return false
	}
	var members map[string]any
	return json.Unmarshal(payload, &members) == nil && len(members) == 1 && members["wirepost"] == "routes"
}
