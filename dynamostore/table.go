package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/internal/dynamodb"
)

// tableWait bounds the wait for a new table, where the context does not.
const tableWait = 2 * time.Minute

// Table is what there is of a table.
type Table struct {
	Name   string
	Status string // "ACTIVE", or empty: there is no such table
	// Key is the names of the partition key and the sort key, and KeyTypes their
	// types: S, N or B.
	Key, KeyTypes [2]string
	OnDemand      bool
	// TTL is the attribute by which rows end; empty if TTL is off. TTLUnknown tells
	// that the server, which is not AWS's then, or the credentials do not say.
	TTL        string
	TTLUnknown string
	// Rows and Bytes are what DynamoDB knows; it counts about every six hours (AWS,
	// API reference, "TableDescription").
	Rows, Bytes int64
}

// Definition is the table as [Store.CreateTable] makes it, without a name. The
// templates in deploy are held to it.
func Definition() Table {
	return Table{
		Status: "ACTIVE",
		Key:    [2]string{partitionKey, sortKey}, KeyTypes: [2]string{"S", "S"},
		OnDemand: true,
		TTL:      attrTTL,
	}
}

// Problems says what keeps a table from being wirepost's, with the cure, a
// sentence each. Warnings are of what works and costs.
func (t Table) Problems() (problems, warnings []string) {
	if t.Status == "" {
		return []string{"there is no table " + t.Name + "; create it with 'wirepost table create'"}, nil
	}
	if t.Status != "ACTIVE" && t.Status != "UPDATING" {
		problems = append(problems, fmt.Sprintf("the table is %s; wait until it is ACTIVE", t.Status))
	}
	if t.Key != [2]string{partitionKey, sortKey} || t.KeyTypes != [2]string{"S", "S"} {
		problems = append(problems, fmt.Sprintf("its keys are %q (%s) and %q (%s), wirepost's are %q (S) and %q (S); keys cannot be changed, create another table", t.Key[0], t.KeyTypes[0], t.Key[1], t.KeyTypes[1], partitionKey, sortKey))
	}
	switch {
	case t.TTLUnknown != "":
		warnings = append(warnings, "whether TTL is on cannot be seen: "+t.TTLUnknown)
	case t.TTL == "":
		problems = append(problems, fmt.Sprintf("TTL is off, so that rows of connections that ended without a word stay for good; turn it on for the attribute %q", attrTTL))
	case t.TTL != attrTTL:
		problems = append(problems, fmt.Sprintf("TTL is on the attribute %q, wirepost's is %q; turn it off and on again for that", t.TTL, attrTTL))
	}
	if !t.OnDemand {
		warnings = append(warnings, "the table has provisioned capacity, which a burst of connects or a large publish can use up; on-demand billing has no such limit")
	}
	return problems, warnings
}

// DescribeTable says what there is. A table that is not there is no error.
func (s *Store) DescribeTable(ctx context.Context) (Table, error) {
	s.made()
	t := Table{Name: s.o.Table}
	out, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.DescribeTableOutput, error) {
		return s.db.DescribeTable(ctx, s.o.Table)
	})
	if dynamodb.Code(err) == notFound {
		return t, nil
	}
	if err != nil {
		return t, s.explain("describe", "the keys", err)
	}
	d := out.Table
	t.Status = d.TableStatus
	for _, k := range d.KeySchema {
		i := 0
		if k.KeyType == dynamodb.Range {
			i = 1
		}
		t.Key[i] = k.AttributeName
		for _, a := range d.AttributeDefinitions {
			if a.AttributeName == k.AttributeName {
				t.KeyTypes[i] = a.AttributeType
			}
		}
	}
	t.OnDemand = d.BillingModeSummary.BillingMode == dynamodb.PayPerRequest
	t.Rows, t.Bytes = d.ItemCount, d.TableSizeBytes
	ttl, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.DescribeTimeToLiveOutput, error) {
		return s.db.DescribeTimeToLive(ctx, s.o.Table)
	})
	switch {
	case dynamodb.Code(err) == accessDenied:
		t.TTLUnknown = "these credentials may not call dynamodb:DescribeTimeToLive"
	case unknownOperation(err):
		t.TTLUnknown = "this server has no TTL"
	case err != nil:
		return t, s.explain("describe", "the TTL", err)
	default:
		if d := ttl.TimeToLiveDescription; d.TimeToLiveStatus == "ENABLED" || d.TimeToLiveStatus == "ENABLING" {
			t.TTL = d.AttributeName
		}
	}
	return t, nil
}

// CheckTable returns an error that names everything that is missing, or nil.
func (s *Store) CheckTable(ctx context.Context) error {
	s.made()
	t, err := s.DescribeTable(ctx)
	if err != nil {
		return err
	}
	problems, _ := t.Problems()
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = fmt.Errorf("table %s (%s): %s", s.o.Table, s.where(), p)
	}
	return errors.Join(errs...)
}

// CreateTable makes the table with on-demand billing and turns its TTL on, waits
// until it can be used, and returns it. It may be repeated: of a table that is
// there it turns on the TTL, if that is off, and changes nothing else.
func (s *Store) CreateTable(ctx context.Context) (Table, error) {
	s.made()
	ctx, cancel := context.WithTimeout(ctx, tableWait)
	defer cancel()
	_, _, err := call(ctx, s, func(ctx context.Context) (*dynamodb.CreateTableOutput, error) {
		return s.db.CreateTable(ctx, dynamodb.CreateTableInput{
			TableName:   s.o.Table,
			BillingMode: dynamodb.PayPerRequest,
			KeySchema: []dynamodb.KeySchemaElement{
				{AttributeName: partitionKey, KeyType: dynamodb.Hash},
				{AttributeName: sortKey, KeyType: dynamodb.Range},
			},
			AttributeDefinitions: []dynamodb.AttributeDefinition{
				{AttributeName: partitionKey, AttributeType: "S"},
				{AttributeName: sortKey, AttributeType: "S"},
			},
		})
	})
	if err != nil && dynamodb.Code(err) != "ResourceInUseException" {
		return Table{}, s.explain("create", "the keys", err)
	}
	t, err := s.DescribeTable(ctx)
	for wait := 100 * time.Millisecond; err == nil && (t.Status == "" || t.Status == "CREATING"); wait = min(2*wait, 5*time.Second) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return t, s.explain("create", "the keys", ended(ctx, nil))
		}
		t, err = s.DescribeTable(ctx)
	}
	// In a table of somebody else nothing is changed: its TTL would delete rows.
	if d := Definition(); err != nil || t.TTL != "" || t.TTLUnknown != "" || t.Key != d.Key || t.KeyTypes != d.KeyTypes {
		return t, err
	}
	_, _, err = call(ctx, s, func(ctx context.Context) (*dynamodb.UpdateTimeToLiveOutput, error) {
		return s.db.UpdateTimeToLive(ctx, dynamodb.UpdateTimeToLiveInput{TableName: s.o.Table,
			TimeToLiveSpecification: dynamodb.TimeToLiveSpecification{AttributeName: attrTTL, Enabled: true}})
	})
	switch {
	case unknownOperation(err):
		t.TTLUnknown = "this server has no TTL"
	case err != nil:
		return t, s.explain("turn on", "the TTL", err)
	default:
		t.TTL = attrTTL
	}
	return t, nil
}

// unknownOperation is what a server says that is not AWS's and does less.
func unknownOperation(err error) bool {
	return dynamodb.Code(err) == "UnknownOperationException"
}
