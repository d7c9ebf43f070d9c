package wirepost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// MaxClaims is how many bytes [Connection].Claims may have. A write to DynamoDB
// costs by the kilobyte, so it is worth keeping them below about 800.
const MaxClaims = 4 << 10

// Connection is the row that a store keeps of a live connection.
type Connection struct {
	ID       string   `json:"connectionId"`
	Endpoint Identity `json:"endpoint"`
	User     string   `json:"user,omitempty"`   // empty: no user
	Topics   []string `json:"topics,omitempty"` // sorted, each once
	// Claims is what the Connect hook wants found again with a later message, such
	// as what the client's token allows: text of the hook's own, MaxClaims bytes at
	// most. No listing reads it.
	Claims string `json:"claims,omitempty"`
	// Marks are topics whose presence the connection watches, with what [Presence].Mark
	// was given. No Put writes them.
	Marks       map[string]string `json:"marks,omitempty"`
	ConnectedAt time.Time         `json:"connectedAt"` // the gateway's clock, whole milliseconds
	ExpiresAt   time.Time         `json:"expiresAt"`   // whole milliseconds; the row is dead from then on
}

// Key is what identifies the connection's row.
func (c Connection) Key() ConnectionKey {
	return ConnectionKey{c.ID, c.Endpoint, c.ConnectedAt}
}

// Validate says what is wrong with a row. Drivers call it before they write.
func (c Connection) Validate() error {
	if err := ValidateConnectionID(c.ID); err != nil {
		return err
	}
	if err := c.Endpoint.Validate(); err != nil {
		return invalidf("connection %s: %w", c.ID, err)
	}
	if err := (Accept{User: c.User, Topics: c.Topics, Claims: c.Claims}).validate(); err != nil {
		return invalidf("connection %s: %w", c.ID, err)
	}
	if c.ConnectedAt.IsZero() || c.ExpiresAt.IsZero() {
		return invalidf("connection %s: connectedAt or expiresAt is missing", c.ID)
	}
	return nil
}

// ConnectionKey names one connection for good. The ID finds the row; endpoint
// and connectedAt keep a late or misdirected delete from removing another
// connection's row.
type ConnectionKey struct {
	ID          string
	Endpoint    Identity
	ConnectedAt time.Time
}

// Matches reports whether c is the connection that the key names.
func (k ConnectionKey) Matches(c Connection) bool {
	return k.ID == c.ID && k.Endpoint == c.Endpoint && k.ConnectedAt.UnixMilli() == c.ConnectedAt.UnixMilli()
}

// Cursor is a place in a listing. It is opaque, may be stored, and is valid for
// the same store, audience and part only. The empty cursor is the beginning.
type Cursor string

// ListOptions narrows a listing.
type ListOptions struct {
	// After continues behind an item that was yielded before.
	After Cursor
	// Parts > 1 splits the listing into that many; Part is 0 … Parts-1. Each
	// connection is in exactly one part.
	Part, Parts int
}

// Validate says what is wrong with the options.
func (o ListOptions) Validate() error {
	if o.Parts < 0 || o.Part < 0 || o.Part > 0 && o.Part >= o.Parts {
		return invalidf("list part %d of %d: the part must be from 0 to parts-1", o.Part, o.Parts)
	}
	return nil
}

// Contains reports whether the part of these options has the connection. Drivers
// without partitions of their own use it as their filter.
func (o ListOptions) Contains(id string) bool {
	if o.Parts <= 1 {
		return true
	}
	h := fnv.New32a()
	h.Write([]byte(id))
	return int(h.Sum32()%uint32(o.Parts)) == o.Part
}

// Listed is one item of a listing: as much as a post, and the removal of what
// turns out to be gone, need. The whole row is [Store.Connection].
type Listed struct {
	ID          string
	Endpoint    Identity
	ConnectedAt time.Time
	Cursor      Cursor
	// Marked says, in a listing of a topic, that the connection watches the topic's
	// presence ([Presence].Mark).
	Marked bool
}

// Key names the connection.
func (l Listed) Key() ConnectionKey { return ConnectionKey{l.ID, l.Endpoint, l.ConnectedAt} }

// Store keeps endpoints, connections and subscriptions for every program of a
// system. This interface is implemented by drivers; its comments are the
// contract, and wireposttest.TestStore and TestStoreRaces check it.
//
// All methods may be called concurrently, from many processes. They return
// promptly when the context ends, with an error that wraps its cause. A method
// that returns an error may or may not have taken effect; each may be repeated.
//
// A row is expired when now ≥ ExpiresAt, by the store's own clock, for every
// method: an expired connection is not found, not listed and not subscribed, and
// a Put finds nothing to add to.
//
// What cannot be a name, an identity, a row or a cursor is refused with one sentence, of
// an error that is an [ErrInvalid]. An ID that no gateway would make is an absent one.
//
// A listing or lookup that starts after a write has returned sees that write.
type Store interface {
	// Put writes the row of a connection together with its subscriptions. A row
	// that is found is whole. A listing may show a connection whose Put has not
	// returned, or failed half way: to a post it is one whose $connect is still
	// running, or has ended. See Reap.
	//
	// Put of the same connection again (see [ConnectionKey]) sets user, claims and expiry
	// and adds the topics to those that are there. Put under an ID whose row is of
	// another connection replaces that row and its subscriptions if ConnectedAt is
	// later, and does nothing otherwise.
	Put(ctx context.Context, c Connection) error
	// Delete removes the row and the subscriptions of exactly this connection and
	// reports whether it did; a row that is absent or of another connection is
	// left alone, without an error.
	Delete(ctx context.Context, k ConnectionKey) (bool, error)
	// Reap removes a connection that a listing of the audience showed and that has
	// ended: what Delete removes, and whatever else made the listing show it, such
	// as what a Put or Subscribe that failed half way has left. It reports whether it
	// removed anything. Another connection under the same ID is left alone.
	Reap(ctx context.Context, a Audience, l Listed) (bool, error)
	// Connection finds a row by ID. It returns [ErrNotFound].
	Connection(ctx context.Context, id string) (Connection, error)
	// Subscribe adds a topic to a connection. It is idempotent, and returns
	// [ErrNotFound] if there is no row for the connection.
	Subscribe(ctx context.Context, id, topic string) error
	// Unsubscribe removes a topic. It is idempotent; an absent connection is no
	// error.
	Unsubscribe(ctx context.Context, id, topic string) error
	// Connections lists an audience in an order of the driver's. A connection that
	// is in the audience throughout the listing is yielded exactly once; one that
	// joins or leaves meanwhile at most once. An error is yielded once, as the
	// last item. Nothing is locked while the body runs: it may call any method of
	// the store, and may break.
	Connections(ctx context.Context, a Audience, o ListOptions) iter.Seq2[Listed, error]
	// PutStage keeps the record if it is newer than the stored one
	// ([StageRecord.Newer]), in one atomic step, and returns what is stored then.
	PutStage(ctx context.Context, r StageRecord) (StageRecord, error)
	// Stage finds the record of a stage. It returns [ErrNotFound].
	Stage(ctx context.Context, id Identity) (StageRecord, error)
	// Stages lists all stage records, ordered by API ID, stage and region.
	Stages(ctx context.Context) ([]StageRecord, error)
	// DeleteStage removes the record of a stage if it is still this one (the same
	// URL and event time), in one atomic step, and reports whether it did.
	DeleteStage(ctx context.Context, r StageRecord) (bool, error)
	// Close releases what the store holds. It may be called more than once; what the
	// other methods do after it is not promised.
	Close() error
}

// A StoreOpener opens the store that a URL names.
type StoreOpener func(ctx context.Context, rawURL string) (Store, error)

// The registry of drivers is the module's one global, as in database/sql: a
// driver puts itself in when it is imported.
var storeOpeners = struct {
	sync.Mutex
	byScheme map[string]StoreOpener
}{byScheme: map[string]StoreOpener{
	"mem": func(context.Context, string) (Store, error) { return NewMemStore(nil), nil },
}}

// RegisterStore makes a driver known to [OpenStore] under a URL scheme, without its
// colon. Drivers call it from init; it may be called concurrently. It panics if the
// scheme is already registered or open is nil: both are mistakes of the program.
func RegisterStore(scheme string, open StoreOpener) {
	if open == nil {
		panic("wirepost.RegisterStore: the opener of " + scheme + ": is nil")
	}
	storeOpeners.Lock()
	defer storeOpeners.Unlock()
	if _, taken := storeOpeners.byScheme[scheme]; taken {
		panic("wirepost: a store driver for " + scheme + ": is registered twice")
	}
	storeOpeners.byScheme[scheme] = open
}

// OpenStore opens the store that a URL names. The driver of its scheme must be linked
// into the program by a blank import, such as that of package sqlitestore for
// "sqlite:PATH". Only "mem:" needs none: each call opens a new, empty [MemStore]. An
// empty URL means $WIREPOST_STORE; it is an error if that is empty, too. The caller
// closes the store.
func OpenStore(ctx context.Context, rawURL string) (Store, error) {
	if rawURL == "" {
		if rawURL = os.Getenv("WIREPOST_STORE"); rawURL == "" {
			return nil, errors.New("open store: no store is named; set WIREPOST_STORE, for example to sqlite:.wirepost/store.db")
		}
	}
	scheme, _, ok := strings.Cut(rawURL, ":")
	if !ok {
		return nil, fmt.Errorf("open store %q: a store is named by a URL such as sqlite:PATH", clip(rawURL))
	}
	storeOpeners.Lock()
	open := storeOpeners.byScheme[scheme]
	known := make([]string, 0, len(storeOpeners.byScheme))
	for s := range storeOpeners.byScheme {
		known = append(known, s)
	}
	storeOpeners.Unlock()
	if open == nil {
		slices.Sort(known)
		shown := scheme
		if u, err := url.Parse(rawURL); err == nil {
			shown = u.Redacted()
		}
		return nil, fmt.Errorf("open store %s: no driver for %q is linked into this program (there are: %s); import it, as in import _ \"github.com/wirepost/wirepost/%s\"", shown, scheme, strings.Join(known, ", "), cmp.Or(drivers[scheme], "sqlitestore"))
	}
	return open(ctx, rawURL)
}

// drivers are the packages of this module by the schemes that they link.
var drivers = map[string]string{"dynamodb": "dynamostore", "sqlite": "sqlitestore", "http": "httpstore"}

// isNil reports whether an interface has nothing in it, or a nil pointer, such as a
// driver's Open that failed has returned.
func isNil(i any) bool {
	if i == nil {
		return true
	}
	v := reflect.ValueOf(i)
	return v.Kind() == reflect.Pointer && v.IsNil()
}
