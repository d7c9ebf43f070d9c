// Package dynamostore keeps a [wirepost.Store] in one DynamoDB table: endpoints,
// connections and subscriptions of any number of APIs, stages and regions.
//
// Importing it links the scheme "dynamodb" into [wirepost.OpenStore]:
//
//	import _ "github.com/wirepost/wirepost/dynamostore"
//
//	store, err := wirepost.OpenStore(ctx, "dynamodb://connections?region=eu-central-1")
//
// # The table
//
// Two string keys, p and s, on-demand billing, TTL on x. "wirepost table create"
// makes it, and so do the templates in deploy. Rows:
//
//	row           p                  s                        attributes
//	connection    c0 … c7            SLICE ID                 x m a g u t v c
//	user          u:USER             SLICE ID.TIME.ENDPOINT   x m
//	topic         tSHARD:TOPIC       SLICE ID.TIME.ENDPOINT   x m
//	shard count   n:TOPIC            n                        n x
//	stage         s                  API/STAGE@REGION         u t x
//
// SLICE is two characters of a hash of the ID, by which a listing is divided into
// parts. TIME is when the connection was made, ENDPOINT a hash of its endpoint's
// identity. They make each user and topic row the row of exactly one connection:
// nobody else ever writes or deletes it, so it needs neither a condition nor a
// transaction, and a listing gives all that a post and the removal of a gone
// connection need.
//
// A user or topic row of a 16-byte topic has 67 bytes: 10,000 subscribers are 164
// read units. That is why it carries a hash of the identity, and the stage row
// the identity itself, of whatever length. (A hash that no stage row explains is
// looked up in the connection's own row.)
//
//	x  when the row ends, in seconds, rounded up: what TTL needs
//	m  by how many milliseconds it ends before x
//	a  the endpoint's identity, g when the connection was made (milliseconds)
//	u  the user; in a stage row the URL
//	t  a map from topic to the shard that its row is in; in a stage row the
//	   event's time in milliseconds
//	c  what the Connect hook wants found again; absent if there is nothing
//	v  a number that every change of a connection row raises
//	n  the number of shards of a topic
//
// # Order of writes
//
// No operation is a transaction, which would cost double. A connect writes its
// user and topic rows first and the connection row last, on the condition that
// there is none; a subscribe writes the topic row first and then raises v on the
// condition that it is unchanged; an unsubscribe and a disconnect delete the user
// and topic rows first, then change the connection row on the same condition, and
// start again where it fails. One that loses such a race removes what it has
// written, and what it has written is nobody else's.
//
// Cut half way at any place, this leaves:
//
//   - a connect: user and topic rows without a connection row. A publish that
//     meets one posts to a connection that is gone, and removes it ([Store.Reap]).
//   - a disconnect: a connection row without some of its user and topic rows. Its
//     client has gone; the next publish to everyone removes it. (A connect that is
//     delivered again while its disconnect runs can leave the same.)
//   - a subscribe: a topic row that the connection row does not name. The
//     connection gets what is published to the topic until it unsubscribes, once
//     even if it subscribes again in another shard.
//
// TTL removes in the end what no publish meets, and "wirepost sweep" at once.
// DynamoDB deletes expired rows "within a few days" (AWS, developer guide, "Using
// time to live"), so every read looks at x and m itself.
//
// # Shards
//
// One partition gives 3,000 read and 1,000 write units a second. A topic starts
// in one shard; a listing that finds more than [Options].ShardRows rows a shard
// doubles their number, by a conditional write. Rows stay where they are, the
// connection row says where; new ones spread; a listing reads all shards at once
// and merges them. The number never falls. A lister reads it afresh; a subscriber may know
// an older one.
//
// # What an operation costs
//
// In read and write units, by AWS's formula (4 KB a strongly consistent read, 1 KB
// a write, rounded up), for rows below 1 KB and a process that knows stage and
// shards; docs/dynamodb.md has the same measured.
//
//	connect                  1 write, +1 for a user, +1 a topic
//	the same event again     as many, +1 write, +1 read
//	disconnect               1 read, 1 write, +1 for a user, +1 a topic
//	subscribe                1 read, 2 writes
//	unsubscribe              2 reads, 2 writes, +1 for each doubling of the shards
//	publish to a topic       1 read, + 1 for 61 subscribers
//	publish to a user        1 read
//	publish to everyone      8 reads, or 1 for about 30 connections
//	reap one gone            as a disconnect
//	a stage, steady state    nothing
//	first of a process       ½ read a stage and a topic
package dynamostore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/awsconfig"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

func init() {
	wirepost.RegisterStore("dynamodb", func(ctx context.Context, rawURL string) (wirepost.Store, error) {
		s, err := OpenURL(ctx, rawURL)
		if err != nil {
			return nil, err // not a nil *Store in an interface
		}
		return s, nil
	})
}

// Options say which table, and how it is used. Only Table is required.
type Options struct {
	Table string
	// Region of the table. Default: AWS_REGION or AWS_DEFAULT_REGION, in a program that
	// links package awschain the profile's, and us-east-1 for an Endpoint on this
	// machine.
	Region string
	// Endpoint is another server than AWS's, such as http://127.0.0.1:8000.
	// Default: AWS's, or AWS_ENDPOINT_URL_DYNAMODB.
	Endpoint string
	// Credentials. Default: the environment's (AWS_ACCESS_KEY_ID and its companions,
	// which Lambda sets), AWS's whole chain in a program that links package awschain,
	// and a development pair for an Endpoint on this machine where the environment has
	// none.
	Credentials aws.CredentialsProvider
	// AttemptTimeout bounds one attempt of one request. Default 2 s.
	AttemptTimeout time.Duration
	// ShardRows is how many rows of a topic there may be a shard before a listing
	// doubles its shards. Default 5,000.
	ShardRows int
	// PageRows is how many rows one request of a listing reads. Default 1,000.
	PageRows int
	// Now is the store's clock, which decides what has expired. Default time.Now.
	Now func() time.Time
	// Random gives numbers in [0,1) for the jitter of retries and for versions.
	// Default math/rand/v2; it must be safe for concurrent use.
	Random func() float64
	// Logger gets what no caller can be told: that shards could not be doubled.
	// Default: discarded.
	Logger *slog.Logger
}

// Store is a [wirepost.Store] in a DynamoDB table. All methods may be called
// concurrently, in any number of processes.
type Store struct {
	o         Options
	db        *dynamodb.Client
	transport *http.Transport

	mu         sync.Mutex
	identities map[string]wirepost.Identity // what codes stand for; zero: more than one
	kept       map[wirepost.Identity]bool   // identities that have a stage row, as far as is known
	shards     map[string]knownShards       // of topics
	unknown    map[string]time.Time         // codes that no stage row explained, and when

	logs   topicLogs
	breaks logBreaks // only tests set it

	presenceBreaks presenceBreaks // only tests set it
}

var _ wirepost.Store = (*Store)(nil)

const (
	// maxConnections bounds the connections to DynamoDB of one store.
	maxConnections = 128
	// maxHeader bounds the header of an answer.
	maxHeader = 32 << 10
)

// Open makes a store on a table. It reads AWS's configuration and asks nobody: a
// table that is missing or is another's is found by the first call, with what to
// do, or by [Store.CheckTable].
func Open(ctx context.Context, o *Options) (*Store, error) {
	s := &Store{identities: map[string]wirepost.Identity{}, kept: map[wirepost.Identity]bool{}, shards: map[string]knownShards{}, unknown: map[string]time.Time{}}
	if o != nil {
		s.o = *o
	}
	if !validTable(s.o.Table) {
		return nil, fmt.Errorf("open store: %q is not the name of a DynamoDB table (3 to 255 letters, digits, '_', '-' and '.'); write dynamodb://TABLE?region=REGION", s.o.Table)
	}
	if s.o.AttemptTimeout <= 0 {
		s.o.AttemptTimeout = 2 * time.Second
	}
	if s.o.ShardRows <= 0 {
		s.o.ShardRows = 5000
	}
	if s.o.PageRows <= 0 {
		s.o.PageRows = 1000
	}
	if s.o.Now == nil {
		s.o.Now = time.Now
	}
	if s.o.Random == nil {
		s.o.Random = rand.Float64
	}
	if s.o.Logger == nil {
		s.o.Logger = slog.New(slog.DiscardHandler)
	}
	local, err := isLocal(s.o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("open store dynamodb://%s: %w", s.o.Table, err)
	}
	if v := reflect.ValueOf(s.o.Credentials); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, fmt.Errorf("open store dynamodb://%s: the credentials are a nil %T", s.o.Table, s.o.Credentials)
	}
	load := awsconfig.Options{Region: s.o.Region, Credentials: s.o.Credentials}
	if local {
		load.DefaultRegion = "us-east-1"
		if load.Credentials == nil && os.Getenv("AWS_ACCESS_KEY_ID") == "" && (os.Getenv("AWS_PROFILE") == "" || !awsconfig.Registered()) {
			// A server on this machine accepts any; to look for others would ask the
			// network where there is none.
			load.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "development", Source: "wirepost"}, nil
			})
		}
	}
	cfg, err := awsconfig.Load(ctx, &load)
	if err != nil {
		return nil, fmt.Errorf("open store dynamodb://%s: read AWS's configuration: %w", s.o.Table, err)
	}
	if cfg.Region == "" && os.Getenv("AWS_PROFILE") != "" && !awsconfig.Registered() {
		return nil, fmt.Errorf("open store dynamodb://%s: the region of the table is not known: AWS_PROFILE is set and this program does not read profiles; import _ \"github.com/wirepost/wirepost/awschain\", or write dynamodb://%[1]s?region=REGION", s.o.Table)
	}
	if cfg.Region == "" {
		return nil, fmt.Errorf("open store dynamodb://%s: the region of the table is not known; write dynamodb://%[1]s?region=REGION, or set AWS_REGION", s.o.Table)
	}
	s.o.Region = cfg.Region
	if s.transport, err = newTransport(cfg); err != nil {
		return nil, fmt.Errorf("open store dynamodb://%s: %w", s.o.Table, err)
	}
	server := s.o.Endpoint
	if server == "" {
		if server, err = dynamodb.Endpoint(ctx, cfg); err != nil {
			return nil, fmt.Errorf("open store dynamodb://%s: read AWS's configuration: %w", s.o.Table, err)
		}
		if _, err := isLocal(server); err != nil {
			return nil, fmt.Errorf("open store dynamodb://%s: AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL or the configuration file names the endpoint %q, which is not a URL such as http://127.0.0.1:8000", s.o.Table, server)
		}
	}
	s.db = dynamodb.New(dynamodb.Client{URL: server, Region: cfg.Region, Credentials: aws.NewCredentialsCache(cfg.Credentials), Transport: s.transport, UserAgent: "wirepost/" + wirepost.Version})
	return s, nil
}

// newTransport is a pool of connections of the store's own, so that it can close the
// idle ones, with the authorities that AWS's configuration names.
func newTransport(cfg aws.Config) (*http.Transport, error) {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second, ExpectContinueTimeout: time.Second, MaxResponseHeaderBytes: maxHeader}
	if c, ok := cfg.HTTPClient.(interface{ GetTransport() *http.Transport }); ok { // with the ca_bundle of AWS's chain
		t = c.GetTransport()
	} else if file := os.Getenv("AWS_CA_BUNDLE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read AWS_CA_BUNDLE: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("AWS_CA_BUNDLE: there is no certificate in %s", file)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	t.DialContext = (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 2 * time.Second
	t.MaxResponseHeaderBytes = maxHeader
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.MaxConnsPerHost = maxConnections, maxConnections, maxConnections
	return t, nil
}

// OpenURL opens the store that a URL such as
// dynamodb://TABLE?region=eu-central-1&endpoint=http://127.0.0.1:8000 names.
func OpenURL(ctx context.Context, rawURL string) (*Store, error) {
	o, err := ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	return Open(ctx, o)
}

// ParseURL reads dynamodb://TABLE?region=REGION&endpoint=URL; both parameters may
// be left out.
func ParseURL(rawURL string) (*Options, error) {
	fail := func(format string, args ...any) (*Options, error) {
		return nil, fmt.Errorf("open store %s: %s; write dynamodb://TABLE?region=REGION", redact(rawURL), fmt.Sprintf(format, args...))
	}
	rest, ok := strings.CutPrefix(rawURL, "dynamodb://")
	if !ok {
		return fail("it does not name a DynamoDB table")
	}
	table, query, _ := strings.Cut(rest, "?")
	if !validTable(table) {
		return fail("it is not the name of a table that follows the // (3 to 255 letters, digits, '_', '-' and '.')")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return fail("its parameters cannot be read")
	}
	o := &Options{Table: table}
	for name, v := range values {
		if len(v) != 1 || v[0] == "" {
			return fail("the parameter %q needs one value", name)
		}
		switch name {
		case "region":
			o.Region = v[0]
			if !validRegion(v[0]) {
				return fail("%q is not a region", v[0])
			}
		case "endpoint":
			o.Endpoint = v[0]
			if _, err := isLocal(v[0]); err != nil {
				return fail("%v", err)
			}
		default:
			return fail("there is no parameter %q (there are region and endpoint)", name)
		}
	}
	return o, nil
}

// URL names the table as OpenURL takes it.
func (s *Store) URL() string {
	u := "dynamodb://" + s.o.Table + "?region=" + url.QueryEscape(s.o.Region)
	if s.o.Endpoint != "" {
		u += "&endpoint=" + inQuery.Replace(s.o.Endpoint)
	}
	return u
}

// validTable reports whether DynamoDB can have a table of this name (AWS, developer
// guide, "Naming rules").
func validTable(name string) bool {
	return len(name) >= 3 && len(name) <= 255 && strings.Trim(name, letters+"ABCDEFGHIJKLMNOPQRSTUVWXYZ"+digits+"_.-") == ""
}

// validRegion reports whether a name looks like a region, such as eu-central-1.
func validRegion(name string) bool {
	words := strings.Split(name, "-")
	for i, word := range words {
		if word == "" || strings.Trim(word, letters+digits) != "" || i == 0 && (len(word) < 2 || strings.Trim(word, letters) != "") {
			return false
		}
	}
	return len(words) > 1
}

const (
	letters = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
)

// isLocal says whether an endpoint is on this machine. None is AWS's.
func isLocal(endpoint string) (bool, error) {
	if endpoint == "" {
		return false, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return false, errors.New("its endpoint is not a URL such as http://127.0.0.1:8000")
	}
	a, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && a.IsLoopback(), nil
}

// inQuery escapes what would mean something else in a query, and leaves an endpoint
// readable.
var inQuery = strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", "#", "%23")

// redact leaves of a URL what is certainly not a password: a table's name.
func redact(rawURL string) string {
	table, _, _ := strings.Cut(strings.TrimPrefix(rawURL, "dynamodb://"), "?")
	if validTable(table) {
		return "dynamodb://" + table
	}
	return "dynamodb:…"
}

// made panics if the store is not one of Open's: it has nothing to ask.
func (s *Store) made() {
	if s == nil || s.db == nil {
		panic("dynamostore: this Store was not made by Open")
	}
}

// Close closes idle connections. Calls that are running go on.
func (s *Store) Close() error {
	if s == nil || s.transport == nil {
		return nil
	}
	s.transport.CloseIdleConnections()
	return nil
}
