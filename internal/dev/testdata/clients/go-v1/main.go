// The function calls AWS with version 1 of AWS's client for Go.
package main

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go/service/dynamodb"
	awslambda "github.com/aws/aws-sdk-go/service/lambda"
)

func handle(ctx context.Context, event events.APIGatewayWebsocketProxyRequest) (events.APIGatewayProxyResponse, error) {
	var what struct{ Do, Name, Endpoint string }
	if err := json.Unmarshal([]byte(event.Body), &what); err != nil {
		return events.APIGatewayProxyResponse{}, err
	}
	answer, err := call(ctx, what.Do, what.Name, what.Endpoint, event.RequestContext.ConnectionID)
	return events.APIGatewayProxyResponse{StatusCode: 200, Body: answer}, err
}

func call(ctx context.Context, do, name, endpoint, id string) (string, error) {
	s := session.Must(session.NewSession())
	switch do {
	case "table":
		out, err := dynamodb.New(s).GetItemWithContext(ctx, &dynamodb.GetItemInput{TableName: &name, Key: map[string]*dynamodb.AttributeValue{"id": {S: aws.String("1")}}})
		if err != nil {
			return "", err
		}
		return *out.Item["word"].S, nil
	case "invoke":
		out, err := awslambda.New(s).InvokeWithContext(ctx, &awslambda.InvokeInput{FunctionName: &name, Payload: []byte("{}")})
		if err != nil {
			return "", err
		}
		return string(out.Payload), nil
	}
	_, err := apigatewaymanagementapi.New(s, aws.NewConfig().WithEndpoint(endpoint)).PostToConnectionWithContext(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id, Data: []byte("hello")})
	return "posted", err
}

func main() { lambda.Start(handle) }
