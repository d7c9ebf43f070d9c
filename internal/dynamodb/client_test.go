package dynamodb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

var pair = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "token"}, nil
})

// answering is a transport that keeps the last request and gives one answer.
type answering struct {
	status int
	answer string
	last   *http.Request
	body   []byte
}

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	a.last = r
	a.body, _ = io.ReadAll(r.Body)
	return &http.Response{StatusCode: a.status, Header: http.Header{"X-Amzn-Requestid": {"R1"}}, Body: io.NopCloser(strings.NewReader(a.answer)), ContentLength: int64(len(a.answer)), Request: r}, nil
}

func (a *answering) Do(r *http.Request) (*http.Response, error) { return a.RoundTrip(r) }

func client(t http.RoundTripper) *Client {
	return New(Client{URL: "https://dynamodb.eu-west-1.amazonaws.com", Region: "eu-west-1", Credentials: pair, Transport: t, UserAgent: "wirepost/test"})
}

// theirs is AWS's client over the same transport.
func theirs(a *answering) *sdk.Client {
	return sdk.New(sdk.Options{Region: "eu-west-1", Credentials: pair, HTTPClient: a, Retryer: aws.NopRetryer{}, DisableValidateResponseChecksum: true})
}

// plain is an answer of AWS's client in the words of this package.
func plain(m map[string]types.AttributeValue) Item {
	if m == nil {
		return nil
	}
	out := Item{}
	for name, v := range m {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			out[name] = Value{S: &v.Value}
		case *types.AttributeValueMemberN:
			out[name] = Value{N: &v.Value}
		case *types.AttributeValueMemberM:
			out[name] = Map(plain(v.Value))
		default:
			out[name] = Value{}
		}
	}
	return out
}

func plainPage(items []map[string]types.AttributeValue, last map[string]types.AttributeValue) *Page {
	p := &Page{LastEvaluatedKey: plain(last)}
	for _, it := range items {
		p.Items = append(p.Items, plain(it))
	}
	return p
}

// Each operation asks what AWS's client asks, and reads of the answer what that reads.
func TestRequestsAndAnswersAreThoseOfAWSsClient(t *testing.T) {
	table := "connections"
	s := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	n := func(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }
	key, theirKey := Item{"p": String("c0"), "s": String("Zß<&>\"\u2028")}, map[string]types.AttributeValue{"p": s("c0"), "s": s("Zß<&>\"\u2028")}
	row := Item{"p": String("c0"), "e": String(""), "x": Number(1790000000), "t": Map(Item{"lobby": Number(-3)}), "none": Map(Item{})}
	theirRow := map[string]types.AttributeValue{"p": s("c0"), "e": s(""), "x": n("1790000000"), "t": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"lobby": n("-3")}}, "none": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{}}}
	names, values, theirValues := map[string]string{"#p": "p"}, map[string]Value{":v": Number(7)}, map[string]types.AttributeValue{":v": n("7")}
	const anItem = `{"p":{"S":"c0"},"x":{"N":"12"},"t":{"M":{"a":{"N":"0"}}},"other":{"BOOL":true},"list":{"L":[{"S":"x"}]},"set":{"SS":["S"]},"empty":{"S":""}}`
	for name, c := range map[string]struct {
		answer string
		mine   func(*Client) (any, error)
		theirs func(*sdk.Client) (any, error)
	}{
		"GetItem": {`{"Item":` + anItem + `}`,
			func(c *Client) (any, error) {
				return c.GetItem(t.Context(), GetItemInput{TableName: table, Key: key, ConsistentRead: true})
			},
			func(c *sdk.Client) (any, error) {
				o, err := c.GetItem(t.Context(), &sdk.GetItemInput{TableName: &table, Key: theirKey, ConsistentRead: aws.Bool(true)})
				return &GetItemOutput{plain(o.Item)}, err
			}},
		"GetItem of none": {`{}`,
			func(c *Client) (any, error) {
				return c.GetItem(t.Context(), GetItemInput{TableName: table, Key: key})
			},
			func(c *sdk.Client) (any, error) {
				o, err := c.GetItem(t.Context(), &sdk.GetItemInput{TableName: &table, Key: theirKey, ConsistentRead: aws.Bool(false)})
				return &GetItemOutput{plain(o.Item)}, err
			}},
		"PutItem": {`{}`,
			func(c *Client) (any, error) {
				return c.PutItem(t.Context(), PutItemInput{TableName: table, Item: row, ConditionExpression: "attribute_not_exists(#p)", ExpressionAttributeNames: names})
			},
			func(c *sdk.Client) (any, error) {
				o, err := c.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: theirRow, ConditionExpression: aws.String("attribute_not_exists(#p)"), ExpressionAttributeNames: names})
				return &WriteOutput{plain(o.Attributes)}, err
			}},
		"UpdateItem": {`{}`,
			func(c *Client) (any, error) {
				return c.UpdateItem(t.Context(), UpdateItemInput{TableName: table, Key: key, UpdateExpression: "SET #v = :v", ConditionExpression: "#p = :v", ExpressionAttributeNames: names, ExpressionAttributeValues: values})
			},
			func(c *sdk.Client) (any, error) {
				o, err := c.UpdateItem(t.Context(), &sdk.UpdateItemInput{TableName: &table, Key: theirKey, UpdateExpression: aws.String("SET #v = :v"), ConditionExpression: aws.String("#p = :v"), ExpressionAttributeNames: names, ExpressionAttributeValues: theirValues})
				return &WriteOutput{plain(o.Attributes)}, err
			}},
		"DeleteItem": {`{"Attributes":` + anItem + `}`,
			func(c *Client) (any, error) {
				return c.DeleteItem(t.Context(), DeleteItemInput{TableName: table, Key: key, ReturnValues: AllOld})
			},
			func(c *sdk.Client) (any, error) {
				o, err := c.DeleteItem(t.Context(), &sdk.DeleteItemInput{TableName: &table, Key: theirKey, ReturnValues: types.ReturnValueAllOld})
				return &WriteOutput{plain(o.Attributes)}, err
			}},
		"BatchWriteItem": {`{"UnprocessedItems":{"connections":[{"DeleteRequest":{"Key":{"p":{"S":"c0"}}}}]}}`,
			func(c *Client) (any, error) {
				return c.BatchWriteItem(t.Context(), BatchWriteItemInput{map[string][]WriteRequest{table: {{PutRequest: &PutRequest{row}}, {DeleteRequest: &DeleteRequest{key}}}}})
			},
			func(c *sdk.Client) (any, error) {
				o, err := c.BatchWriteItem(t.Context(), &sdk.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: {{PutRequest: &types.PutRequest{Item: theirRow}}, {DeleteRequest: &types.DeleteRequest{Key: theirKey}}}}})
				var rest []WriteRequest
				for _, r := range o.UnprocessedItems[table] {
					rest = append(rest, WriteRequest{DeleteRequest: &DeleteRequest{plain(r.DeleteRequest.Key)}})
				}
				return &BatchWriteItemOutput{map[string][]WriteRequest{table: rest}}, err
			}},
		"Query": {`{"Count":2,"Items":[` + anItem + `,{"p":{"S":"c1"}}],"LastEvaluatedKey":{"p":{"S":"c1"}},"ScannedCount":2}`,
			func(c *Client) (any, error) {
				return c.Query(t.Context(), QueryInput{TableName: table, ConsistentRead: true, Limit: 7, KeyConditionExpression: "#p = :v", ExpressionAttributeNames: names, ExpressionAttributeValues: values, ExclusiveStartKey: key})
			},
			func(c *sdk.Client) (any, error) {
				o, err := c.Query(t.Context(), &sdk.QueryInput{TableName: &table, ConsistentRead: aws.Bool(true), Limit: aws.Int32(7), KeyConditionExpression: aws.String("#p = :v"), ExpressionAttributeNames: names, ExpressionAttributeValues: theirValues, ExclusiveStartKey: theirKey})
				return plainPage(o.Items, o.LastEvaluatedKey), err
			}},
		"Scan": {`{"Count":0,"Items":[],"ScannedCount":9}`,
			func(c *Client) (any, error) { return c.Scan(t.Context(), ScanInput{TableName: table}) },
			func(c *sdk.Client) (any, error) {
				o, err := c.Scan(t.Context(), &sdk.ScanInput{TableName: &table, ConsistentRead: aws.Bool(false)})
				return plainPage(o.Items, o.LastEvaluatedKey), err
			}},
		"CreateTable": {`{"TableDescription":{"TableStatus":"CREATING"}}`,
			func(c *Client) (any, error) {
				return c.CreateTable(t.Context(), CreateTableInput{TableName: table, BillingMode: PayPerRequest, KeySchema: []KeySchemaElement{{"p", Hash}, {"s", Range}}, AttributeDefinitions: []AttributeDefinition{{"p", "S"}, {"s", "S"}}})
			},
			func(c *sdk.Client) (any, error) {
				_, err := c.CreateTable(t.Context(), &sdk.CreateTableInput{TableName: &table, BillingMode: types.BillingModePayPerRequest,
					KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("p"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("s"), KeyType: types.KeyTypeRange}},
					AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("p"), AttributeType: "S"}, {AttributeName: aws.String("s"), AttributeType: "S"}}})
				return &CreateTableOutput{}, err
			}},
		"DescribeTable": {`{"Table":{"TableStatus":"ACTIVE","KeySchema":[{"AttributeName":"p","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"}],"BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST","LastUpdateToPayPerRequestDateTime":1.7e9},"ItemCount":12,"TableSizeBytes":345}}`,
			func(c *Client) (any, error) { return c.DescribeTable(t.Context(), table) },
			func(c *sdk.Client) (any, error) {
				o, err := c.DescribeTable(t.Context(), &sdk.DescribeTableInput{TableName: &table})
				d := TableDescription{TableStatus: string(o.Table.TableStatus), ItemCount: *o.Table.ItemCount, TableSizeBytes: *o.Table.TableSizeBytes}
				d.BillingModeSummary.BillingMode = string(o.Table.BillingModeSummary.BillingMode)
				for _, k := range o.Table.KeySchema {
					d.KeySchema = append(d.KeySchema, KeySchemaElement{*k.AttributeName, string(k.KeyType)})
				}
				for _, a := range o.Table.AttributeDefinitions {
					d.AttributeDefinitions = append(d.AttributeDefinitions, AttributeDefinition{*a.AttributeName, string(a.AttributeType)})
				}
				return &DescribeTableOutput{d}, err
			}},
		"DescribeTimeToLive": {`{"TimeToLiveDescription":{"AttributeName":"x","TimeToLiveStatus":"ENABLED"}}`,
			func(c *Client) (any, error) { return c.DescribeTimeToLive(t.Context(), table) },
			func(c *sdk.Client) (any, error) {
				o, err := c.DescribeTimeToLive(t.Context(), &sdk.DescribeTimeToLiveInput{TableName: &table})
				out := &DescribeTimeToLiveOutput{}
				out.TimeToLiveDescription.AttributeName, out.TimeToLiveDescription.TimeToLiveStatus = *o.TimeToLiveDescription.AttributeName, string(o.TimeToLiveDescription.TimeToLiveStatus)
				return out, err
			}},
		"UpdateTimeToLive": {`{"TimeToLiveSpecification":{"AttributeName":"x","Enabled":true}}`,
			func(c *Client) (any, error) {
				return c.UpdateTimeToLive(t.Context(), UpdateTimeToLiveInput{table, TimeToLiveSpecification{"x", true}})
			},
			func(c *sdk.Client) (any, error) {
				_, err := c.UpdateTimeToLive(t.Context(), &sdk.UpdateTimeToLiveInput{TableName: &table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("x"), Enabled: aws.Bool(true)}})
				return &UpdateTimeToLiveOutput{}, err
			}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := &answering{status: 200, answer: c.answer}, &answering{status: 200, answer: c.answer}
			got, err := c.mine(client(a))
			if err != nil {
				t.Fatal(err)
			}
			want, err := c.theirs(theirs(b))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("read %s\nwant %s", text(t, got), text(t, want))
			}
			var mine, theirs any
			if err := errors.Join(json.Unmarshal(a.body, &mine), json.Unmarshal(b.body, &theirs)); err != nil || !reflect.DeepEqual(mine, theirs) {
				t.Errorf("asked %s\nAWS's client asks %s (%v)", a.body, b.body, err)
			}
			if a.last.Method != b.last.Method || a.last.URL.String() != b.last.URL.String() {
				t.Errorf("%s %s, AWS's client %s %s", a.last.Method, a.last.URL, b.last.Method, b.last.URL)
			}
			for _, h := range []string{"Content-Type", "X-Amz-Target", "X-Amz-Security-Token", "Accept-Encoding"} {
				if a.last.Header.Get(h) != b.last.Header.Get(h) {
					t.Errorf("%s: %q, AWS's client %q", h, a.last.Header.Get(h), b.last.Header.Get(h))
				}
			}
			scope := func(r *http.Request) string {
				s, _, _ := strings.Cut(r.Header.Get("Authorization"), ", SignedHeaders")
				return s
			}
			if scope(a.last) != scope(b.last) {
				t.Errorf("signed %s\nAWS's client %s", a.last.Header.Get("Authorization"), b.last.Header.Get("Authorization"))
			}
			if want := signature(t, a); a.last.Header.Get("Authorization") != want {
				t.Errorf("signed %s\nwant   %s", a.last.Header.Get("Authorization"), want)
			}
		})
	}
}

// signature is what AWS's signer makes of a request and of the body that was sent.
func signature(t *testing.T, a *answering) string {
	t.Helper()
	again, err := http.NewRequest(a.last.Method, a.last.URL.String(), bytes.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Content-Type", "X-Amz-Target", "Accept-Encoding"} {
		again.Header.Set(name, a.last.Header.Get(name))
	}
	at, err := time.Parse("20060102T150405Z", a.last.Header.Get("X-Amz-Date"))
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := pair.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(a.body)
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, again, hex.EncodeToString(sum[:]), "dynamodb", "eu-west-1", at); err != nil {
		t.Fatal(err)
	}
	return again.Header.Get("Authorization")
}

func text(t *testing.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestARefusalHasItsCodeAndAnAnswerOfSomebodyElseIsNone(t *testing.T) {
	for _, c := range []struct {
		status    int
		answer    string
		code      string
		says      string
		notAnswer bool
	}{
		{400, `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}`, "ConditionalCheckFailedException", "DynamoDB GetItem answered 400 ConditionalCheckFailedException: The conditional request failed", false},
		{400, `{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"not authorized"}`, "AccessDeniedException", "answered 400 AccessDeniedException: not authorized", false},
		{400, `{"__type":"UnknownOperationException"}`, "UnknownOperationException", "answered 400 UnknownOperationException", false},
		{500, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"m"}`, "InternalServerError", "answered 500", false},
		{502, "<html>Bad Gateway</html>", "Bad Gateway", "answered 502 Bad Gateway: <html>", false},
		{503, "", "Service Unavailable", "answered 503 Service Unavailable", false},
		{301, "", "Moved Permanently", "answered 301", false},
		{420, "x", "status 420", "answered 420 status 420: x", false},
		{400, `{"code":"ResourceNotFoundException","message":"m"}`, "ResourceNotFoundException", "400 ResourceNotFoundException: m", false},
		{400, `{"__type":"a.b#ResourceNotFoundException:http://x","message":"m"}`, "ResourceNotFoundException", "400 ResourceNotFoundException: m (request ID R1)", false},
		{200, "<html>Log in to the network</html>", "", "answered 200 ", true},
		{200, "", "", "answered 200 ", true},
		{200, `{"Item":[]}`, "", "answered 200 ", true},
	} {
		_, err := client(&answering{status: c.status, answer: c.answer}).GetItem(t.Context(), GetItemInput{})
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Status != c.status || e.RequestID != "R1" || Code(err) != c.code || !strings.Contains(err.Error(), c.says) || errors.Is(err, ErrNotAnswer) != c.notAnswer {
			t.Errorf("%d %s: %+v, %v", c.status, c.answer, e, err)
		}
	}
}

func TestTheCodeOfARefusalMayBeInAHeader(t *testing.T) {
	_, err := client(roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 400, Header: http.Header{"X-Amzn-Errortype": {"AccessDeniedException:http://internal.amazon.com/"}}, Body: io.NopCloser(strings.NewReader(`{"Message":"no"}`))}, nil
	})).GetItem(t.Context(), GetItemInput{})
	if Code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "answered 400 AccessDeniedException: no") {
		t.Error(err)
	}
}

func TestAnySuccessIsOneAndAWriteNeedsNoAnswer(t *testing.T) {
	if out, err := client(&answering{status: 201, answer: `{"Item":{"p":{"S":"a"}}}`}).GetItem(t.Context(), GetItemInput{}); err != nil || len(out.Item) != 1 {
		t.Error(out, err)
	}
	if _, err := client(&answering{status: 200}).PutItem(t.Context(), PutItemInput{}); err != nil {
		t.Error(err)
	}
	if _, err := client(&answering{status: 200}).Query(t.Context(), QueryInput{}); !errors.Is(err, ErrNotAnswer) {
		t.Errorf("an empty answer is a page: %v", err)
	}
}

// A machine whose clock is wrong signs by the server's after the first refusal.
func TestAWrongClockIsCorrectedByTheServers(t *testing.T) {
	for _, wrong := range []time.Duration{10 * time.Minute, -3 * time.Hour} {
		var refused, taken int
		server := roundTrip(func(r *http.Request) (*http.Response, error) {
			now := time.Now().Add(wrong)
			at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
			header := http.Header{"Date": {now.UTC().Format(http.TimeFormat)}}
			if err != nil || now.Sub(at).Abs() > 5*time.Minute {
				refused++
				return &http.Response{StatusCode: 400, Header: header, Body: io.NopCloser(strings.NewReader(`{"__type":"x#InvalidSignatureException","message":"Signature expired"}`))}, nil
			}
			taken++
			return &http.Response{StatusCode: 200, Header: header, Body: io.NopCloser(strings.NewReader("{}"))}, nil
		})
		c := client(server)
		_, err := c.GetItem(t.Context(), GetItemInput{})
		if e, ok := errors.AsType[*Error](err); !ok || !e.Corrected {
			t.Fatalf("%v: %v", wrong, err)
		}
		for range 2 {
			if _, err := c.GetItem(t.Context(), GetItemInput{}); err != nil {
				t.Errorf("%v: after the correction: %v", wrong, err)
			}
		}
		if refused != 1 || taken != 2 {
			t.Errorf("%v: refused %d, taken %d", wrong, refused, taken)
		}
	}
	// What a right clock does not explain is not put down to it.
	now := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 400, Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}, Body: io.NopCloser(strings.NewReader(`{"__type":"x#InvalidSignatureException"}`))}, nil
	})
	if e, ok := errors.AsType[*Error](func() error { _, err := client(now).GetItem(t.Context(), GetItemInput{}); return err }()); !ok || e.Corrected {
		t.Errorf("%+v", e)
	}
}

type broken struct{ io.Reader }

func (broken) Close() error { return nil }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWhatIsNotAnsweredSaysWhy(t *testing.T) {
	refused := errors.New("connection refused")
	_, err := client(roundTrip(func(*http.Request) (*http.Response, error) { return nil, refused })).Scan(t.Context(), ScanInput{})
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != 0 || !errors.Is(err, refused) || err.Error() != "DynamoDB Scan: connection refused" || e.Cause() != "connection refused" || Unsigned(err) {
		t.Error(err)
	}
	// An answer that breaks off may be of a request that took effect.
	_, err = client(roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: broken{io.MultiReader(strings.NewReader(`{"It`), iotestErr{io.ErrUnexpectedEOF})}, ContentLength: 100}, nil
	})).Scan(t.Context(), ScanInput{})
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != 200 || e.Code != "" || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrNotAnswer) {
		t.Error(err)
	}
	none := client(&answering{})
	none.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errors.New("no profile") })
	if _, err := none.Scan(t.Context(), ScanInput{}); !Unsigned(err) || !strings.Contains(err.Error(), "DynamoDB Scan: find credentials: no profile") {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }))
	defer silent.Close()
	late := client(http.DefaultTransport)
	late.URL = silent.URL
	if _, err := late.Scan(ctx, ScanInput{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

type iotestErr struct{ err error }

func (e iotestErr) Read([]byte) (int, error) { return 0, e.err }

func TestAnAnswerWithoutAnEndIsNotRead(t *testing.T) {
	endless := io.LimitReader(zeros{}, maxAnswer+1000)
	_, err := client(roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(endless), ContentLength: -1}, nil
	})).Scan(t.Context(), ScanInput{})
	if err == nil || !strings.Contains(err.Error(), "more than 33554432 bytes") {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// FuzzAnswers: a server may say anything. What is no answer is an error.
func FuzzAnswers(f *testing.F) {
	f.Add(200, []byte(`{"Items":[{"p":{"S":"a"},"t":{"M":{"x":{"N":"1"}}}}],"LastEvaluatedKey":{"p":{"S":"a"}}}`))
	f.Add(400, []byte(`{"__type":"a#b","message":"c"}`))
	f.Add(500, []byte("\x00"))
	f.Fuzz(func(t *testing.T, status int, answer []byte) {
		out, err := client(roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(answer)), ContentLength: int64(len(answer))}, nil
		})).Query(t.Context(), QueryInput{})
		if (out == nil) == (err == nil) || err != nil && err.Error() == "" {
			t.Errorf("%v, %v", out, err)
		}
		if status/100 != 2 && err == nil { // as AWS's client has it
			t.Errorf("status %d is a success", status)
		}
	})
}
