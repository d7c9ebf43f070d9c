// Package v01 is the store on DynamoDB as version 0.1 had it, before topics had logs. It
// is FROZEN: nobody changes what it reads and writes. Tests let it share a table with the
// store of today, as functions of two versions do while one replaces the other.
//
// It is the code of that version without what no function calls in a request: URLs, AWS's
// configuration, the making and checking of tables, and the cures in its errors. Nothing
// but tests may import it.
package v01

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"

	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// Options say which table, on which server.
type Options struct {
	Table, Endpoint     string
	ShardRows, PageRows int
	AttemptTimeout      time.Duration
	Now                 func() time.Time
	Random              func() float64
	Logger              *slog.Logger
}

// Store is a store of version 0.1.
type Store struct {
	o         Options
	db        *dynamodb.Client
	transport *http.Transport

	mu         sync.Mutex
	identities map[string]wirepost.Identity // what codes stand for; zero: more than one
	kept       map[wirepost.Identity]bool   // identities that have a stage row, as far as is known
	shards     map[string]knownShards       // of topics
	unknown    map[string]time.Time         // codes that no stage row explained, and when
}

var _ wirepost.Store = (*Store)(nil)

// Open makes a store on a table of a server on this machine.
func Open(o Options) *Store {
	if o.AttemptTimeout <= 0 {
		o.AttemptTimeout = 2 * time.Second
	}
	if o.ShardRows <= 0 {
		o.ShardRows = 5000
	}
	if o.PageRows <= 0 {
		o.PageRows = 1000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{o: o, transport: &http.Transport{MaxResponseHeaderBytes: 32 << 10}, identities: map[string]wirepost.Identity{}, kept: map[wirepost.Identity]bool{}, shards: map[string]knownShards{}, unknown: map[string]time.Time{}}
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "development"}, nil
	})
	s.db = dynamodb.New(dynamodb.Client{URL: o.Endpoint, Region: "us-east-1", Credentials: credentials, Transport: s.transport, UserAgent: "wirepost/0.1"})
	return s
}

// made panics if the store is not one of Open's: it has nothing to ask.
func (s *Store) made() {
	if s == nil || s.db == nil {
		panic("v01: this Store was not made by Open")
	}
}

// Close closes idle connections.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// explain says what was attempted, and on what.
func (s *Store) explain(verb, key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s of DynamoDB table %s (%s): %w", verb, key, s.o.Table, s.o.Endpoint, err)
}

const digits = "0123456789"
