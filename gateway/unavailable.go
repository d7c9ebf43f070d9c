package gateway

import "context"

// Unavailable stands for a function that cannot run here: of a runtime that is not
// emulated, of an integration type that is not, or one that failed to start. It may be
// the function of any route, and of an authorizer.
//
// Each event that comes to it is answered as AWS answers what cannot be invoked: the
// handshake with 500 Internal server error, for $connect and for its authorizer, and a
// message with the error frame "Internal server error", also on a one-way route
// (UNCERTAIN, as for a function that fails). Server.Notice is told the reason when it
// is first reached, and then how often. An Observer sees each, with the reason as the
// invocation's error.
//
// It is an error, too: a Function whose Invoke returns one is answered in the same way,
// and so may turn out to be unavailable later.
type Unavailable struct {
	// Reason says what cannot run, why, and what to do, in one sentence without a full
	// stop.
	Reason string
}

// Invoke implements Function. It returns u.
func (u *Unavailable) Invoke(context.Context, []byte) ([]byte, error) { return nil, u }

// Error implements error.
func (u *Unavailable) Error() string { return u.Reason }
