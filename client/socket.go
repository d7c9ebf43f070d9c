package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/coder/websocket"
)

// dial opens a WebSocket connection.
func dial(ctx context.Context, url string, subprotocols []string) (Socket, error) {
	conn, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: subprotocols})
	if err != nil {
		if answer != nil && answer.StatusCode != http.StatusSwitchingProtocols {
			return nil, refusedHandshake(answer.StatusCode)
		}
		return nil, err
	}
	conn.SetReadLimit(maxRead)
	return socket{conn}, nil
}

// refusedHandshake says with which status a server refused a connection, and what to look
// at. API Gateway has a 401 for a token that is missing or wrong, and a 403 for one that a
// policy denies and for a stage that is not there.
func refusedHandshake(status int) error {
	text := fmt.Sprintf("the server refused the connection with %d %s", status, http.StatusText(status))
	switch status {
	case http.StatusUnauthorized:
		text += ": the token is missing or not valid"
	case http.StatusForbidden:
		text += ": the URL names a stage that the API does not have, or the token is denied"
	}
	return errors.New(text)
}

type socket struct{ *websocket.Conn }

func (s socket) Read(ctx context.Context) ([]byte, error) {
	_, text, err := s.Conn.Read(ctx)
	return text, err
}

func (s socket) Write(ctx context.Context, text []byte) error {
	return s.Conn.Write(ctx, websocket.MessageText, text)
}

// Close does not wait for the answer, for longer than the library's own bound.
func (s socket) Close(code int) {
	go s.Conn.Close(websocket.StatusCode(code), "") // ends within ten seconds, the library's bound
}
