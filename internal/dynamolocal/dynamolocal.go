// Package dynamolocal starts the DynamoDB-compatible servers that this module's
// tests speak to. Nothing but tests imports it.
package dynamolocal

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
)

// Kind names a server.
type Kind string

const (
	// DynamoDBLocal is Amazon's own DynamoDB Local, on 127.0.0.1 as package engine runs
	// it. It checks no signatures.
	DynamoDBLocal Kind = "DynamoDB Local"
	// Dynalite is a peer that Amazon did not write. It listens on 127.0.0.1 only.
	Dynalite Kind = "dynalite"
)

// Start returns the URL of a running server, for example http://127.0.0.1:34567.
//
// There is one server of a kind in a test process: the first Start starts it, which
// takes a second or two and at most a minute for each of at most three ports, and
// all tests of the process share it and its tables, so each should name its tables
// differently. Tables are in memory, and shared by all regions and credentials. As
// with DynamoDB, a new table is to be waited for: dynalite answers CreateTable
// moments before the table can be written to. The server ends with the test
// process, however that ends.
//
// If the server's programs are not installed, the test skips itself, saying what to
// run, or fails where CI=true. On Windows it always skips.
//
// Many goroutines may call Start at the same time, each with its own test. It is
// not to be called in a synctest bubble, whose clock does not wait for a process.
func Start(tb testing.TB, kind Kind) string {
	tb.Helper()
	if runtime.GOOS == "windows" {
		tb.Skipf("skipped: %s is started by a POSIX shell, which Windows has not", kind)
	}
	once, ok := servers[kind]
	if !ok {
		tb.Fatalf("start a DynamoDB server: there is no kind %q", kind)
	}
	s, err := once()
	var lacking missing
	switch {
	case errors.As(err, &lacking) && os.Getenv("CI") == "true":
		tb.Fatalf("%v; run make test-needs (with CI=true nothing is skipped)", err)
	case errors.As(err, &lacking):
		tb.Skipf("skipped: %v; run make test-needs", err)
	case err != nil:
		tb.Fatal(err)
	}
	select {
	case <-s.ended:
		tb.Fatalf("%s has ended since it was started: %v\n%s", kind, s.err, s.output)
	default:
	}
	return s.url
}

// servers is a global because the test process is the owner: a server outlives
// each test that uses it, and nothing else is alive as long as the process.
var servers = map[Kind]func() (*server, error){
	DynamoDBLocal: sync.OnceValues(func() (*server, error) { return start(DynamoDBLocal, dynamoDBLocal) }),
	Dynalite:      sync.OnceValues(func() (*server, error) { return start(Dynalite, dynalite) }),
}
