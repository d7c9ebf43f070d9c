package dynamostore

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

// The attributes of a log's items and of the row that names its epoch. x, when the
// item may be removed, is as in every row.
const (
	attrHeads    = "h" // items: "ID KEEP LENGTH" of each message, in lines; KEEP in milliseconds
	attrData     = "d" // items: the messages, one behind the other
	attrAppended = "g" // items: milliseconds since 1970; epoch rows: since when the epoch is known to be empty
	attrLatest   = "z" // items: the latest end of any message up to and including these, milliseconds since 1970
	attrName     = "r" // items: a random name, by which an appender knows its own
	attrNext     = "w" // seals: the epoch that follows
	attrProved   = "k" // seals: 1 if nothing can have been behind the item before it

	attrEpoch    = "e" // epoch rows: the epoch
	attrPrevious = "b" // epoch rows: the epoch before it
	attrLast     = "l" // epoch rows: the last offset of that; absent if it is not proved
	attrNumber   = "n" // epoch rows: how many epochs there have been
)

// How long things are trusted, and kept; see log.go.
const (
	removal      = 7 * 24 * time.Hour   // from the latest end to x: nothing is removed before
	trusted      = 6 * 24 * time.Hour   // after the latest end, what is not there was never there
	renewed      = 3 * 24 * time.Hour   // after it, readers see to it that this stays so
	closed       = 24 * time.Hour       // after it, nobody appends
	epochLife    = 730 * 24 * time.Hour // of an epoch row; a read in its second half renews it
	remembered   = 10 * time.Minute     // what a process knows of an epoch
	freshHead    = 2 * time.Second      // what a process knows of a head, before it reads it first
	offsetWidth  = 9                    // 54 bits
	longestGroup = 15                   // offsets between the first of an item and its last
)

func epochKey(topic string) key { return key{"e:" + topic, "e"} }

// logPartition has the topic in it: who knows an epoch of another topic reads nothing
// there.
func logPartition(topic, epoch string) string { return "l:" + epoch + ":" + topic }

func logKey(topic, epoch string, offset uint64) key {
	return key{logPartition(topic, epoch), encode(offset, offsetWidth)}
}

// logItem is what one append has written, or a seal.
type logItem struct {
	first    uint64
	entries  []logEntry
	appended int64
	latest   int64
	name     string

	next   string // of a seal: the epoch that follows
	proved bool
}

type logEntry struct {
	id   string
	keep int64 // milliseconds
	data string
}

func (i logItem) isSeal() bool { return i.next != "" }

// last is the last offset that the item takes. A seal takes one, which no message has.
func (i logItem) last() uint64 { return i.first + uint64(max(len(i.entries), 1)) - 1 }

// size is about what the item takes in memory.
func (i logItem) size() (n int) {
	for _, e := range i.entries {
		n += len(e.id) + len(e.data) + 64
	}
	return n + 128
}

// message is one of the item's, and whether it is still there.
func (i logItem) message(n int, epoch string, now int64) (wirepost.LogMessage, bool) {
	e := i.entries[n]
	m := wirepost.LogMessage{
		Position: wirepost.Position{Epoch: epoch, Offset: i.first + uint64(n)},
		Data:     []byte(e.data), ID: e.id,
		At: time.UnixMilli(i.appended).UTC(), End: time.UnixMilli(i.appended + e.keep).UTC(),
	}
	return m, now < i.appended+e.keep
}

func (i logItem) item(k key) item {
	it := k.item()
	it[attrTTL] = num(time.UnixMilli(i.latest).Add(removal).Unix() + 1)
	it[attrAppended], it[attrLatest], it[attrName] = num(i.appended), num(i.latest), str(i.name)
	if i.isSeal() {
		it[attrNext] = str(i.next)
		if i.proved {
			it[attrProved] = num(1)
		}
		return it
	}
	var heads, data strings.Builder
	for n, e := range i.entries {
		if n > 0 {
			heads.WriteByte('\n')
		}
		fmt.Fprintf(&heads, "%s %d %d", e.id, e.keep, len(e.data))
		data.WriteString(e.data)
	}
	it[attrHeads], it[attrData] = str(heads.String()), str(data.String())
	return it
}

func parseLogItem(it item) (i logItem, err error) {
	fail := func(format string, args ...any) (logItem, error) {
		return logItem{}, fmt.Errorf("the row %s is not of a log of wirepost: %s", keyOf(it), fmt.Sprintf(format, args...))
	}
	s := text(it, sortKey)
	offset, ok := decode(s)
	if !ok || len(s) != offsetWidth {
		return fail("its sort key is not an offset")
	}
	i.first, i.name, i.next = offset, text(it, attrName), text(it, attrNext)
	if i.appended, err = number(it, attrAppended); err != nil {
		return fail("%v", err)
	}
	if i.latest, err = number(it, attrLatest); err != nil {
		return fail("%v", err)
	}
	if i.isSeal() {
		_, i.proved = it[attrProved]
		return i, nil
	}
	data := text(it, attrData)
	for line := range strings.SplitSeq(text(it, attrHeads), "\n") {
		id, rest, _ := strings.Cut(line, " ")
		keep, length, _ := strings.Cut(rest, " ")
		ms, err := strconv.ParseInt(keep, 10, 64)
		n, err2 := strconv.Atoi(length)
		if err != nil || err2 != nil || id == "" || n < 0 || n > len(data) {
			return fail("the attribute %q does not fit the attribute %q", attrHeads, attrData)
		}
		i.entries = append(i.entries, logEntry{id, ms, data[:n]})
		data = data[n:]
	}
	if data != "" || len(i.entries) > longestGroup+1 {
		return fail("the attribute %q does not fit the attribute %q", attrHeads, attrData)
	}
	return i, nil
}
