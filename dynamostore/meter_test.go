package dynamostore_test

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// The sizes are AWS's (developer guide, "DynamoDB item sizes and formats"), and so
// are the units (developer guide, "DynamoDB read and write operations").
const (
	readUnit  = 4 << 10
	writeUnit = 1 << 10
)

// size is how many bytes a row has.
func (r wireRow) size() (n int) {
	for name, v := range r {
		n += len(name) + v.size()
	}
	return n
}

func (a attribute) size() int {
	switch {
	case a.S != nil:
		return len(*a.S)
	case a.N != nil:
		// Leading and trailing zeroes do not count.
		digits := strings.Trim(strings.Replace(strings.TrimPrefix(*a.N, "-"), ".", "", 1), "0")
		n := (len(digits)+1)/2 + 1
		if strings.HasPrefix(*a.N, "-") {
			n++
		}
		return n
	case a.B != nil:
		return len(a.B)
	case a.M != nil:
		n := 3
		for name, v := range a.M {
			n += 1 + len(name) + v.size()
		}
		return n
	case a.L != nil:
		n := 3
		for _, v := range a.L {
			n += 1 + v.size()
		}
		return n
	}
	return 1 // true, false or null
}

// unitsOf are the begun units of a number of bytes, and one at least.
func unitsOf(bytes, unit int) float64 { return float64(max(1, (bytes+unit-1)/unit)) }

// used is what requests have cost.
type used struct {
	reads, writes         float64 // by AWS's formula
	saidReads, saidWrites float64 // by the server itself
	requests, refused     int     // refused: by a failed condition, of which the server says no units
}

// meter counts the units of everything that passes a proxy, and knows every row
// that it has seen written.
type meter struct {
	forward func(operation string, header http.Header, body []byte) (int, []byte, error)

	mu   sync.Mutex
	rows map[string]wireRow
	used used
}

// newMeter puts a meter into a proxy. Nothing may have been written before.
func newMeter(p *proxy) *meter {
	m := &meter{forward: p.send, rows: map[string]wireRow{}}
	p.send = m.send
	return m
}

// of is what a piece of work costs.
func (m *meter) of(t testing.TB, f func() error) used {
	t.Helper()
	m.mu.Lock()
	m.used = used{}
	m.mu.Unlock()
	if err := f(); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

// request and answer are what a meter reads of all operations.
type request struct {
	Item, Key      wireRow
	ConsistentRead bool
	ReturnValues   string
}

type answer struct {
	Item, Attributes wireRow
	Items            []wireRow
	Type             string `json:"__type"`
	ConsumedCapacity json.RawMessage
}

func (m *meter) send(operation string, header http.Header, body []byte) (int, []byte, error) {
	var b fields
	var r request
	if err := cmp.Or(json.Unmarshal(body, &b), json.Unmarshal(body, &r)); err != nil {
		return 0, nil, err
	}
	b["ReturnConsumedCapacity"] = json.RawMessage(`"TOTAL"`)
	old := r.ReturnValues == "ALL_OLD"     // which the store needs
	if operation == "UpdateItem" && !old { // whose result is not in the request
		b["ReturnValues"] = json.RawMessage(`"ALL_NEW"`)
	}
	status, said, err := m.forward(operation, header, must(json.Marshal(b)))
	if err != nil {
		return 0, nil, err
	}
	var a answer
	if err := json.Unmarshal(said, &a); err != nil {
		return 0, nil, err
	}
	if operation == "UpdateItem" && old && status == http.StatusOK {
		if a.Attributes, err = m.rowOf(header, b); err != nil {
			return 0, nil, err
		}
	}
	m.mu.Lock()
	m.count(operation, b, r, a, status)
	m.mu.Unlock()
	if operation == "UpdateItem" && status == http.StatusOK && r.ReturnValues != "ALL_NEW" && !old {
		said = []byte("{}")
	}
	return status, said, nil
}

// rowOf reads the row of a request as it is now, at no cost.
func (m *meter) rowOf(header http.Header, b fields) (wireRow, error) {
	header = header.Clone()
	header.Set("X-Amz-Target", "DynamoDB_20120810.GetItem")
	body := must(json.Marshal(map[string]any{"TableName": b["TableName"], "Key": b["Key"], "ConsistentRead": true}))
	_, said, err := m.forward("GetItem", header, body)
	if err != nil {
		return nil, err
	}
	var a answer
	err = json.Unmarshal(said, &a)
	return a.Item, err
}

func (m *meter) count(operation string, b fields, r request, a answer, status int) {
	refused := strings.HasSuffix(a.Type, "#ConditionalCheckFailedException")
	m.used.requests++
	if status != http.StatusOK && !refused {
		return
	}
	said := &m.used.saidWrites
	write := func(name string, after wireRow) {
		before := m.rows[name]
		m.used.writes += unitsOf(max(before.size(), after.size()), writeUnit)
		if !refused {
			m.rows[name] = after
		}
	}
	read := func(bytes int) {
		n := unitsOf(bytes, readUnit)
		if !r.ConsistentRead {
			n /= 2
		}
		m.used.reads += n
		said = &m.used.saidReads
	}
	switch operation {
	case "GetItem":
		read(a.Item.size())
	case "Query":
		bytes := 0
		for _, it := range a.Items {
			bytes += it.size()
		}
		read(bytes)
	case "PutItem":
		write(r.Item.name(), r.Item)
	case "DeleteItem":
		write(r.Key.name(), nil)
	case "UpdateItem":
		write(r.Key.name(), a.Attributes)
	case "BatchWriteItem":
		for _, w := range writes(b) {
			if w.Put != nil {
				write(w.Put.Item.name(), w.Put.Item)
			} else {
				write(w.Delete.Key.name(), nil)
			}
		}
	default:
		m.used.requests-- // about the table
	}
	if refused {
		m.used.refused++
	}
	var one struct{ CapacityUnits float64 }
	var each []struct{ CapacityUnits float64 }
	if json.Unmarshal(a.ConsumedCapacity, &each) != nil {
		json.Unmarshal(a.ConsumedCapacity, &one)
		each = append(each, one)
	}
	for _, c := range each {
		*said += c.CapacityUnits
	}
}
