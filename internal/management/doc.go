// Package management makes the three @connections calls of one management
// endpoint: POST sends a message to a connection, GET describes it, DELETE closes
// it. It signs each call, keeps a pool of connections to the endpoint, and reports
// the answer, or how far a call without an answer got.
//
// It knows nothing of audiences, stores or results, and explains nothing: what an
// answer means and what to do next is the caller's decision.
package management
