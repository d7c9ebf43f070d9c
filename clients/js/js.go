// Package js has the browser client as it is committed, for programs that serve it.
// Its source is src; the tests hold the one against the other.
package js

import _ "embed"

// Module is wirepost.js, an ES module. It must not be changed.
//
//go:embed wirepost.js
var Module []byte

// Streams is stream.js, which imports wirepost.js from next to it. It must not be changed.
//
//go:embed stream.js
var Streams []byte

// Presence is presence.js, the ES module that adds who is present. It must not be changed.
//
//go:embed presence.js
var Presence []byte
