package management

import (
	"net/http"
	"time"
)

// Request is what is sent to a connection. One Request may be sent to any number of
// connections: its payload is hashed once.
type Request struct {
	method string
	data   []byte
	hash   string // SHA-256 of data in hexadecimal
}

// Post sends data to a connection. The caller must not change data while calls are
// in flight.
func Post(data []byte) Request { return Request{http.MethodPost, data, payloadHash(data)} }

// Get asks for the description of a connection.
func Get() Request { return Request{http.MethodGet, nil, emptyPayloadHash} }

// Delete closes a connection.
func Delete() Request { return Request{http.MethodDelete, nil, emptyPayloadHash} }

// Size is the number of bytes of the message.
func (r Request) Size() int { return len(r.data) }

// Answer is what the endpoint answered.
type Answer struct {
	Status    int
	ErrorType string    // X-Amzn-Errortype without what follows a colon
	Body      []byte    // the first 2 KB
	Date      time.Time // of a 410 and a 403; zero if the answer has none
	HTML      bool      // the answer is a page, which API Gateway never sends
	Server    string
	Mark      Mark   // of a status that is not a success
	API       string // API/STAGE whose gateway answered, where a local gateway says so
}

// Error is a call that got no answer.
type Error struct {
	Reason Reason
	// Connected reports whether the client had ever opened a connection to the
	// endpoint. An unsent call whose time ran out was waiting for one of those then,
	// and otherwise for the first to open.
	Connected bool
	Err       error
}

// Reason says how far a call without an answer got.
type Reason int

const (
	// NoCredentials: nothing was sent, because there was nothing to sign with.
	NoCredentials Reason = iota + 1
	// Unsent: no byte of the request left, so repeating it delivers once.
	Unsent
	// Unanswered: the request may have arrived.
	Unanswered
)

// Error is the text of the cause.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }
