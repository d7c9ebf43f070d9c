package wirepost

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"time"
)

// Bounds of presence.
const (
	// MaxDetail is the most bytes that [Details].Info may have, and that Said may have.
	MaxDetail = 512
	// MaxSessions is the most sessions of one member that a topic keeps. When one more
	// enters, the one whose lease ends first is dropped.
	MaxSessions = 20
	// MaxLease bounds the lease of a session.
	MaxLease = 24 * time.Hour
	// AnnounceAfter is the age from which [Presence].Due lists a change that has not been
	// announced.
	AnnounceAfter = 30 * time.Second
	// GoneKept is how long the store keeps a member that has left.
	GoneKept = 10 * time.Minute
)

// ErrSuperseded is in the chain of the error of [Presence].Enter if a later connection
// already holds the session. Nothing was changed.
var ErrSuperseded = errors.New("a later connection has this session")

// MemberID says who a member of a topic is: a user, or, of a connection without a user, one
// session. Exactly one of the two is set.
type MemberID struct {
	User string `json:"user,omitempty"`
	ID   string `json:"id,omitempty"` // of a session without a user: HashSession of it
}

// Key is a text that differs for different members.
func (m MemberID) Key() string {
	if m.User != "" {
		return "u" + m.User
	}
	return "s" + m.ID
}

// ParseMemberKey is the reverse of [MemberID.Key].
func ParseMemberKey(s string) (MemberID, error) {
	m := MemberID{}
	switch {
	case strings.HasPrefix(s, "u"):
		m.User = s[1:]
	case strings.HasPrefix(s, "s"):
		m.ID = s[1:]
	}
	return m, m.Validate()
}

// ValidateMemberCursor says what is wrong with the cursor of a [Presence].Members whose
// cursors are the keys of members, as they are in the drivers of this module. It may be empty.
func ValidateMemberCursor(after Cursor) error {
	if after == "" {
		return nil
	}
	if _, err := ParseMemberKey(string(after)); err != nil {
		return invalidf("the cursor %q is not of a list of members", clip(string(after)))
	}
	return nil
}

// Validate says what is wrong with a member.
func (m MemberID) Validate() error {
	switch {
	case (m.User == "") == (m.ID == ""):
		return invalidf("a member has either a user or a session")
	case m.User != "":
		return ValidateName(m.User)
	}
	return validateSessionID(m.ID)
}

// HashSession returns the ID of a session from the secret that its client made: 16
// characters of base64url. Stores and other clients see only the ID, and no client can
// enter with it.
func HashSession(secret string) string {
	sum := sha256.Sum256([]byte("wirepost session " + secret))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

func validateSessionID(id string) error {
	wrong := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	if id == "" || len(id) > 64 || strings.ContainsFunc(id, wrong) {
		return invalidf("session %q: it is 1 to 64 letters, digits, - and _", clip(id))
	}
	return nil
}

// Session is one page or one program that is present in a topic, through one connection
// after the other.
type Session struct {
	Topic      string
	User       string // empty: the session is a member by itself
	ID         string // HashSession of what the client has made
	Connection ConnectionKey
}

// Member is whom the session makes present.
func (s Session) Member() MemberID {
	if s.User != "" {
		return MemberID{User: s.User}
	}
	return MemberID{ID: s.ID}
}

// Validate says what is wrong with a session. Drivers call it before they write.
func (s Session) Validate() error {
	if err := ValidateName(s.Topic); err != nil {
		return invalidf("topic: %w", err)
	}
	return cmp.Or(validateSessionID(s.ID), s.Member().Validate(), ValidateConnectionID(s.Connection.ID), s.Connection.Endpoint.Validate())
}

// Details are what others see of a member. If it has several sessions they are those of
// the session that entered last.
type Details struct {
	Info json.RawMessage `json:"info,omitempty"` // set by the function: [PresenceOptions].Info
	Said json.RawMessage `json:"said,omitempty"` // set by the client
}

// Validate says what is wrong with details: each is JSON of MaxDetail bytes at most, or
// absent.
func (d Details) Validate() error {
	for name, v := range map[string]json.RawMessage{"info": d.Info, "said": d.Said} {
		if len(v) > MaxDetail || len(v) > 0 && !json.Valid(v) {
			return invalidf("%s has %d bytes; it is JSON of %d bytes at most", name, len(v), MaxDetail)
		}
	}
	return nil
}

func (d Details) equal(o Details) bool {
	return string(d.Info) == string(o.Info) && string(d.Said) == string(o.Said)
}

// ChangeKind is what a change means for those who watch.
type ChangeKind int

// The kinds. MemberJoined is also a member that was there and has other details now.
const (
	MemberSame ChangeKind = iota
	MemberJoined
	MemberLeft
)

// Change is the effect of a write on what the watchers of a topic see. The caller
// announces each change whose Kind is not MemberSame, and then calls [Presence].Announced.
type Change struct {
	Topic string
	MemberID
	Kind ChangeKind
	// Number grows with every change of this member. It is a time in milliseconds, as far
	// as that is possible.
	Number int64
	Details
}

// Member is somebody who is present.
type Member struct {
	MemberID
	Number int64 `json:"n"` // of the last change that was announced, or is to be
	Details
	Sessions int    `json:"-"` // how many live
	Cursor   Cursor `json:"-"`
}

// Lease says until when a session counts as present.
type Lease struct {
	ID    string // of the session
	Until time.Time
}

// Lapsed is a member that needs a sweep: it has leases that are over, a change that was
// not announced, or it left so long ago that it can be removed.
type Lapsed struct {
	Topic string
	MemberID
	Number int64
	Details
	Leases      []Lease // that are over, for Lapse
	Living      bool    // it has another session
	Unannounced bool    // its last change was not announced within AnnounceAfter
	Gone        bool    // for longer than GoneKept: Announced with Number removes it
}

// Presence is an optional interface of a [Store]: it keeps who is present in each topic.
// It is implemented by drivers; its comments are the contract, and
// wireposttest.TestPresence checks it.
//
// A member is present while one of its sessions has a lease that is not over, by the clock
// of the store that is asked. All methods may be called concurrently, from many processes,
// and each may be repeated. A method that returns an error may or may not have taken
// effect; if it has, Due lists its change after AnnounceAfter. A store that gives access to
// another one, as that of package httpstore does, returns [ErrNotSupported] if the other
// one has no presence.
type Presence interface {
	// Enter makes a session present until now + lease, through this connection. The change
	// is MemberJoined if the member was not present, has other details, or if its last change was
	// not announced yet. It returns [ErrSuperseded] if a connection that is later has the
	// session: nothing has happened then.
	Enter(ctx context.Context, s Session, lease time.Duration, d Details) (Change, error)
	// Renew makes the lease of a session end at now + lease, if the session is there and is
	// that connection's; else it reports false.
	Renew(ctx context.Context, s Session, lease time.Duration) (bool, error)
	// Leave removes a session if it is there and is that connection's. The change is MemberLeft
	// if the member has no other that lives.
	Leave(ctx context.Context, s Session) (Change, error)
	// Lapse removes the sessions of l.Leases if each has exactly this lease, and else
	// nothing. The change is as that of Leave.
	Lapse(ctx context.Context, l Lapsed) (Change, error)
	// Announced says that the change of this number went out. A member that left longer
	// than GoneKept ago, with this change, is removed.
	Announced(ctx context.Context, topic string, m MemberID, number int64) error
	// Members lists who is present in a topic, each once, in an order of the driver's. after
	// is empty, or the cursor of a member that was listed, who need not be there any more;
	// what cannot be one is an [ErrInvalid]. An error is yielded once, as the last item.
	// Nothing is locked while the body runs.
	Members(ctx context.Context, topic string, after Cursor) iter.Seq2[Member, error]
	// Due lists the members of all topics that need a sweep at that time. It may include
	// one that another process has just handled.
	Due(ctx context.Context, now time.Time) iter.Seq2[Lapsed, error]
	// TakeSweep takes the minute of now for the caller's sweep, in one atomic step. It
	// reports false if that minute or a later one was taken before.
	TakeSweep(ctx context.Context, now time.Time) (bool, error)
	// Mark subscribes a connection to a topic as Subscribe does, and marks it as one that
	// watches the topic's presence: listings of the topic say so ([Listed].Marked), and
	// [Connection].Marks has the mark: a session's ID, or - for one that only looks. An
	// empty mark takes the mark away. A mark ends with its subscription. It returns
	// [ErrNotFound] if there is no row for the connection.
	Mark(ctx context.Context, id, topic, mark string) error
}

// OnlyWatches is the mark of a connection that watches a topic's presence without being
// listed as present. OnlySeen before a session's ID is the mark of a connection that is
// present and may not watch: no listing has [Listed].Marked for it.
const (
	OnlyWatches = "-"
	OnlySeen    = "!"
)

// MarkWatches reports whether a connection with this mark watches the topic's presence:
// the mark is not empty and does not begin with [OnlySeen].
func MarkWatches(mark string) bool { return mark != "" && !strings.HasPrefix(mark, OnlySeen) }

// markSession is the session of a mark; empty if it has none.
func markSession(mark string) string {
	if mark == OnlyWatches {
		return ""
	}
	return strings.TrimPrefix(mark, OnlySeen)
}

// ValidateMark says what is wrong with what is given to [Presence].Mark.
func ValidateMark(topic, mark string) error {
	if err := ValidateName(topic); err != nil {
		return err
	}
	if mark == "" || mark == OnlyWatches {
		return nil
	}
	return validateSessionID(strings.TrimPrefix(mark, OnlySeen))
}

// ValidateEnter says what is wrong with the arguments of an Enter or a Renew.
func ValidateEnter(s Session, lease time.Duration, d Details) error {
	if lease < time.Second || lease > MaxLease {
		return invalidf("lease %v: it is from 1s to %v", lease, MaxLease)
	}
	return cmp.Or(s.Validate(), d.Validate())
}
