package awslocal

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// got is what a server or AWS was asked.
type got struct{ service, host, target, path, body string }

// server is a stand-in for a server: it keeps what it was asked, and answers so.
func server(t *testing.T, status int, body string, header ...string) (*Backend, *[]got) {
	t.Helper()
	var asked []got
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		asked = append(asked, got{host: r.Host, target: r.Header.Get("X-Amz-Target"), path: r.URL.Path, body: string(text)})
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return &Backend{URL: s.URL}, &asked
}

// ask asks a handler. headers are names and values in turn.
func ask(h http.Handler, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4100/", strings.NewReader(body))
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	} else {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const signed = "AWS4-HMAC-SHA256 Credential=a/20260101/eu-west-1/%s/aws4_request, SignedHeaders=host, Signature=0"

func services(t *testing.T, c Config) (*Services, *[]Miss) {
	t.Helper()
	var missed []Miss
	c.Region, c.Account, c.Base = "eu-west-1", "123456789012", "http://127.0.0.1:4100"
	c.Missing = func(_ *http.Request, m Miss) string {
		missed = append(missed, m)
		return fmt.Sprintf("%s <%s> is not here", m.Service, m.Name)
	}
	s := New(c)
	t.Cleanup(s.Close)
	return s, &missed
}

func TestWithoutAServerEachServiceSaysInItsOwnWordsWhatIsMissing(t *testing.T) {
	s, missed := services(t, Config{})
	for _, c := range []struct {
		target, body, auth string
		status             int
		want, header       string
		miss               Miss
	}{
		{"DynamoDB_20120810.PutItem", `{"TableName":"t"}`, "", 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"dynamodb \u003ct\u003e is not here"}`, "", Miss{Service: DynamoDB, Operation: "PutItem", Name: "t"}},
		{"DynamoDB_20120810.ListTables", `{}`, "", 400, `#ResourceNotFoundException"`, "", Miss{Service: DynamoDB, Operation: "ListTables"}},
		{"DynamoDB_20120810.PutItem", `not JSON`, "", 400, `#ResourceNotFoundException"`, "", Miss{Service: DynamoDB, Operation: "PutItem"}},
		{"DynamoDBStreams_20120810.DescribeStream", `{"StreamArn":"arn:aws:dynamodb:eu-west-1:1:table/t/stream/x"}`, "", 400, `#ResourceNotFoundException"`, "", Miss{Service: Streams, Operation: "DescribeStream", Name: "t"}},
		{"AmazonSQS.SendMessage", `{"QueueUrl":"http://127.0.0.1:4100/123456789012/q","MessageBody":"x"}`, "", 400, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"sqs \u003cq\u003e is not here"}`, "AWS.SimpleQueueService.NonExistentQueue;Sender", Miss{Service: SQS, Operation: "SendMessage", Name: "q"}},
		{"", "Action=SendMessage&Version=2012-11-05&QueueUrl=http://127.0.0.1:4100/123456789012/q&MessageBody=x", "", 400, "<Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>sqs &lt;q&gt; is not here</Message>", "", Miss{Service: SQS, Operation: "SendMessage", Name: "q"}},
		{"", "Action=ListQueues", "sqs", 400, "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>", "", Miss{Service: SQS, Operation: "ListQueues"}},
		{"", "Action=Publish&Version=2010-03-31&TopicArn=arn:aws:sns:eu-west-1:123456789012:news&Message=x", "", 404, "<Type>Sender</Type><Code>NotFound</Code><Message>sns &lt;news&gt; is not here</Message>", "", Miss{Service: SNS, Operation: "Publish", Name: "news"}},
		{"", "Action=CreateTopic&Name=news", "sns", 404, "<Code>NotFound</Code>", "", Miss{Service: SNS, Operation: "CreateTopic", Name: "news"}},
	} {
		*missed = nil
		w := ask(s, c.target, c.body, "Authorization", fmt.Sprintf(signed, c.auth))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || w.Header().Get("X-Amzn-Query-Error") != c.header {
			t.Errorf("%s %s: %d %q %s", c.target, c.body, w.Code, w.Header().Get("X-Amzn-Query-Error"), w.Body)
		}
		if len(*missed) != 1 || (*missed)[0] != c.miss {
			t.Errorf("%s %s: missed %+v", c.target, c.body, *missed)
		}
	}
}

func TestPagesAndNamesOfOthersGetNothing(t *testing.T) {
	s, missed := services(t, Config{})
	for _, headers := range [][]string{{"Origin", "https://foreign.example"}, {"Origin", "null"}, {"Origin", "http://localhost:3001"}, {"Sec-Fetch-Site", "cross-site"},
		{"Host", "rebound.example:4100"}, {"Host", "rebound.example"}, {"Host", "192.0.2.1:4100"}, {"Host", "localhost.rebound.example"}, {"Host", ""}} {
		for _, body := range []string{"Action=Publish&Version=2010-03-31&TopicArn=arn:aws:sns:eu-west-1:123456789012:news&Message=x", "Action=SendMessage&Version=2012-11-05"} {
			if w := ask(s, "", body, headers...); w.Code != http.StatusForbidden {
				t.Errorf("%q: %d %s", headers, w.Code, w.Body)
			}
		}
		if w := ask(s, "DynamoDB_20120810.PutItem", `{"TableName":"t"}`, headers...); w.Code != http.StatusForbidden {
			t.Errorf("%q: %d %s", headers, w.Code, w.Body)
		}
	}
	for _, host := range []string{"localhost:4100", "LOCALHOST", "[::1]:4100", "127.0.0.1"} {
		if w := ask(s, "DynamoDB_20120810.PutItem", `{"TableName":"t"}`, "Host", host); w.Code != http.StatusBadRequest {
			t.Errorf("%q: %d %s", host, w.Code, w.Body)
		}
	}
	if len(*missed) != 4 {
		t.Errorf("missed %v", *missed)
	}
	if w := ask(s, "", "hello"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "none of the services") {
		t.Errorf("a request of no service: %d %s", w.Code, w.Body)
	}
}

const none = `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Cannot do operations on a non-existent table"}`

func TestWhatTheEngineHasNotIsForwardedAsItCameUnlessItIsTheApps(t *testing.T) {
	tables, _ := server(t, 400, none)
	queues, _ := server(t, 400, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"x"}`)
	topics, _ := server(t, 404, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>NotFound</Code></Error></ErrorResponse>`)
	var forwarded []got
	forward := func(s Service, w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		forwarded = append(forwarded, got{service: string(s), host: r.Host, target: r.Header.Get("X-Amz-Target"), body: string(text)})
		w.WriteHeader(http.StatusTeapot)
	}
	own := func(_ Service, name string) bool { return name == "mine" }
	for _, c := range []struct {
		service      Service
		queues       *Backend
		target, body string
		forwarded    bool
	}{
		{DynamoDB, nil, "DynamoDB_20120810.PutItem", `{"TableName": "theirs", "x" : 1}`, true},
		{DynamoDB, nil, "DynamoDB_20120810.PutItem", `{"TableName":"mine"}`, false},
		{DynamoDB, nil, "DynamoDB_20120810.BatchGetItem", `{"RequestItems":{"theirs":{},"mine":{}}}`, false},
		{DynamoDB, nil, "DynamoDB_20120810.TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"theirs"}},{"Delete":{"TableName":"mine"}}]}`, false},
		{DynamoDB, nil, "DynamoDB_20120810.ExecuteStatement", `{"Statement":"SELECT * FROM \"theirs\" WHERE id=1"}`, true},
		{DynamoDB, nil, "DynamoDB_20120810.ExecuteStatement", `{"Statement":"update mine set x=1"}`, false},
		{Streams, nil, "DynamoDBStreams_20120810.DescribeStream", `{"StreamArn":"arn:aws:dynamodb:eu-west-1:123456789012:table/mine/stream/1"}`, false},
		{SQS, queues, "AmazonSQS.SendMessage", `{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/123456789012/theirs"}`, true},
		{SQS, queues, "AmazonSQS.SendMessage", `{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/123456789012/mine"}`, false},
		{SQS, queues, "AmazonSQS.SendMessage", `{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/999999999999/mine"}`, true},
		{SQS, queues, "", "Action=GetQueueUrl&QueueName=mine&QueueOwnerAWSAccountId=999999999999", true},
		{SNS, topics, "", "Action=Publish&TopicArn=arn:aws:sns:eu-west-1:123456789012:theirs", true},
		{SNS, topics, "", "Action=Publish&TopicArn=arn:aws:sns:eu-west-1:123456789012:mine", false},
		{SNS, topics, "", "Action=Publish&TopicArn=arn:aws:sns:eu-west-1:999999999999:mine", true},
	} {
		forwarded = nil
		s, missed := services(t, Config{Tables: tables, Queues: c.queues, Own: own, Forward: forward})
		w := ask(s.Handler(c.service), c.target, c.body, "Host", "service.eu-west-1.amazonaws.com")
		if (len(forwarded) == 1) != c.forwarded || (len(*missed) == 1) == c.forwarded {
			t.Errorf("%s: forwarded %v, missed %v", c.body, forwarded, *missed)
		}
		if c.forwarded && (w.Code != http.StatusTeapot || forwarded[0] != got{service: string(c.service), host: "service.eu-west-1.amazonaws.com", target: c.target, body: c.body}) {
			t.Errorf("%s was forwarded as %+v, and answered %d", c.body, forwarded, w.Code)
		}
		if !c.forwarded && !strings.Contains(w.Body.String(), "is not here") && !strings.Contains(w.Body.String(), "non-existent table") {
			t.Errorf("%s: %d %s", c.body, w.Code, w.Body)
		}
	}
}

func TestAServerThatMayHaveDoneItIsTriedAgainAndOneThatIsGoneIsNot(t *testing.T) {
	cuts := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cuts.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct{ service, target, body string }{
		{"dynamodb", "DynamoDB_20120810.PutItem", `{"TableName":"t"}`},
		{"sqs", "AmazonSQS.SendMessage", `{"QueueUrl":"http://127.0.0.1:4100/123456789012/q"}`},
		{"sqs", "", "Action=SendMessage&Version=2012-11-05&QueueUrl=http://127.0.0.1:4100/123456789012/q"},
		{"sns", "", "Action=Publish&Version=2010-03-31&TopicArn=arn:aws:sns:eu-west-1:123456789012:news"},
	} {
		s, missed := services(t, Config{Tables: &Backend{URL: cuts.URL}, Queues: &Backend{URL: cuts.URL}})
		if w := ask(s, c.target, c.body); w.Code != 500 || !strings.Contains(w.Body.String(), "does not answer") || len(*missed) != 0 {
			t.Errorf("%s, cut: %d %s, missed %v", c.service, w.Code, w.Body, *missed)
		}
		s, missed = services(t, Config{Tables: &Backend{URL: gone.URL}, Queues: &Backend{URL: gone.URL}})
		if w := ask(s, c.target, c.body); w.Code/100 != 4 || len(*missed) != 1 || (*missed)[0].Err == nil {
			t.Errorf("%s, gone: %d %s, missed %v", c.service, w.Code, w.Body, *missed)
		}
	}
}

func TestARNsOfDynamoDBLocalAreThoseOfTheApp(t *testing.T) {
	row := `{"Item":{"a":{"S":"\"TableArn\":\"arn:aws:dynamodb:ddblocal:000000000000:table/x"},"TableArn":{"S":"arn:aws:dynamodb:ddblocal:000000000000:table/x"}}`
	tables, asked := server(t, 200, `{"Table":{"TableArn":"arn:aws:dynamodb:ddblocal:000000000000:table/t","LatestStreamArn" : "arn:aws:dynamodb:ddblocal:000000000000:table/t/stream/1"},"awsRegion":"ddblocal"}`, "X-Amz-Crc32", "1")
	s, _ := services(t, Config{Tables: tables})
	h := s.Handler(DynamoDB)
	w := ask(h, "DynamoDB_20120810.DescribeTable", `{"TableName":"t"}`, "Authorization", fmt.Sprintf(signed, "dynamodb"))
	if got, want := w.Body.String(), `{"Table":{"TableArn":"arn:aws:dynamodb:eu-west-1:123456789012:table/t","LatestStreamArn" : "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/1"},"awsRegion":"eu-west-1"}`; got != want {
		t.Errorf("answered %s", got)
	}
	if sum := w.Header().Get("X-Amz-Crc32"); sum == "1" || sum == "" {
		t.Errorf("the checksum is %q", sum)
	}
	ask(h, "DynamoDBStreams_20120810.DescribeStream", `{"StreamArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/1","Item":{"x":{"S":"arn:aws:dynamodb:eu-west-1:123456789012:table/t"}}}`)
	if got, want := (*asked)[1].body, `{"StreamArn": "arn:aws:dynamodb:ddblocal:000000000000:table/t/stream/1","Item":{"x":{"S":"arn:aws:dynamodb:eu-west-1:123456789012:table/t"}}}`; got != want {
		t.Errorf("the server was asked %s", got)
	}
	rows, _ := server(t, 200, row, "X-Amz-Crc32", "1")
	s, _ = services(t, Config{Tables: rows})
	if w := ask(s.Handler(DynamoDB), "DynamoDB_20120810.GetItem", `{"TableName":"t"}`); w.Body.String() != row || w.Header().Get("X-Amz-Crc32") != "1" {
		t.Errorf("a row was changed: %s", w.Body)
	}
}

func TestARequestOfAnOldClientIsTheSameInJSON(t *testing.T) {
	for query, want := range map[string]string{
		"Action=SendMessage&Version=2012-11-05&MessageBody=a%26b&DelaySeconds=5&MessageAttribute.1.Name=n&MessageAttribute.1.Value.DataType=Number&MessageAttribute.1.Value.StringValue=12":                                                                                                                                                                      `{"DelaySeconds":5,"MessageAttributes":{"n":{"DataType":"Number","StringValue":"12"}},"MessageBody":"a&b"}`,
		"Action=CreateQueue&QueueName=q.fifo&Attribute.1.Name=FifoQueue&Attribute.1.Value=true&Attribute.2.Name=VisibilityTimeout&Attribute.2.Value=9&Tag.1.Key=k&Tag.1.Value=v":                                                                                                                                                                                 `{"Attributes":{"FifoQueue":"true","VisibilityTimeout":"9"},"QueueName":"q.fifo","tags":{"k":"v"}}`,
		"Action=ReceiveMessage&MaxNumberOfMessages=10&WaitTimeSeconds=0&AttributeName.1=All&MessageAttributeName.2=b&MessageAttributeName.1=a":                                                                                                                                                                                                                   `{"AttributeNames":["All"],"MaxNumberOfMessages":10,"MessageAttributeNames":["a","b"],"WaitTimeSeconds":0}`,
		"Action=SendMessageBatch&SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=x&SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=Binary&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.BinaryValue=AA==": `{"Entries":[{"Id":"a","MessageAttributes":{"n":{"BinaryValue":"AA==","DataType":"Binary"}},"MessageBody":"x"},{"Id":"b"}]}`,
		"Action=ChangeMessageVisibility&ReceiptHandle=r&VisibilityTimeout=0": `{"ReceiptHandle":"r","VisibilityTimeout":0}`,
		"Action=UntagQueue&TagKey.1=a":                                       `{"TagKeys":["a"]}`,
	} {
		form, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		input, err := inputOfQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(input)
		if got := strings.ReplaceAll(string(text), `\u0026`, "&"); got != want {
			t.Errorf("%s\nis  %s\nnot %s", query, got, want)
		}
	}
}

func TestAnAnswerForAnOldClientIsTheSameInXML(t *testing.T) {
	for _, c := range []struct{ operation, output, want string }{
		{"GetQueueUrl", `{"QueueUrl":"http://sqs.eu-west-1.localhost:1/123456789012/q"}`, "<GetQueueUrlResult><QueueUrl>http://127.0.0.1:4100/123456789012/q</QueueUrl></GetQueueUrlResult>"},
		{"ListQueues", `{"QueueUrls":["http://x/1/a","http://x/1/b"]}`, "<QueueUrl>http://127.0.0.1:4100/1/a</QueueUrl><QueueUrl>http://127.0.0.1:4100/1/b</QueueUrl>"},
		{"GetQueueAttributes", `{"Attributes":{"A":"1","B":"<2>"}}`, "<Attribute><Name>A</Name><Value>1</Value></Attribute><Attribute><Name>B</Name><Value>&lt;2&gt;</Value></Attribute>"},
		{"ListQueueTags", `{"Tags":{"k":"v"}}`, "<Tag><Key>k</Key><Value>v</Value></Tag>"},
		{"ReceiveMessage", `{"Messages":[{"Body":"b","Attributes":{"SentTimestamp":"1"},"MessageAttributes":{"n":{"DataType":"String","StringValue":"s"}}}]}`,
			"<Message><Attribute><Name>SentTimestamp</Name><Value>1</Value></Attribute><Body>b</Body><MessageAttribute><Name>n</Name><Value><DataType>String</DataType><StringValue>s</StringValue></Value></MessageAttribute></Message>"},
		{"ReceiveMessage", `{}`, "<ReceiveMessageResult></ReceiveMessageResult>"},
		{"SendMessageBatch", `{"Successful":[{"Id":"a","MessageId":"m"}],"Failed":[{"Id":"b","SenderFault":true,"Code":"c"}]}`,
			"<BatchResultErrorEntry><Code>c</Code><Id>b</Id><SenderFault>true</SenderFault></BatchResultErrorEntry><SendMessageBatchResultEntry><Id>a</Id><MessageId>m</MessageId></SendMessageBatchResultEntry>"},
		{"DeleteMessage", ``, `<DeleteMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ResponseMetadata>`},
	} {
		queues, asked := server(t, 200, c.output)
		s, _ := services(t, Config{Queues: queues})
		w := ask(s, "", "Version=2012-11-05&Action="+c.operation+"&QueueUrl=http://127.0.0.1:4100/123456789012/q")
		if w.Code != 200 || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s is answered %d %s", c.operation, w.Code, w.Body)
		}
		if a := (*asked)[0]; a.target != "AmazonSQS."+c.operation || a.path != "/" || !strings.Contains(a.body, `"QueueUrl":"`+queues.URL+`/123456789012/q"`) {
			t.Errorf("the server was asked %+v", a)
		}
	}
	refusing, _ := server(t, 400, `{"__type":"com.amazonaws.sqs#QueueNameExists","message":"no"}`, "X-Amzn-Query-Error", "QueueAlreadyExists;Sender")
	s, _ := services(t, Config{Queues: refusing})
	if w := ask(s, "", "Version=2012-11-05&Action=CreateQueue&QueueName=q"); w.Code != 400 || !strings.Contains(w.Body.String(), "<Code>QueueAlreadyExists</Code><Message>no</Message>") {
		t.Errorf("an error is answered %d %s", w.Code, w.Body)
	}
}

func TestThePathNamesTheQueueForAnOldClient(t *testing.T) {
	queues, asked := server(t, 200, `{}`)
	s, _ := services(t, Config{Queues: queues})
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4100/123456789012/jobs", strings.NewReader("Action=PurgeQueue&Version=2012-11-05"))
	s.ServeHTTP(httptest.NewRecorder(), r)
	r = httptest.NewRequest(http.MethodGet, "http://127.0.0.1:4100/123456789012/jobs?Action=PurgeQueue&Version=2012-11-05", nil)
	s.ServeHTTP(httptest.NewRecorder(), r)
	if len(*asked) != 2 || !strings.Contains((*asked)[0].body, "/123456789012/jobs") || !strings.Contains((*asked)[1].body, "/123456789012/jobs") {
		t.Errorf("the server was asked %+v", *asked)
	}
}

func TestTablesAreFoundInEveryRequest(t *testing.T) {
	for body, want := range map[string][]string{
		`{"TableName":"a"}`: {"a"},
		`{"TableName":"arn:aws:dynamodb:eu-west-1:1:table/a"}`:                                 {"a"},
		`{"ResourceArn":"arn:aws:dynamodb:eu-west-1:1:table/a/index/i"}`:                       {"a"},
		`{"RequestItems":{"b":{},"a":{}}}`:                                                     {"a", "b"},
		`{"TransactItems":[{"Get":{"TableName":"a"}},{"ConditionCheck":{"TableName":"b"}},1]}`: nil,
		`{"TransactItems":[{"Get":{"TableName":"a"}},{"Put":{"TableName":"a"}}]}`:              {"a"},
		`{"Statements":[{"Statement":"INSERT INTO a VALUE {}"},{"Statement":"x"}]}`:            {"a"},
		`{"TransactStatements":[{"Statement":"DELETE FROM \"b.c\" WHERE x=1"}]}`:               {"b.c"},
		`{"TableName":1}`: nil, `[]`: nil, ``: nil, `{`: nil,
	} {
		found := tablesIn([]byte(body))
		slices.Sort(found)
		if !slices.Equal(found, want) {
			t.Errorf("%s: %q, not %q", body, found, want)
		}
	}
}

func FuzzRequests(f *testing.F) {
	f.Add("DynamoDB_20120810.PutItem", `{"TableName":"t","Item":{"a":{"S":"x"}}}`)
	f.Add("AmazonSQS.SendMessage", `{"QueueUrl":"http://h/1/q","SourceArn":"a:b:c:d:e:f"}`)
	f.Add("", "Action=SendMessageBatch&Version=2012-11-05&SendMessageBatchRequestEntry.1.Id=a&Attribute.1.Name=x&Tag.1.Key=y")
	f.Add("", "Action=Publish&Version=2010-03-31&TopicArn=a:b:c:d:e:f")
	s := New(Config{Region: "eu-west-1", Account: "123456789012"})
	f.Fuzz(func(t *testing.T, target, body string) {
		w := ask(s, strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return -1
			}
			return r
		}, target), body)
		if w.Code < 400 || w.Code > 413 {
			t.Errorf("answered %d: %s", w.Code, w.Body)
		}
		if form, err := url.ParseQuery(body); err == nil {
			if input, err := inputOfQuery(form); err == nil {
				_ = outputAsXML("Any", input)
			}
		}
	})
}
