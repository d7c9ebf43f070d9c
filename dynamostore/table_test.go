package dynamostore_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

func TestATableIsCreatedWithItsTTLAndMayBeCreatedAgain(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	s := create(t, endpoint, &dynamostore.Options{})
	for range 2 {
		table, err := s.CreateTable(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := dynamostore.Table{Name: *dynamostore.TableName(s), Status: "ACTIVE", Key: [2]string{"p", "s"}, KeyTypes: [2]string{"S", "S"}, OnDemand: true, TTL: "x"}
		if table != want {
			t.Errorf("the table is %+v, want %+v", table, want)
		}
	}
	if err := s.CheckTable(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAServerWithoutTTLIsSaidToBeOne(t *testing.T) {
	s := create(t, dynamolocal.Start(t, dynamolocal.Dynalite), &dynamostore.Options{})
	table, err := s.CreateTable(t.Context())
	if err != nil || table.TTLUnknown == "" {
		t.Errorf("CreateTable = %+v, %v", table, err)
	}
	if problems, warnings := table.Problems(); len(problems) > 0 || len(warnings) != 1 {
		t.Errorf("problems %q, warnings %q", problems, warnings)
	}
}

func TestWhatATableLacksIsNamedWithItsCure(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	good := create(t, endpoint, &dynamostore.Options{})
	db := dynamostore.DB(good)
	made := func(name string, change func(*dynamodb.CreateTableInput)) *dynamostore.Store {
		in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest,
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("p"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("s"), KeyType: types.KeyTypeRange}},
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("p"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("s"), AttributeType: types.ScalarAttributeTypeS}}}
		change(in)
		if _, err := db.CreateTable(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		s, err := dynamostore.Open(t.Context(), &dynamostore.Options{Table: name, Endpoint: endpoint})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ttl := func(s *dynamostore.Store, attribute string) *dynamostore.Store {
		if _, err := db.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: dynamostore.TableName(s), TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &attribute, Enabled: aws.Bool(true)}}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		s        *dynamostore.Store
		problems []string
	}{
		{made("check-ttl-off", func(*dynamodb.CreateTableInput) {}), []string{"TTL is off", `attribute "x"`}},
		{ttl(made("check-ttl-elsewhere", func(*dynamodb.CreateTableInput) {}), "expires"), []string{`TTL is on the attribute "expires"`}},
		{ttl(made("check-keys", func(in *dynamodb.CreateTableInput) {
			in.KeySchema[0].AttributeName, in.AttributeDefinitions[0].AttributeName = aws.String("id"), aws.String("id")
		}), "x"), []string{`its keys are "id" (S) and "s" (S)`, "create another table"}},
		{ttl(made("check-key-types", func(in *dynamodb.CreateTableInput) {
			in.AttributeDefinitions[1].AttributeType = types.ScalarAttributeTypeN
		}), "x"), []string{`"s" (N)`}},
		{ttl(made("check-one-key", func(in *dynamodb.CreateTableInput) {
			in.KeySchema, in.AttributeDefinitions = in.KeySchema[:1], in.AttributeDefinitions[:1]
		}), "x"), []string{`"p" (S) and "" ()`}},
		{again(t, good, endpoint, &dynamostore.Options{}), nil},
	} {
		err := c.s.CheckTable(t.Context())
		if c.problems == nil {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		wantSentence(t, err, append(c.problems, *dynamostore.TableName(c.s))...)
	}
	// In a table of somebody else's nothing is turned on, which would delete its rows.
	foreign := made("foreign-key-types", func(in *dynamodb.CreateTableInput) {
		in.AttributeDefinitions[1].AttributeType = types.ScalarAttributeTypeN
	})
	if _, err := foreign.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if is, err := foreign.DescribeTable(t.Context()); err != nil || is.TTL != "" {
		t.Errorf("the TTL of another's table is %q (%v), it was off", is.TTL, err)
	}
	// A table of somebody else's is found by the first call too.
	other, err := dynamostore.Open(t.Context(), &dynamostore.Options{Table: "check-keys", Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.Connection(t.Context(), "c1")
	wantSentence(t, err, "check-keys", "wirepost table check", "region=us-east-1")
	absent, err := dynamostore.Open(t.Context(), &dynamostore.Options{Table: "not-there", Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	wantSentence(t, absent.CheckTable(t.Context()), "there is no table not-there", "wirepost table create")
	err = absent.Put(t.Context(), connection("c1", "alice"))
	wantSentence(t, err, "put connection c1", "not-there", "wirepost table create dynamodb://not-there?region=us-east-1&endpoint=")
}

func TestProvisionedCapacityIsAWarning(t *testing.T) {
	table := dynamostore.Table{Name: "tab", Status: "ACTIVE", Key: [2]string{"p", "s"}, KeyTypes: [2]string{"S", "S"}, TTL: "x"}
	if problems, warnings := table.Problems(); len(problems) > 0 || len(warnings) != 1 || !strings.Contains(warnings[0], "provisioned") {
		t.Errorf("problems %q, warnings %q", problems, warnings)
	}
}

// answering is a server that gives the same answer to everything.
func answering(t *testing.T, h http.HandlerFunc, o *dynamostore.Options) *dynamostore.Store {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.Table, o.Endpoint, o.Region = "connections", server.URL, "eu-central-1"
	s, err := dynamostore.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func refusal(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"said so"}`, code)
	}
}

func TestWhatDynamoDBRefusesIsExplained(t *testing.T) {
	for _, c := range []struct{ code, cure string }{
		{"AccessDeniedException", "allow dynamodb:GetItem"},
		{"UnrecognizedClientException", "AWS does not know these credentials"},
		{"InvalidSignatureException", "this machine's clock"},
		{"ExpiredTokenException", "have expired; renew them"},
		{"ResourceNotFoundException", "wirepost table create dynamodb://connections?region=eu-central-1"},
	} {
		s := answering(t, refusal(400, c.code), &dynamostore.Options{})
		_, err := s.Connection(t.Context(), "c1")
		wantSentence(t, err, "read ", "c1", "table connections", c.cure, "said so")
	}
}

// What may be over in a moment is asked for again until the time is up, and then
// is the error.
func TestWhatPassesIsTriedAgainInsideTheDeadline(t *testing.T) {
	for _, c := range []struct {
		name, cure string
		fail       http.HandlerFunc
	}{
		{"throttle", "DynamoDB throttles", refusal(400, "ProvisionedThroughputExceededException")},
		{"throttling of the account", "DynamoDB throttles", refusal(400, "ThrottlingException")},
		{"an error of the service", "said so", refusal(500, "InternalServerError")},
		{"a reset", "EOF", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }},
		{"no answer", "no answer within 50ms", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // only then is it noticed that the client gave up
			<-r.Context().Done()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls atomic.Int64
			s := answering(t, func(w http.ResponseWriter, r *http.Request) {
				if calls.Add(1) > 4 {
					fmt.Fprint(w, "{}")
					return
				}
				c.fail(w, r)
			}, &dynamostore.Options{AttemptTimeout: 50 * time.Millisecond, Random: func() float64 { return 0.1 }})
			if _, err := s.Connection(t.Context(), "c1"); !errors.Is(err, wirepost.ErrNotFound) {
				t.Errorf("after four failures: %v, want the answer of the fifth attempt", err)
			}
			calls.Store(-1 << 40)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, err := s.Connection(ctx, "c1")
			wantSentence(t, err, "table connections", c.cure)
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("the call took %v of 300 ms", took)
			}
		})
	}
}

// What is wrong with a request or with the server stays wrong: it is asked once.
func TestWhatStaysWrongIsNotTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name, says string
		fail       http.HandlerFunc
	}{
		{"a request that is wrong", "said so", refusal(400, "ValidationException")},
		{"rights that are missing", "allow dynamodb:GetItem", refusal(400, "AccessDeniedException")},
		{"a page to log in on", "the answer is not DynamoDB's", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") }},
		{"a redirect", "Found", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls atomic.Int64
			s := answering(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				c.fail(w, r)
			}, &dynamostore.Options{})
			_, err := s.Connection(t.Context(), "c1")
			wantSentence(t, err, "read ", "table connections", c.says)
			if n := calls.Load(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
	t.Run("a certificate that nobody knows", func(t *testing.T) {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		var connections atomic.Int64
		server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				connections.Add(1)
			}
		}
		server.StartTLS()
		t.Cleanup(server.Close)
		s, err := dynamostore.Open(t.Context(), &dynamostore.Options{Table: "connections", Endpoint: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.Connection(t.Context(), "c1")
		wantSentence(t, err, "read ", "certificate")
		if n := connections.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
	t.Run("credentials that are missing", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		s, err := dynamostore.Open(t.Context(), &dynamostore.Options{Table: "connections", Region: "eu-central-1"})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.Connection(t.Context(), "c1")
		wantSentence(t, err, "read ", "there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "awschain")
	})
}

func TestAnAuthorityOfOnesOwnIsTrusted(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") }))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", file)
	s, err := dynamostore.Open(t.Context(), &dynamostore.Options{Table: "connections", Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Connection(t.Context(), "c1"); !errors.Is(err, wirepost.ErrNotFound) {
		t.Error(err)
	}
	t.Setenv("AWS_CA_BUNDLE", os.DevNull)
	_, err = dynamostore.Open(t.Context(), &dynamostore.Options{Table: "connections", Endpoint: server.URL})
	wantSentence(t, err, "AWS_CA_BUNDLE: there is no certificate in "+os.DevNull)
}

func TestAServerThatIsNotThereIsSaidSoSoon(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s, err := dynamostore.Open(t.Context(), &dynamostore.Options{Table: "connections", Endpoint: "http://" + l.Addr().String(), Random: func() float64 { return 0.1 }})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Connection(t.Context(), "c1")
	wantSentence(t, err, "nothing answers there", l.Addr().String())
}

func TestOpenSaysWhatItLacks(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	_, err := dynamostore.Open(t.Context(), &dynamostore.Options{Table: "connections"})
	wantSentence(t, err, "the region of the table is not known", "dynamodb://connections?region=REGION")
	_, err = dynamostore.Open(t.Context(), nil)
	wantSentence(t, err, "is not the name of a DynamoDB table")
	s, err := wirepost.OpenStore(t.Context(), "dynamodb://connections?region=eu-central-1")
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", "127.0.0.1:8000")
	_, err = dynamostore.Open(t.Context(), &dynamostore.Options{Table: "connections", Region: "eu-central-1"})
	wantSentence(t, err, "AWS_ENDPOINT_URL_DYNAMODB", `"127.0.0.1:8000"`, "is not a URL such as")
}

// Nobody reads a profile where AWS's chain is not linked.
func TestAServerOnThisMachineTakesTheDevelopmentPairWhateverTheProfile(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_PROFILE", "work")
	s := answering(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") }, &dynamostore.Options{})
	if _, err := s.Connection(t.Context(), "c1"); !errors.Is(err, wirepost.ErrNotFound) {
		t.Error(err)
	}
}
