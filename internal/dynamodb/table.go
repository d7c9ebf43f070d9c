package dynamodb

import "context"

type (
	KeySchemaElement    struct{ AttributeName, KeyType string }       // HASH or RANGE
	AttributeDefinition struct{ AttributeName, AttributeType string } // S, N or B

	CreateTableInput struct {
		TableName            string
		BillingMode          string
		KeySchema            []KeySchemaElement
		AttributeDefinitions []AttributeDefinition
	}
	CreateTableOutput struct{}

	DescribeTableOutput struct{ Table TableDescription }
	TableDescription    struct {
		TableStatus               string
		KeySchema                 []KeySchemaElement
		AttributeDefinitions      []AttributeDefinition
		BillingModeSummary        struct{ BillingMode string }
		ItemCount, TableSizeBytes int64
	}

	DescribeTimeToLiveOutput struct {
		TimeToLiveDescription struct{ AttributeName, TimeToLiveStatus string }
	}
	TimeToLiveSpecification struct {
		AttributeName string
		Enabled       bool
	}
	UpdateTimeToLiveInput struct {
		TableName               string
		TimeToLiveSpecification TimeToLiveSpecification
	}
	UpdateTimeToLiveOutput struct{}
)

// What the API reference calls them.
const (
	Hash, Range   = "HASH", "RANGE"
	PayPerRequest = "PAY_PER_REQUEST"
)

type tableName struct{ TableName string }

// CreateTable begins to make a table.
func (c *Client) CreateTable(ctx context.Context, in CreateTableInput) (*CreateTableOutput, error) {
	return do[CreateTableOutput](ctx, c, "CreateTable", in)
}

// DescribeTable says how a table is made, and whether it is ready.
func (c *Client) DescribeTable(ctx context.Context, name string) (*DescribeTableOutput, error) {
	return do[DescribeTableOutput](ctx, c, "DescribeTable", tableName{name})
}

// DescribeTimeToLive says by which attribute rows end.
func (c *Client) DescribeTimeToLive(ctx context.Context, name string) (*DescribeTimeToLiveOutput, error) {
	return do[DescribeTimeToLiveOutput](ctx, c, "DescribeTimeToLive", tableName{name})
}

// UpdateTimeToLive turns the end of rows on or off.
func (c *Client) UpdateTimeToLive(ctx context.Context, in UpdateTimeToLiveInput) (*UpdateTimeToLiveOutput, error) {
	return do[UpdateTimeToLiveOutput](ctx, c, "UpdateTimeToLive", in)
}
