package dynamodb

import (
	"context"
	"strconv"
)

// Value is an attribute: a string, a number or a map, whichever is set. One of
// another type, which the store never writes, is read as none of them.
type Value struct {
	S *string           `json:",omitempty"`
	N *string           `json:",omitempty"`
	M *map[string]Value `json:",omitempty"`
}

// Item is a row, or the key of one.
type Item = map[string]Value

// String is a value of the type string.
func String(s string) Value { return Value{S: &s} }

// Number is a value of the type number.
func Number(n int64) Value {
	s := strconv.FormatInt(n, 10)
	return Value{N: &s}
}

// Map is a value of the type map.
func Map(m map[string]Value) Value { return Value{M: &m} }

// AllOld asks a write for the row that was there before.
const AllOld = "ALL_OLD"

type (
	GetItemInput struct {
		TableName      string
		Key            Item
		ConsistentRead bool
	}
	// GetItemOutput has no item where there is no row.
	GetItemOutput struct{ Item Item }

	PutItemInput struct {
		TableName string
		Item      Item
		// What the write demands of the row that it finds. Empty: nothing.
		ConditionExpression       string            `json:",omitempty"`
		ExpressionAttributeNames  map[string]string `json:",omitempty"`
		ExpressionAttributeValues map[string]Value  `json:",omitempty"`
		// AllOld asks a put that is refused for the row that it has found: Error.Item.
		ReturnValuesOnConditionCheckFailure string `json:",omitempty"`
	}
	UpdateItemInput struct {
		TableName        string
		Key              Item
		UpdateExpression string
		ReturnValues     string `json:",omitempty"`
		// What the write demands of the row that it finds. Empty: nothing.
		ConditionExpression       string            `json:",omitempty"`
		ExpressionAttributeNames  map[string]string `json:",omitempty"`
		ExpressionAttributeValues map[string]Value  `json:",omitempty"`
		// AllOld asks an update that is refused for the row that it has found: Error.Item.
		ReturnValuesOnConditionCheckFailure string `json:",omitempty"`
	}
	DeleteItemInput struct {
		TableName    string
		Key          Item
		ReturnValues string `json:",omitempty"`
		// What the write demands of the row that it finds. Empty: nothing.
		ConditionExpression       string            `json:",omitempty"`
		ExpressionAttributeNames  map[string]string `json:",omitempty"`
		ExpressionAttributeValues map[string]Value  `json:",omitempty"`
	}
	// WriteOutput has the old row where that was asked for, and there was one.
	WriteOutput struct{ Attributes Item }

	PutRequest    struct{ Item Item }
	DeleteRequest struct{ Key Item }
	// WriteRequest is one of the two.
	WriteRequest struct {
		PutRequest    *PutRequest    `json:",omitempty"`
		DeleteRequest *DeleteRequest `json:",omitempty"`
	}
	BatchWriteItemInput  struct{ RequestItems map[string][]WriteRequest }
	BatchWriteItemOutput struct{ UnprocessedItems map[string][]WriteRequest }

	QueryInput struct {
		TableName                 string
		ConsistentRead            bool
		Limit                     int `json:",omitempty"`
		KeyConditionExpression    string
		ExpressionAttributeNames  map[string]string
		ExpressionAttributeValues map[string]Value
		ExclusiveStartKey         Item  `json:",omitempty"`
		ScanIndexForward          *bool `json:",omitempty"` // false: from the end
	}
	ScanInput struct {
		TableName         string
		ConsistentRead    bool
		ExclusiveStartKey Item `json:",omitempty"`
	}
	// Page is a part of a query or scan. Without a LastEvaluatedKey it is the last one.
	Page struct {
		Items            []Item
		LastEvaluatedKey Item
	}
)

// What follows is as the API reference has it. What a server does not answer with
// success is an [*Error]; the context bounds each call, and nothing is repeated.

// GetItem reads one row.
func (c *Client) GetItem(ctx context.Context, in GetItemInput) (*GetItemOutput, error) {
	return do[GetItemOutput](ctx, c, "GetItem", in)
}

// PutItem writes one row, in place of what was there.
func (c *Client) PutItem(ctx context.Context, in PutItemInput) (*WriteOutput, error) {
	return do[WriteOutput](ctx, c, "PutItem", in)
}

// UpdateItem changes one row, or makes it.
func (c *Client) UpdateItem(ctx context.Context, in UpdateItemInput) (*WriteOutput, error) {
	return do[WriteOutput](ctx, c, "UpdateItem", in)
}

// DeleteItem removes one row, if there is one.
func (c *Client) DeleteItem(ctx context.Context, in DeleteItemInput) (*WriteOutput, error) {
	return do[WriteOutput](ctx, c, "DeleteItem", in)
}

// BatchWriteItem puts and deletes up to 25 rows, each by itself. What it did not take
// is in the output.
func (c *Client) BatchWriteItem(ctx context.Context, in BatchWriteItemInput) (*BatchWriteItemOutput, error) {
	return do[BatchWriteItemOutput](ctx, c, "BatchWriteItem", in)
}

// Query reads a page of one partition, in the order of the sort keys.
func (c *Client) Query(ctx context.Context, in QueryInput) (*Page, error) {
	return do[Page](ctx, c, "Query", in)
}

// Scan reads a page of the whole table.
func (c *Client) Scan(ctx context.Context, in ScanInput) (*Page, error) {
	return do[Page](ctx, c, "Scan", in)
}
