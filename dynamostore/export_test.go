package dynamostore

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// DeleteTable removes the table of a test.
func DeleteTable(ctx context.Context, s *Store) error {
	_, err := s.db.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &s.o.Table})
	return err
}
