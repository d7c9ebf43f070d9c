package jwtauth

// NewTransport is that of a verifier that was given none.
var NewTransport = newTransport
