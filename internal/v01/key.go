package v01

import (
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

// The two parts of every key. Names are one byte because each row has them, and
// DynamoDB counts the bytes of names too (AWS, developer guide, "DynamoDB item
// sizes and formats").
const (
	partitionKey = "p"
	sortKey      = "s"
)

// everyonePartitions is in how many partitions the connection rows are. It can
// never change: a row is looked up where its ID says. One partition takes 1,000
// writes and 3,000 reads a second (AWS, developer guide, "Best practices for
// designing and using partition keys").
const everyonePartitions = 8

// alphabet has 64 characters in the order of their bytes, so that what it
// encodes sorts as the numbers do.
const alphabet = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

// The widths of the encoded numbers in a key, in characters of 6 bits each.
const (
	sliceWidth = 2 // 4,096 slices, by which a listing is divided into parts
	slices64   = 1 << (6 * sliceWidth)
	timeWidth  = 7 // milliseconds since 1970 until the year 2109
	codeWidth  = 8 // 48 bits of an identity's hash
)

// key names one row.
type key struct{ p, s string }

func (k key) String() string { return k.p + " | " + k.s }

func encode(n uint64, width int) string {
	b := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		b[i] = alphabet[n&63]
		n >>= 6
	}
	return string(b)
}

func decode(s string) (n uint64, ok bool) {
	for i := range len(s) {
		d := strings.IndexByte(alphabet, s[i])
		if d < 0 {
			return 0, false
		}
		n = n<<6 | uint64(d)
	}
	return n, true
}

// spread turns an ID into evenly distributed bits. AWS's IDs are random, other
// gateways' need not be.
func spread(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	// FNV's high bits depend little on the last characters; this mixes them
	// (the finaliser of MurmurHash3).
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return x
}

// Of the bits of spread, the slice, the partition of the connection row and the
// shard of a topic each have their own.
func sliceOf(id string) string  { return encode(spread(id)>>52, sliceWidth) }
func partitionOf(id string) int { return int(spread(id) >> 40 % everyonePartitions) }
func shardOf(id string, shards int) int {
	return int(spread(id) & 0xffff_ffff % uint64(shards))
}

// connectionKey is where the row of a connection is.
func connectionKey(id string) key {
	return key{everyone(partitionOf(id)), sliceOf(id) + id}
}

func everyone(partition int) string             { return "c" + strconv.Itoa(partition) }
func userPartition(user string) string          { return "u:" + user }
func topicPartition(shard int, t string) string { return "t" + strconv.Itoa(shard) + ":" + t }
func shardsKey(topic string) key                { return key{"n:" + topic, "n"} }
func stageKey(id wirepost.Identity) key         { return key{stagePartition, id.String()} }

const stagePartition = "s"

// subscriptionKey is where a user or topic says that a connection is in it. The
// sort key names the connection for good: its ID, when it was made and its
// endpoint. So each row belongs to exactly one connection and may be written and
// deleted without a condition, by anyone, in any order.
func subscriptionKey(partition string, k wirepost.ConnectionKey) key {
	return key{partition, sliceOf(k.ID) + k.ID + "." + encode(uint64(k.ConnectedAt.UnixMilli()), timeWidth) + "." + codeOf(k.Endpoint)}
}

// codeOf stands for an identity in subscription rows, whose size is what a
// publish costs. What it stands for is in the stage rows.
func codeOf(id wirepost.Identity) string {
	sum := sha256.Sum256([]byte(id.String()))
	var n uint64
	for _, b := range sum[:6] {
		n = n<<8 | uint64(b)
	}
	return encode(n, codeWidth)
}

// parseSubscription reads the sort key of a subscription row.
func parseSubscription(s string) (id string, connectedAt time.Time, code string, err error) {
	const tail = 1 + timeWidth + 1 + codeWidth
	n := len(s) - tail
	if n <= sliceWidth || s[n] != '.' || s[n+1+timeWidth] != '.' {
		return "", time.Time{}, "", fmt.Errorf("the sort key %q is not of a subscription", s)
	}
	ms, ok := decode(s[n+1 : n+1+timeWidth])
	_, okCode := decode(s[n+2+timeWidth:])
	id = s[sliceWidth:n]
	if !ok || !okCode || s[:sliceWidth] != sliceOf(id) {
		return "", time.Time{}, "", fmt.Errorf("the sort key %q is not of a subscription", s)
	}
	return id, time.UnixMilli(int64(ms)).UTC(), s[n+2+timeWidth:], nil
}

// parseIdentity is the reverse of [wirepost.Identity].String.
func parseIdentity(s string) (wirepost.Identity, error) {
	api, rest, ok := strings.Cut(s, "/")
	at := strings.LastIndexByte(rest, '@')
	if !ok || at < 0 {
		return wirepost.Identity{}, fmt.Errorf("%q is not API/STAGE@REGION", s)
	}
	id := wirepost.Identity{APIID: api, Stage: rest[:at], Region: rest[at+1:]}
	return id, id.Validate()
}

// cursor is a place in a listing: the number of the partition and the sort key.
func cursorAt(partition int, s string) wirepost.Cursor {
	return wirepost.Cursor(strconv.Itoa(partition) + "." + s)
}

func parseCursor(c wirepost.Cursor) (partition int, s string, err error) {
	number, s, ok := strings.Cut(string(c), ".")
	partition, numErr := strconv.Atoi(number)
	if !ok || numErr != nil || partition < 0 || partition >= maxShards || len(s) <= sliceWidth {
		return 0, "", fmt.Errorf("the cursor %q is not of a listing of this store", c)
	}
	return partition, s, nil
}
