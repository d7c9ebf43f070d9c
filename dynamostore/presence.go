package dynamostore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// # How presence is kept, and why nothing is wrong for longer than its bound
//
// A member of a topic is one row. Each call is one conditional update of it that returns
// the row from before, or the one that refused it: whether a session was the first that
// lives, or the last, is judged from that row, so two processes never both think so.
//
//  1. A change has a number, which grows: the time in milliseconds, or one more than the
//     last. What takes a session away, or adds one where none lives, changes the number.
//  2. An Enter where another session lives changes no number, on the condition that it is
//     still that of the row that showed it: nobody has left meanwhile.
//  3. A call has a name, which is in the row. An update whose answer was lost finds its
//     name there when it is tried again, and knows that the change was its own.
//  4. What was announced is in the row. Where the number is above that, a sweep announces.
//
// So whichever process dies between two steps, the row says what is left to do.

var _ wirepost.Presence = (*Store)(nil)

// presenceBreaks take rules away, for the tests that find out whether a rule is needed.
type presenceBreaks struct {
	numberFalls    bool // rule 1
	neverLast      bool // no Leave is a leave
	oneIsAll       bool // a Leave is a member's last, even if other sessions are there
	tellsNothing   bool // rule 4: Due tells no change that was not announced
	listsDead      bool // Members has those whose leases are over
	renewsNothing  bool // Renew says that it has
	lapsesTooEarly bool // Due tells leases that are not over
}

// updated is the result of a conditional update.
type updated struct {
	held bool
	row  *memberRow // from before, or the one that refused; nil where there was none
}

// updateMember makes one conditional update of a member's row.
func (s *Store) updateMember(ctx context.Context, k key, in dynamodb.UpdateItemInput) (updated, error) {
	in.TableName, in.Key = s.o.Table, k.item()
	in.ReturnValues, in.ReturnValuesOnConditionCheckFailure = dynamodb.AllOld, dynamodb.AllOld
	out, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.WriteOutput, error) { return s.db.UpdateItem(ctx, in) })
	u := updated{held: err == nil}
	var it item
	switch {
	case err == nil:
		it = out.Attributes
	case conditionFailed(err):
		if it = refusedItem(err); it == nil { // there is none, or the server does not say
			if it, err = s.get(ctx, k, true); err != nil {
				return u, err
			}
		}
	default:
		return u, s.explain("write", k.String(), err)
	}
	if len(it) == 0 {
		return u, nil
	}
	m, err := parseMember(it)
	if err != nil {
		return u, s.explain("read", k.String(), err)
	}
	u.row = &m
	return u, nil
}

// refusedItem is the row that a conditional write has found in its place.
func refusedItem(err error) item {
	refused, _ := errors.AsType[*dynamodb.Error](err)
	return refused.Item
}

// nextNumber is that of a change to a row.
func (s *Store) nextNumber(row *memberRow) int64 {
	n := s.o.Now().UnixMilli()
	if row != nil && !s.presenceBreaks.numberFalls {
		n = max(n, row.change+1)
	}
	return n
}

// longestContest is how often a call that others were faster than is tried again.
const longestContest = 100

// Enter implements [wirepost.Presence]. It costs a write, and another one where the member
// was present not long ago.
func (s *Store) Enter(ctx context.Context, e wirepost.Session, lease time.Duration, d wirepost.Details) (wirepost.Change, error) {
	s.made()
	fail := func(err error) (wirepost.Change, error) {
		return wirepost.Change{}, fmt.Errorf("enter topic %q: %w", e.Topic, err)
	}
	if err := cmp.Or(ctx.Err(), wirepost.ValidateEnter(e, lease, d)); err != nil {
		return fail(err)
	}
	w := entering{s: s, session: e, details: d, call: rand.Text()[:8], until: s.o.Now().Add(lease)}
	var seen *memberRow // that refused
	for range longestContest {
		quiet := seen != nil && seen.isQuiet(d, s.o.Now())
		in, n := w.input(seen, quiet)
		u, err := s.updateMember(ctx, memberKey(e.Topic, e.Member()), in)
		if err != nil {
			return fail(err)
		}
		change := wirepost.Change{Topic: e.Topic, MemberID: e.Member(), Kind: wirepost.MemberJoined, Number: n, Details: d}
		if u.held {
			if quiet {
				change.Kind, change.Number = wirepost.MemberSame, seen.number()
			}
			s.makeRoom(ctx, e, u.row)
			return change, nil
		}
		seen = u.row
		switch {
		case seen == nil: // it was removed meanwhile
		case seen.call == w.call:
			change.Number = seen.change
			return change, nil
		case seen.sessions[e.ID].since > e.Connection.ConnectedAt.UnixMilli():
			return fail(wirepost.ErrSuperseded)
		}
	}
	return fail(fmt.Errorf("others were faster %d times", longestContest))
}

// entering is an Enter while it is tried.
type entering struct {
	s       *Store
	session wirepost.Session
	details wirepost.Details
	call    string
	until   time.Time
}

// input is the update of an attempt, and the number that it writes. Without a row that was
// seen it is made for a member of whom nobody lives: its last lease is over.
func (w entering) input(seen *memberRow, quiet bool) (dynamodb.UpdateItemInput, int64) {
	n := w.s.nextNumber(seen)
	ttl := item{}
	expire(ttl, w.until.Add(keptAfterLease).Truncate(time.Second))
	in := dynamodb.UpdateItemInput{
		ExpressionAttributeNames: map[string]string{"#e": prefixSess + w.session.ID, "#g": sessSince, "#n": attrChange, "#x": attrTTL},
		ExpressionAttributeValues: map[string]dynamodb.Value{":e": sessionValue(w.session, w.until), ":x": ttl[attrTTL],
			":g": num(w.session.Connection.ConnectedAt.UnixMilli())},
	}
	names, values := in.ExpressionAttributeNames, in.ExpressionAttributeValues
	conditions := []string{"(attribute_not_exists(#e) OR #e.#g <= :g)"}
	set, remove := []string{"#e = :e", "#x = :x"}, []string{}
	if !quiet {
		names["#k"], values[":k"], values[":n"] = attrCall, str(w.call), num(n)
		set = append(set, "#n = :n", "#k = :k")
		for attr, v := range map[string]string{attrInfo: string(w.details.Info), attrSaid: string(w.details.Said)} {
			if names["#"+attr] = attr; v == "" {
				remove = append(remove, "#"+attr)
				continue
			}
			values[":"+attr] = str(v)
			set = append(set, "#"+attr+" = :"+attr)
		}
	}
	if seen == nil {
		values[":over"] = num(w.s.o.Now().Add(keptAfterLease).Unix())
		conditions = append(conditions, "(attribute_not_exists(#n) OR #n < :n)", "(attribute_not_exists(#x) OR #x <= :over)")
	} else {
		values[":seen"] = num(seen.change)
		conditions = append(conditions, "#n = :seen")
	}
	in.ConditionExpression = strings.Join(conditions, " AND ")
	in.UpdateExpression = "SET " + strings.Join(set, ", ")
	if len(remove) > 0 {
		in.UpdateExpression += " REMOVE " + strings.Join(remove, ", ")
	}
	return in, n
}

// makeRoom removes the session whose lease ends first if there are too many. That it fails
// is no error: the next to enter tries again, and the lease ends.
func (s *Store) makeRoom(ctx context.Context, e wirepost.Session, before *memberRow) {
	if before == nil {
		return
	}
	if _, mine := before.sessions[e.ID]; mine || len(before.sessions) < wirepost.MaxSessions {
		return
	}
	first := ""
	for id, session := range before.sessions {
		if first == "" || session.lease < before.sessions[first].lease {
			first = id
		}
	}
	s.updateMember(ctx, memberKey(e.Topic, e.Member()), dynamodb.UpdateItemInput{UpdateExpression: "REMOVE #e", ConditionExpression: "#e.#l = :l",
		ExpressionAttributeNames:  map[string]string{"#e": prefixSess + first, "#l": sessLease},
		ExpressionAttributeValues: map[string]dynamodb.Value{":l": num(before.sessions[first].lease)}})
}

// Renew implements [wirepost.Presence]. It costs one write.
func (s *Store) Renew(ctx context.Context, e wirepost.Session, lease time.Duration) (bool, error) {
	s.made()
	if err := cmp.Or(ctx.Err(), wirepost.ValidateEnter(e, lease, wirepost.Details{})); err != nil {
		return false, fmt.Errorf("renew a session of topic %q: %w", e.Topic, err)
	}
	if s.presenceBreaks.renewsNothing {
		return true, nil
	}
	until := s.o.Now().Add(lease)
	ttl := item{}
	expire(ttl, until.Add(keptAfterLease).Truncate(time.Second))
	in := dynamodb.UpdateItemInput{UpdateExpression: "SET #e.#l = :l, #x = :x"}
	mine(&in, e)
	in.ExpressionAttributeNames["#l"], in.ExpressionAttributeNames["#x"] = sessLease, attrTTL
	in.ExpressionAttributeValues[":l"], in.ExpressionAttributeValues[":x"] = num(until.UnixMilli()), ttl[attrTTL]
	u, err := s.updateMember(ctx, memberKey(e.Topic, e.Member()), in)
	if err != nil {
		return false, fmt.Errorf("renew a session of topic %q: %w", e.Topic, err)
	}
	return u.held, nil
}

// mine makes an update demand that a session is there and is that connection's.
func mine(in *dynamodb.UpdateItemInput, e wirepost.Session) {
	in.ExpressionAttributeNames = map[string]string{"#e": prefixSess + e.ID}
	in.ExpressionAttributeValues = map[string]dynamodb.Value{}
	in.ConditionExpression = "#e.#c = :c AND #e.#g = :g"
	in.ExpressionAttributeNames["#c"], in.ExpressionAttributeNames["#g"] = sessConn, sessSince
	in.ExpressionAttributeValues[":c"], in.ExpressionAttributeValues[":g"] = str(sessionConnection(e.Connection)), num(e.Connection.ConnectedAt.UnixMilli())
}

// Leave implements [wirepost.Presence]. It costs one write, and another one if the member
// has a session left.
func (s *Store) Leave(ctx context.Context, e wirepost.Session) (wirepost.Change, error) {
	s.made()
	if err := cmp.Or(ctx.Err(), e.Validate()); err != nil {
		return wirepost.Change{}, fmt.Errorf("leave topic %q: %w", e.Topic, err)
	}
	in := dynamodb.UpdateItemInput{UpdateExpression: "REMOVE #e"}
	mine(&in, e)
	there := func(m *memberRow) bool {
		session, ok := m.sessions[e.ID]
		return ok && session.connection == sessionConnection(e.Connection) && session.since == e.Connection.ConnectedAt.UnixMilli()
	}
	change, err := s.take(ctx, e.Topic, e.Member(), in, there, map[string]bool{e.ID: true})
	if err != nil {
		return change, fmt.Errorf("leave topic %q: %w", e.Topic, err)
	}
	return change, nil
}

// Lapse implements [wirepost.Presence]. It costs what Leave costs.
func (s *Store) Lapse(ctx context.Context, l wirepost.Lapsed) (wirepost.Change, error) {
	s.made()
	if err := cmp.Or(ctx.Err(), wirepost.ValidateName(l.Topic), l.MemberID.Validate()); err != nil {
		return wirepost.Change{}, fmt.Errorf("end leases of topic %q: %w", l.Topic, err)
	}
	if len(l.Leases) == 0 {
		return wirepost.Change{Topic: l.Topic, MemberID: l.MemberID}, nil
	}
	in := dynamodb.UpdateItemInput{ExpressionAttributeNames: map[string]string{"#l": sessLease}, ExpressionAttributeValues: map[string]dynamodb.Value{}}
	var conditions, remove []string
	taken := map[string]bool{}
	for i, lease := range l.Leases {
		name := fmt.Sprint("#e", i)
		in.ExpressionAttributeNames[name] = prefixSess + lease.ID
		remove, taken[lease.ID] = append(remove, name), true
		in.ExpressionAttributeValues[fmt.Sprint(":l", i)] = num(lease.Until.UnixMilli())
		conditions = append(conditions, fmt.Sprintf("%s.#l = :l%d", name, i))
	}
	in.UpdateExpression, in.ConditionExpression = "REMOVE "+strings.Join(remove, ", "), strings.Join(conditions, " AND ")
	there := func(m *memberRow) bool {
		for _, lease := range l.Leases {
			if session, ok := m.sessions[lease.ID]; !ok || session.lease != lease.Until.UnixMilli() {
				return false
			}
		}
		return true
	}
	change, err := s.take(ctx, l.Topic, l.MemberID, in, there, taken)
	if err != nil {
		return change, fmt.Errorf("end leases of topic %q: %w", l.Topic, err)
	}
	return change, nil
}

// take makes an update that takes sessions away, and says what that has changed.
func (s *Store) take(ctx context.Context, topic string, id wirepost.MemberID, in dynamodb.UpdateItemInput, there func(*memberRow) bool, taken map[string]bool) (wirepost.Change, error) {
	name, k := rand.Text()[:8], memberKey(topic, id)
	change := wirepost.Change{Topic: topic, MemberID: id}
	in.ExpressionAttributeNames["#n"], in.ExpressionAttributeNames["#k"] = attrChange, attrCall
	in.UpdateExpression = "SET #n = :n, #k = :k " + in.UpdateExpression
	in.ConditionExpression += " AND #n < :n"
	if s.presenceBreaks.numberFalls {
		in.ConditionExpression = strings.TrimSuffix(in.ConditionExpression, " AND #n < :n")
	}
	n := s.nextNumber(nil)
	for range longestContest {
		in.ExpressionAttributeValues[":n"], in.ExpressionAttributeValues[":k"] = num(n), str(name)
		u, err := s.updateMember(ctx, k, in)
		if err != nil {
			return change, err
		}
		row := u.row
		switch {
		case row == nil:
			return change, nil
		case !u.held && row.call == name: // the change was ours
			n = row.change
		case !u.held && there(row):
			n = s.nextNumber(row)
			continue
		case !u.held:
			return change, nil
		}
		others := 0
		for session, left := range row.sessions {
			if !taken[session] && s.o.Now().UnixMilli() < left.lease {
				others++
			}
		}
		change.Number, change.Details = n, row.details
		if (others == 0 || s.presenceBreaks.oneIsAll) && !s.presenceBreaks.neverLast {
			change.Kind = wirepost.MemberLeft
			return change, nil
		}
		if u.held && row.settled >= row.change || s.presenceBreaks.neverLast {
			s.settle(ctx, k, n)
		}
		return change, nil
	}
	return change, fmt.Errorf("others were faster %d times", longestContest)
}

// settle says that a change is nothing to announce. That it fails is no error: a sweep
// announces it then, which does no harm.
func (s *Store) settle(ctx context.Context, k key, n int64) {
	s.updateMember(ctx, k, dynamodb.UpdateItemInput{UpdateExpression: "SET #q = :n", ConditionExpression: "#n = :n",
		ExpressionAttributeNames: map[string]string{"#q": attrSettled, "#n": attrChange}, ExpressionAttributeValues: map[string]dynamodb.Value{":n": num(n)}})
}

// Announced implements [wirepost.Presence]. It costs one write.
func (s *Store) Announced(ctx context.Context, topic string, id wirepost.MemberID, n int64) error {
	s.made()
	fail := func(err error) error {
		return fmt.Errorf("note an announcement in topic %q: %w", topic, err)
	}
	if err := cmp.Or(ctx.Err(), wirepost.ValidateName(topic), id.Validate()); err != nil {
		return fail(err)
	}
	k := memberKey(topic, id)
	u, err := s.updateMember(ctx, k, dynamodb.UpdateItemInput{UpdateExpression: "SET #a = :n REMOVE #q",
		ConditionExpression:      "#n >= :n AND (attribute_not_exists(#a) OR #a < :n) AND (attribute_not_exists(#q) OR #q < :n)",
		ExpressionAttributeNames: map[string]string{"#a": attrTold, "#q": attrSettled, "#n": attrChange}, ExpressionAttributeValues: map[string]dynamodb.Value{":n": num(n)}})
	if err != nil {
		return fail(err)
	}
	if u.row == nil || u.row.change != n || len(u.row.sessions) > 0 {
		return nil
	}
	if s.o.Now().UnixMilli()-n < wirepost.GoneKept.Milliseconds() {
		return nil
	}
	_, _, err = call(ctx, s, func(ctx context.Context) (*dynamodb.WriteOutput, error) {
		return s.db.DeleteItem(ctx, dynamodb.DeleteItemInput{TableName: s.o.Table, Key: k.item(), ConditionExpression: "#n = :n",
			ExpressionAttributeNames: map[string]string{"#n": attrChange}, ExpressionAttributeValues: map[string]dynamodb.Value{":n": num(n)}})
	})
	if err != nil && !conditionFailed(err) {
		return fail(s.explain("delete", k.String(), err))
	}
	return nil
}

// TakeSweep implements [wirepost.Presence]. It costs one write.
func (s *Store) TakeSweep(ctx context.Context, now time.Time) (bool, error) {
	s.made()
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("take the sweep of a minute: %w", err)
	}
	name := rand.Text()[:8]
	in := dynamodb.UpdateItemInput{TableName: s.o.Table, Key: sweepKey.item(), UpdateExpression: "SET #n = :n, #k = :k",
		ConditionExpression:                 "attribute_not_exists(#n) OR #n < :n",
		ExpressionAttributeNames:            map[string]string{"#n": attrChange, "#k": attrCall},
		ExpressionAttributeValues:           map[string]dynamodb.Value{":n": num(now.Unix() / 60), ":k": str(name)},
		ReturnValuesOnConditionCheckFailure: dynamodb.AllOld}
	_, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.WriteOutput, error) { return s.db.UpdateItem(ctx, in) })
	if conditionFailed(err) {
		return text(refusedItem(err), attrCall) == name, nil // whose answer was lost
	}
	if err != nil {
		return false, fmt.Errorf("take the sweep of a minute: %w", s.explain("write", sweepKey.String(), err))
	}
	return true, nil
}
