package dynamostore_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/wirepost/wirepost/dynamostore"
)

// fault is how a request goes wrong.
type fault string

const (
	noFault     fault = ""
	exceeded    fault = "ProvisionedThroughputExceededException before"
	throttling  fault = "ThrottlingException before"
	errorBefore fault = "500 before"
	errorAfter  fault = "500 after"
	hangBefore  fault = "no answer, nothing done"
	hangAfter   fault = "no answer, done"
	resetBefore fault = "reset before"
	resetAfter  fault = "reset after"
	partOfBatch fault = "a part of the batch"
	emptyPage   fault = "an empty page"
	shortPage   fault = "a short page"
)

// ofEvery are what any request can meet. Those that take as long as the client is
// patient are the rarer ones.
var ofEvery = []fault{
	exceeded, exceeded, throttling, throttling, errorBefore, errorBefore, errorAfter, errorAfter,
	resetBefore, resetBefore, resetAfter, resetAfter, hangBefore, hangAfter,
}

// proxy stands between a store and its server. It goes wrong as it is told, and
// looks at what passes.
//
// It speaks HTTP by itself, because it has to know whether a client is still
// there: a request whose client has given up must not be passed on behind a later
// one of the same connection, or nobody could say what the table has to contain.
// So requests about one connection are passed on one at a time, each only while
// its client waits for it.
type proxy struct {
	url    string
	target string
	client *http.Client
	// choose says what happens to a request. It may be called at the same time.
	choose func(operation string, body fields) fault
	// send passes a request on. A meter puts itself here.
	send func(operation string, header http.Header, body []byte) (status int, answer []byte, err error)

	mu       sync.Mutex
	happened map[fault]int
	requests int
	order    map[string]*sync.Mutex // by connection ID
	history  map[string][]string    // by connection ID, what was passed on, and what went wrong
}

// note keeps what has happened to a connection, for those who have to explain it.
func (p *proxy) note(id, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.history[id] = append(p.history[id], fmt.Sprintf(format, args...))
}

// fields is a JSON object.
type fields map[string]json.RawMessage

// newProxy runs a proxy in front of the server until the test ends.
func newProxy(t testing.TB, target string, choose func(operation string, body fields) fault) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	p := &proxy{url: "http://" + l.Addr().String(), target: target, client: &http.Client{Transport: transport, Timeout: time.Minute},
		choose: choose, happened: map[fault]int{}, order: map[string]*sync.Mutex{}, history: map[string][]string{}}
	p.send = p.forward
	var serving sync.WaitGroup
	done := make(chan struct{})
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				ended := make(chan struct{})
				serving.Go(func() {
					select {
					case <-done:
					case <-ended:
					}
					c.Close()
				})
				p.serve(t, c)
				close(ended)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(done)
		serving.Wait()
		transport.CloseIdleConnections()
	})
	return p
}

// serve answers the requests of one client, one after the other.
func (p *proxy) serve(t testing.TB, c net.Conn) {
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if !p.answer(t, c, in, r, body) {
			return
		}
	}
}

// answer handles one request. It reports false if the connection is not to be used
// again.
func (p *proxy) answer(t testing.TB, c net.Conn, in *bufio.Reader, r *http.Request, body []byte) bool {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var b fields
	if err := json.Unmarshal(body, &b); err != nil {
		t.Errorf("the store sent %q: %v", body, err)
		return false
	}
	f := p.choose(operation, b)
	p.mu.Lock()
	p.requests++
	if f != noFault {
		p.happened[f]++
	}
	p.mu.Unlock()

	switch f {
	case exceeded:
		return respond(c, http.StatusBadRequest, errorBody("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"))
	case throttling:
		return respond(c, http.StatusBadRequest, errorBody("com.amazon.coral.availability#ThrottlingException"))
	case errorBefore:
		return respond(c, http.StatusInternalServerError, errorBody("com.amazonaws.dynamodb.v20120810#InternalServerError"))
	case hangBefore:
		hang(in)
		return false
	case resetBefore:
		reset(c)
		return false
	case emptyPage:
		return respond(c, http.StatusOK, noItems(b))
	}
	status, answer, err := p.pass(c, in, r.Header, operation, b, f)
	if err != nil {
		reset(c)
		return false
	}
	switch f {
	case errorAfter:
		return respond(c, http.StatusInternalServerError, errorBody("com.amazonaws.dynamodb.v20120810#InternalServerError"))
	case hangAfter:
		hang(in)
		return false
	case resetAfter:
		reset(c)
		return false
	}
	return respond(c, status, answer)
}

// errLeft is of a client that has given up before its request was passed on.
var errLeft = errors.New("the client has left")

// pass passes a request on, or a part of it, when it is its turn.
func (p *proxy) pass(c net.Conn, in *bufio.Reader, header http.Header, operation string, b fields, f fault) (int, []byte, error) {
	id := connectionOf(b)
	if id != "" {
		p.mu.Lock()
		turn := p.order[id]
		if turn == nil {
			turn = &sync.Mutex{}
			p.order[id] = turn
		}
		p.mu.Unlock()
		turn.Lock()
		defer turn.Unlock()
	}
	if left(c, in) {
		return 0, nil, errLeft
	}
	var rest fields
	switch f {
	case partOfBatch:
		b, rest = split(b)
	case shortPage:
		b["Limit"] = json.RawMessage("2")
	}
	body, err := json.Marshal(b)
	if err != nil {
		return 0, nil, err
	}
	status, answer, err := p.send(operation, header, body)
	if id != "" {
		p.note(id, "%s %s\n\t-> %d %v %s %s", operation, body, status, err, f, answer)
	}
	if err == nil && rest != nil && status == http.StatusOK {
		var a fields
		if err := json.Unmarshal(answer, &a); err != nil {
			return 0, nil, err
		}
		a["UnprocessedItems"] = must(json.Marshal(rest))
		answer = must(json.Marshal(a))
	}
	return status, answer, err
}

// forward is the way to the server. It goes on when the client leaves: a write
// that was begun is done.
func (p *proxy) forward(_ string, header http.Header, body []byte) (int, []byte, error) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.target, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header = header.Clone()
	response, err := p.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// left reports whether the client has closed its connection. A client that still
// waits costs a moment.
func left(c net.Conn, in *bufio.Reader) bool {
	c.SetReadDeadline(time.Now().Add(100 * time.Microsecond))
	defer c.SetReadDeadline(time.Time{})
	_, err := in.Peek(1)
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// hang returns when the client has given up.
func hang(in *bufio.Reader) { in.Peek(1) }

// reset closes with an RST.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// respond reports whether the answer was written.
func respond(c net.Conn, status int, body []byte) bool {
	_, err := fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), len(body), body)
	return err == nil
}

func errorBody(kind string) []byte {
	return fmt.Appendf(nil, `{"__type":%q,"message":"said by the test's proxy"}`, kind)
}

// split takes the second half of a batch away.
func split(b fields) (forwarded, rest fields) {
	tables := map[string][]json.RawMessage{}
	if err := json.Unmarshal(b["RequestItems"], &tables); err != nil {
		return b, nil
	}
	forwarded, rest = fields{}, fields{}
	for table, requests := range tables {
		n := (len(requests) + 1) / 2
		forwarded[table] = must(json.Marshal(requests[:n]))
		if n < len(requests) {
			rest[table] = must(json.Marshal(requests[n:]))
		}
	}
	return fields{"RequestItems": must(json.Marshal(forwarded))}, rest
}

// noItems is an answer to a Query that has read nothing yet: it is to be continued
// where it was begun. DynamoDB may end a page wherever it likes.
func noItems(b fields) []byte {
	last := b["ExclusiveStartKey"]
	if last == nil {
		var values map[string]attribute
		json.Unmarshal(b["ExpressionAttributeValues"], &values)
		from := " " // before the names of all stages
		if v, ok := values[":from"]; ok {
			from = *v.S
		}
		last = must(json.Marshal(map[string]attribute{"p": values[":p"], "s": {S: &from}}))
	}
	return must(json.Marshal(fields{"Items": json.RawMessage("[]"), "Count": json.RawMessage("0"), "ScannedCount": json.RawMessage("0"), "LastEvaluatedKey": last}))
}

// attribute is a value of an item, as it is sent.
type attribute struct {
	S    *string              `json:",omitempty"`
	N    *string              `json:",omitempty"`
	B    []byte               `json:",omitempty"`
	BOOL *bool                `json:",omitempty"`
	NULL *bool                `json:",omitempty"`
	M    map[string]attribute `json:",omitempty"`
	L    []attribute          `json:",omitempty"`
}

type wireRow map[string]attribute

// name is the row's key.
func (r wireRow) name() string {
	p, s := r["p"], r["s"]
	if p.S == nil || s.S == nil {
		return ""
	}
	return *p.S + " | " + *s.S
}

// writes are the rows of a batch: what is put, or the key of what is deleted.
func writes(b fields) (all []struct {
	Put, Delete *struct{ Item, Key wireRow }
}) {
	var tables map[string][]struct {
		PutRequest, DeleteRequest *struct{ Item, Key wireRow }
	}
	json.Unmarshal(b["RequestItems"], &tables)
	for _, requests := range tables {
		for _, r := range requests {
			all = append(all, struct {
				Put, Delete *struct{ Item, Key wireRow }
			}{r.PutRequest, r.DeleteRequest})
		}
	}
	return all
}

// connectionOf is the ID of the connection that a request reads or writes a row
// of; the store writes those of one connection at a time. It is empty for other
// requests.
func connectionOf(b fields) string {
	var k wireRow
	switch {
	case b["Key"] != nil:
		json.Unmarshal(b["Key"], &k)
	case b["Item"] != nil:
		json.Unmarshal(b["Item"], &k)
	default:
		if all := writes(b); len(all) > 0 && all[0].Put != nil {
			k = all[0].Put.Item
		} else if len(all) > 0 {
			k = all[0].Delete.Key
		}
	}
	return connectionIn(k.name())
}

// connectionIn is the ID in the key of a connection, user or topic row.
func connectionIn(name string) string {
	p, s, _ := strings.Cut(name, " | ")
	switch kind := strings.TrimRight(p[:min(len(p), 2)], "0123456789:"); {
	case len(s) < 3, p == "s", strings.HasPrefix(p, "n:"):
		return ""
	case kind == "c":
		return s[2:]
	default: // IDs of these tests have no dot
		id, _, _ := strings.Cut(s[2:], ".")
		return id
	}
}

// scan reads the whole table, as no store does.
func scan(t testing.TB, s *dynamostore.Store) (rows []wireRow) {
	t.Helper()
	in := &dynamodb.ScanInput{TableName: dynamostore.TableName(s), ConsistentRead: aws.Bool(true)}
	for {
		out, err := dynamostore.DB(s).Scan(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range out.Items {
			rows = append(rows, wire(it))
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return rows
		}
	}
}

func wire(it map[string]types.AttributeValue) wireRow {
	r := wireRow{}
	for name, v := range it {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			r[name] = attribute{S: &v.Value}
		case *types.AttributeValueMemberN:
			r[name] = attribute{N: &v.Value}
		case *types.AttributeValueMemberM:
			r[name] = attribute{M: wire(v.Value)}
		}
	}
	return r
}

// place is in which partition a row says that a connection is.
func place(r wireRow) (partition, id string) {
	name := r.name()
	partition, _, _ = strings.Cut(name, " | ")
	return partition, connectionIn(name)
}

// atRandom makes a share of requests go wrong, as a seed decides. The share can be
// changed at any time.
type atRandom struct {
	mu     sync.Mutex
	random *rand.Rand
	rate   float64
}

func (a *atRandom) set(rate float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rate = rate
}

// choose never harms requests about the table itself.
func (a *atRandom) choose(operation string, b fields) fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.random.Float64() >= a.rate || strings.Contains(operation, "Table") || strings.Contains(operation, "TimeToLive") {
		return noFault
	}
	own := a.random.Float64() < 0.4
	switch {
	case own && operation == "BatchWriteItem" && len(writes(b)) > 1:
		return partOfBatch
	case own && operation == "Query" && a.random.IntN(2) == 0:
		return emptyPage
	case own && operation == "Query":
		return shortPage
	}
	return ofEvery[a.random.IntN(len(ofEvery))]
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
