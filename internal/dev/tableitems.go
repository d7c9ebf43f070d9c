package dev

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/wirepost/wirepost/internal/app"
)

// fill puts the rows into a table that the template has for it and that are not there.
// A row with the same key stays as it is.
func (t *tables) fill(ctx context.Context, db *dynamodb.Client, table app.Table) error {
	put := 0
	for _, item := range table.Items {
		row, err := attributevalue.UnmarshalMapJSON([]byte(item.JSON))
		if err != nil {
			t.c.Report.Hint(fmt.Sprintf("%s: an item of table %s is left out: it is not DynamoDB's JSON, such as {\"id\": {\"S\": \"a\"}}", item.Position, table.Name))
			continue
		}
		_, err = db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table.Name, Item: row,
			ConditionExpression: aws.String("attribute_not_exists(#key)"), ExpressionAttributeNames: map[string]string{"#key": table.Keys[0].Attribute}})
		var there *types.ConditionalCheckFailedException
		refused, ok := errors.AsType[smithy.APIError](err)
		switch {
		case err == nil:
			put++
		case errors.As(err, &there):
		case ok && refused.ErrorCode() == "ValidationException": // AWS would refuse it, too
			t.c.Report.Hint(fmt.Sprintf("%s: an item of table %s cannot be put: %s", item.Position, table.Name, cause(err)))
		default:
			return err
		}
	}
	if put > 0 {
		t.c.Report.Hint(fmt.Sprintf("put %d of the template's items into table %s", put, table.Name))
	}
	return nil
}
