package v01

import (
	"context"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/dynamodb"
)

// sweepAge is how old a connection is before its leftovers are swept: far longer
// than any connect takes.
const sweepAge = 5 * time.Minute

// Sweep removes what is left of writes that were cut half way: user and topic rows
// whose connection has no row, and rows of connections whose time is over. TTL
// does the same, later. It reads the whole table, one read unit for each 4 KB, and
// is bounded by the context only. It returns how many rows it has removed.
func (s *Store) Sweep(ctx context.Context) (removed int, err error) {
	s.made()
	now := s.o.Now()
	in := dynamodb.ScanInput{TableName: s.o.Table}
	live := map[string]bool{} // connections by ID that were found to have a row
	for {
		out, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.Page, error) { return s.db.Scan(ctx, in) })
		if err != nil {
			return removed, s.explain("sweep", "all rows", err)
		}
		var remove []key
		for _, it := range out.Items {
			dead, err := s.leftover(ctx, it, now, live, &removed)
			if err != nil {
				return removed, err
			}
			if dead {
				remove = append(remove, keyOf(it))
			}
		}
		if len(remove) > 0 {
			if err := s.write(ctx, nil, remove); err != nil {
				return removed, err
			}
			removed += len(remove)
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return removed, nil
		}
	}
}

// leftover says whether a user or topic row is of no connection.
func (s *Store) leftover(ctx context.Context, it item, now time.Time, live map[string]bool, removed *int) (bool, error) {
	k := keyOf(it)
	if isConnectionPartition(k.p) {
		r, err := parseRow(it)
		if err != nil {
			return false, s.explain("sweep", k.String(), err)
		}
		if now.Sub(r.expiresAt) >= sweepAge {
			// Not with the others: it may have come back since, and this looks.
			_, _, err = s.delete(ctx, r.key())
			if err == nil {
				*removed++
			}
			return false, err
		}
		return false, nil
	}
	if !strings.HasPrefix(k.p, "u:") && !isTopicPartition(k.p) {
		return false, nil
	}
	id, connectedAt, code, err := parseSubscription(k.s)
	if err != nil {
		return false, s.explain("sweep", k.String(), err)
	}
	if end, err := expiryOf(it); err == nil && now.Sub(end) >= sweepAge {
		return true, nil
	}
	if now.Sub(connectedAt) < sweepAge {
		return false, nil
	}
	name := k.s[sliceWidth:]
	if is, known := live[name]; known {
		return !is, nil
	}
	r, err := s.readRow(ctx, id)
	if err != nil {
		return false, err
	}
	is := r != nil && r.connectedAt.Equal(connectedAt) && codeOf(r.endpoint) == code
	live[name] = is
	return !is, nil
}

// isConnectionPartition and isTopicPartition know rows of connections and of topics by
// the names that [everyone] and [topicPartition] give: c0, and t0:TOPIC.
func isConnectionPartition(name string) bool {
	number, ok := strings.CutPrefix(name, "c")
	return ok && isNumber(number)
}

func isTopicPartition(name string) bool {
	number, _, ok := strings.Cut(name, ":")
	number, isTopic := strings.CutPrefix(number, "t")
	return ok && isTopic && isNumber(number)
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, digits) == "" }
