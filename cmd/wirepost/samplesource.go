package main

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// bodyOr is --body, or what an event has without it.
func (s *sample) bodyOr(text string) string {
	if s.hasBody {
		return s.body
	}
	return text
}

// md5Of is what SQS says of a body.
func md5Of(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// arn names a resource of the account.
func (s *sample) arn(service, resource string) string {
	return strings.Join([]string{"arn:aws", service, s.at.region, s.at.account, resource}, ":")
}

// bridged is an event of EventBridge.
func (s *sample) bridged(detailType, source string, detail any) object {
	return object{"version": "0", "id": s.id(), "detail-type": detailType, "source": source, "account": s.at.account,
		"time": s.now.UTC().Format("2006-01-02T15:04:05Z"), "region": s.at.region, "resources": []any{}, "detail": detail}
}

// dynamodb is a batch of a table's stream, with one item that was put.
func (s *sample) dynamodb() object {
	key := object{"id": object{"S": "sample"}}
	return object{"Records": []any{object{
		"eventID": strings.ReplaceAll(s.id(), "-", ""), "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": s.at.region,
		"dynamodb": object{"ApproximateCreationDateTime": s.now.Unix(), "Keys": key, "NewImage": object{"id": object{"S": "sample"}, "text": object{"S": "hi"}},
			"SequenceNumber": "100000000000000000001", "SizeBytes": 22, "StreamViewType": "NEW_AND_OLD_IMAGES"},
		"eventSourceARN": s.arn("dynamodb", "table/sample/stream/"+s.now.UTC().Format("2006-01-02T15:04:05.000")),
	}}}
}

// s3 is a notification of an object that was put into a bucket.
func (s *sample) s3() object {
	return object{"Records": []any{object{
		"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": s.at.region, "eventTime": s.now.UTC().Format("2006-01-02T15:04:05.000Z"), "eventName": "ObjectCreated:Put",
		"userIdentity": object{"principalId": "EXAMPLE"}, "requestParameters": object{"sourceIPAddress": "127.0.0.1"},
		"responseElements": object{"x-amz-request-id": "SAMPLE0000000001", "x-amz-id-2": "sample"},
		"s3": object{"s3SchemaVersion": "1.0", "configurationId": "sample",
			"bucket": object{"name": "sample-bucket", "ownerIdentity": object{"principalId": "EXAMPLE"}, "arn": "arn:aws:s3:::sample-bucket"},
			"object": object{"key": "sample.txt", "size": 2, "eTag": md5Of("hi"), "sequencer": fmt.Sprintf("%016X", s.now.UnixNano())}},
	}}}
}

// http is a request to an HTTP API or a function's URL, in the payload format 2.0.
func (s *sample) http() (object, error) {
	headers := object{"host": s.at.host, "user-agent": "wirepost", "x-forwarded-for": "127.0.0.1", "x-forwarded-port": "443", "x-forwarded-proto": "https"}
	if err := s.addHeaders(headers, strings.ToLower); err != nil {
		return nil, err
	}
	_, all, err := s.query()
	if err != nil {
		return nil, err
	}
	method := "GET"
	if s.hasBody {
		method = "POST"
	}
	raw, parameters := url.Values{}, object{}
	for name, values := range all {
		var texts []string
		for _, v := range values {
			texts = append(texts, v.(string))
		}
		raw[name], parameters[name] = texts, strings.Join(texts, ",")
	}
	prefix, _, _ := strings.Cut(s.at.host, ".")
	event := object{"version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": raw.Encode(), "headers": headers, "isBase64Encoded": false,
		"requestContext": object{"accountId": s.at.account, "apiId": s.at.apiID, "domainName": s.at.host, "domainPrefix": prefix, "routeKey": "$default", "stage": "$default",
			"http":      object{"method": method, "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "wirepost"},
			"requestId": "SampleRequest01=", "time": s.now.UTC().Format("02/Jan/2006:15:04:05 +0000"), "timeEpoch": s.now.UnixMilli()}}
	if len(parameters) > 0 {
		event["queryStringParameters"] = parameters
	}
	if s.hasBody {
		event["body"] = s.body
	}
	return event, nil
}

// authorizer is what an authorizer of $connect is asked.
func (s *sample) authorizer() (object, error) {
	event, err := s.connect()
	if err != nil {
		return nil, err
	}
	delete(event, "isBase64Encoded")
	event["type"] = "REQUEST"
	event["methodArn"] = s.arn("execute-api", s.at.apiID+"/"+s.at.stage+"/$connect")
	if event["queryStringParameters"] == nil {
		event["queryStringParameters"], event["multiValueQueryStringParameters"] = object{}, object{}
	}
	return event, nil
}
