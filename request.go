package wirepost

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// Accept says what a new connection is.
type Accept struct {
	User   string // empty: none
	Topics []string
	// Claims is kept with the connection and is in the row that
	// [Message.Connection] finds; see [Connection].Claims.
	Claims string
	// Subprotocol is the answer's Sec-WebSocket-Protocol: one of those that the
	// client offered, or empty.
	Subprotocol string
	// ExpiresAt ends the row earlier than the connection's two hours, such as
	// when a token ends. The zero time means no earlier; a time that is over
	// refuses the connection with 401. From then on no publish reaches the
	// connection; the handler of its next message can tell and close it
	// ([Message.Post], [Message.Close]).
	ExpiresAt time.Time
}

// Validate says what cannot be kept: a user or topic that is no name, a topic that is the
// library's own, or claims that are too long. The error is an [ErrInvalid]. ExpiresAt and
// Subprotocol are not looked at.
func (a Accept) Validate() error {
	for _, topic := range a.Topics {
		if err := checkReserved(ToTopic(topic)); err != nil {
			return err
		}
	}
	return a.validate()
}

// validate is Validate for rows, which may have any topic.
func (a Accept) validate() error {
	if a.User != "" {
		if err := ValidateName(a.User); err != nil {
			return invalidf("user: %w", err)
		}
	}
	for _, topic := range a.Topics {
		if err := ValidateName(topic); err != nil {
			return invalidf("topic %q: %w", clip(topic), err)
		}
	}
	if len(a.Claims) > MaxClaims || !utf8.ValidString(a.Claims) {
		return invalidf("the claims have %d bytes; they must be UTF-8 of %d bytes at most", len(a.Claims), MaxClaims)
	}
	return nil
}

// Refuse makes the error with which a Connect hook refuses a connection. The
// client sees the status (400 to 599, else 403) and nothing of the reason, which
// is logged.
func Refuse(status int, reason string) error {
	if status < 400 || status > 599 {
		status = http.StatusForbidden
	}
	return &refusal{status, reason}
}

type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return fmt.Sprintf("refused with %d: %s", r.status, r.reason) }

// Request is what every event of a connection says.
type Request struct {
	Event        events.APIGatewayWebsocketProxyRequest
	ConnectionID string
	Endpoint     Endpoint
	ConnectedAt  time.Time
	Time         time.Time // when the event happened, by the gateway's clock
	raw          []byte    // the event as it came
}

// Key names the connection.
func (r *Request) Key() ConnectionKey {
	return ConnectionKey{r.ConnectionID, r.Endpoint.Identity, r.ConnectedAt}
}

// ConnectRequest is a client that wants to connect.
type ConnectRequest struct{ Request }

// Header is the first value of a handshake header, by any spelling of its name:
// API Gateway changes the case of names behind a mapping of several levels (AWS,
// developer guide, "WebSocket API mappings").
func (r *ConnectRequest) Header(name string) string {
	for k, v := range r.Event.Headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// Query is all values of a query parameter, in their order.
func (r *ConnectRequest) Query(name string) []string {
	if v := r.Event.MultiValueQueryStringParameters[name]; len(v) > 0 {
		return v
	}
	if v, ok := r.Event.QueryStringParameters[name]; ok {
		return []string{v}
	}
	return nil
}

// Subprotocols is what the client offers in Sec-WebSocket-Protocol, trimmed.
func (r *ConnectRequest) Subprotocols() []string {
	var all []string
	for s := range strings.SplitSeq(r.Header("Sec-WebSocket-Protocol"), ",") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}

// DisconnectEvent is a connection that ended.
type DisconnectEvent struct {
	Request
	// Connection is the row that the connection had: its user, topics and claims. It is
	// nil if there was none any more, because it had expired ([Accept].ExpiresAt) or a
	// publish that found the connection gone has removed it, or if the store could not
	// be read.
	Connection *Connection
	User       string // of Connection; empty without one
	Code       int    // of the close frame; API Gateway's own, such as 1006, if there was none
	Reason     string // of the close frame
}
