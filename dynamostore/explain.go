package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/wirepost/wirepost/internal/awsconfig"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// explain says what was attempted, on what, what was wrong and what to do. The
// error of a nil error is nil.
func (s *Store) explain(verb, key string, err error) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf("%s %s of DynamoDB table %s (%s)", verb, key, s.o.Table, s.where())
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", what, err)
	}
	if cure := s.cure(err); cure != "" {
		return fmt.Errorf("%s: %s: %w", what, cure, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (s *Store) where() string {
	if s.o.Endpoint != "" {
		return s.o.Endpoint
	}
	return s.o.Region
}

// Codes of DynamoDB's that more than one place knows.
const (
	notFound     = "ResourceNotFoundException"
	accessDenied = "AccessDeniedException"
)

// cure is the sentence for what people meet.
func (s *Store) cure(err error) string {
	code := dynamodb.Code(err)
	if code == notFound {
		return fmt.Sprintf("there is no such table there; create it with 'wirepost table create %s', or name the right region", s.URL())
	}
	switch _, network := errors.AsType[net.Error](err); {
	case errors.Is(err, awsconfig.ErrNoCredentials):
		if os.Getenv("AWS_PROFILE") != "" {
			return "AWS_PROFILE is set and this program does not read profiles; import _ \"github.com/wirepost/wirepost/awschain\""
		}
		return "there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or import package awschain for a profile or another role"
	case dynamodb.Unsigned(err) && network:
		return "the AWS credentials could not be fetched; check the network to where they come from"
	case dynamodb.Unsigned(err):
		return "there are no AWS credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("the host %s is not found; check region and endpoint of %s, and the network", dns.Name, s.URL())
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "nothing answers there; start the server, or correct the endpoint"
	}
	switch {
	case throttled(err):
		return "DynamoDB throttles; it kept on until the time was up. Raise the table's or the account's limits, or make fewer or smaller publishes"
	case code == accessDenied:
		return "these credentials may not do that; allow dynamodb:GetItem, PutItem, UpdateItem, DeleteItem, Query and BatchWriteItem on the table, Scan to sweep it, and what the verb above says for 'wirepost table'"
	case code == "UnrecognizedClientException" || code == "InvalidSignatureException" || code == "IncompleteSignatureException":
		return "AWS does not know these credentials; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and this machine's clock"
	case code == "ExpiredTokenException" || code == "ExpiredToken":
		return "these credentials have expired; renew them"
	case code == "ValidationException" && strings.Contains(strings.ToLower(err.Error()), "key"):
		return fmt.Sprintf("the table has other keys than wirepost's; 'wirepost table check %s' says which", s.URL())
	case errors.Is(err, errNoAnswer):
		return "DynamoDB does not answer; check the network and, inside a VPC, its endpoint for DynamoDB"
	}
	return ""
}
