package app

// Table is a DynamoDB table as the template would create it.
type Table struct {
	// LogicalID is what the template calls the table, and unique in it. Name is
	// the name that it has on AWS.
	LogicalID, Name string

	Keys          []Key
	Attributes    []Attribute // those that a key uses
	Global, Local []Index     // secondary indexes
	Billing       string      // PAY_PER_REQUEST or PROVISIONED
	Read, Write   int64       // capacity units, for PROVISIONED
	TTL           string      // the attribute, empty if off
	Stream        string      // the view type, empty if off
	Items         []Item      // that it has from the beginning

	// Unrunnable says why the table cannot be created; nil if it can.
	Unrunnable *Unrunnable

	Position Position
}

// Item is a row of a table, in the JSON of DynamoDB: {"id": {"S": "a"}}.
type Item struct {
	JSON     string
	Position Position
}

// Key is one part of a key: HASH or RANGE.
type Key struct{ Attribute, Type string }

// Attribute is the type of an attribute: S, N or B.
type Attribute struct{ Name, Type string }

// Index is a secondary index of a table.
type Index struct {
	Name        string
	Keys        []Key
	Projection  string // ALL, KEYS_ONLY or INCLUDE
	NonKey      []string
	Read, Write int64
}
