// The function calls AWS with version 2 of AWS's client for Go.
package main

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
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
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return "", err
	}
	switch do {
	case "table":
		out, err := dynamodb.NewFromConfig(c).GetItem(ctx, &dynamodb.GetItemInput{TableName: &name, Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "1"}}})
		if err != nil {
			return "", err
		}
		return out.Item["word"].(*types.AttributeValueMemberS).Value, nil
	case "invoke":
		out, err := awslambda.NewFromConfig(c).Invoke(ctx, &awslambda.InvokeInput{FunctionName: &name, Payload: []byte("{}")})
		if err != nil {
			return "", err
		}
		return string(out.Payload), nil
	}
	api := apigatewaymanagementapi.NewFromConfig(c, func(o *apigatewaymanagementapi.Options) { o.BaseEndpoint = &endpoint })
	_, err = api.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id, Data: []byte("hello")})
	return "posted", err
}

func main() { lambda.Start(handle) }
