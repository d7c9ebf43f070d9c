package dynamostore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost/internal/awsconfig"
	"github.com/wirepost/wirepost/internal/dynamodb"
)

// What an attempt's error says about the next one, and about the row.
func TestWhichFailuresPassAndWhichMayHaveWritten(t *testing.T) {
	refused := func(status int, code string) error { return &dynamodb.Error{Status: status, Code: code} }
	failed := func(err error) error { return &dynamodb.Error{Err: err} }
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, c := range []struct {
		name             string
		err              error
		passes, happened bool
	}{
		{"a throttle", refused(400, "ProvisionedThroughputExceededException"), true, false},
		{"a throttle of whatever is before", refused(429, "Too Many Requests"), true, false},
		{"a transaction that is in the way", refused(400, "TransactionInProgressException"), true, false},
		{"a condition", refused(400, "ConditionalCheckFailedException"), false, false},
		{"rights", refused(400, "AccessDeniedException"), false, false},
		{"an error of the service", refused(500, "InternalServerError"), true, true},
		{"a gateway's", refused(502, "Bad Gateway"), true, true},
		{"a page of a network to log in on", refused(511, "Network Authentication Required"), false, true},
		{"not implemented", refused(501, "Not Implemented"), false, true},
		{"a status without a name", refused(499, "status 499"), false, false},
		{"a clock that is corrected", &dynamodb.Error{Status: 400, Code: "InvalidSignatureException", Corrected: true}, true, false},
		{"an answer that broke off", &dynamodb.Error{Status: 200, Err: io.ErrUnexpectedEOF}, true, true},
		{"an answer of somebody else", &dynamodb.Error{Status: 200, Err: fmt.Errorf("%w: x", dynamodb.ErrNotAnswer)}, false, true},
		{"a reset", failed(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), true, true},
		{"an end", failed(io.EOF), true, true},
		{"a dial that is refused", failed(dial), true, false},
		{"a host that is not found", failed(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}), false, false},
		{"a resolver that does not answer", failed(&net.OpError{Op: "dial", Err: &net.DNSError{IsTimeout: true}}), true, false},
		{"a certificate", failed(&tls.CertificateVerificationError{Err: errors.New("unknown authority")}), false, true},
		{"plain HTTP where TLS should be", failed(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), false, true},
		{"a request that cannot be made", errors.New("parse URL"), false, true},
	} {
		if got := mayPass(c.err); got != c.passes {
			t.Errorf("%s passes: %v, want %v", c.name, got, c.passes)
		}
		if got := mayHaveHappened(c.err); got != c.happened {
			t.Errorf("%s may have written: %v, want %v", c.name, got, c.happened)
		}
	}
}

// Credentials that come over the network fail as networks do; ones that are not there
// stay away.
func TestCredentialsAreAskedForAgainOnlyIfTheNetworkFailed(t *testing.T) {
	t.Setenv("AWS_PROFILE", "")
	network := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, c := range []struct {
		name string
		err  error
		want bool
		cure string
	}{
		{"the network failed", fmt.Errorf("ask the container's endpoint: %w", network), true, "the AWS credentials could not be fetched; check the network to where they come from"},
		{"there is no profile", errors.New("no such profile"), false, "there are no AWS credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
		{"the environment has none", awsconfig.ErrNoCredentials, false, "there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or import package awschain for a profile or another role"},
	} {
		_, err := dynamodb.New(dynamodb.Client{URL: "http://127.0.0.1:1", Region: "eu-west-1", Credentials: provider{c.err}, Transport: http.DefaultTransport}).Scan(t.Context(), dynamodb.ScanInput{})
		if got := mayPass(err); got != c.want || mayHaveHappened(err) {
			t.Errorf("%s: passes %v, want %v; may have written %v", c.name, got, c.want, mayHaveHappened(err))
		}
		if got := (&Store{o: Options{Table: "t"}}).cure(err); got != c.cure {
			t.Errorf("%s: %q, want %q", c.name, got, c.cure)
		}
	}
}

type provider struct{ err error }

func (p provider) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials{}, p.err }
