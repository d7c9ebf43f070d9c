// A function as AWS's documentation shows it: the client is made of what the event
// says. It knows nothing of this module.
package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
)

var client *apigatewaymanagementapi.Client

func handle(ctx context.Context, e events.APIGatewayWebsocketProxyRequest) (events.APIGatewayProxyResponse, error) {
	ok := events.APIGatewayProxyResponse{StatusCode: 200}
	rc := e.RequestContext
	if rc.RouteKey != "$default" {
		return ok, nil
	}
	if client == nil {
		cfg, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return ok, err
		}
		client = apigatewaymanagementapi.NewFromConfig(cfg, func(o *apigatewaymanagementapi.Options) {
			o.BaseEndpoint = aws.String(fmt.Sprintf("https://%s/%s", rc.DomainName, rc.Stage))
		})
	}
	_, err := client.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &rc.ConnectionID, Data: []byte(e.Body)})
	return ok, err
}

func main() { lambda.Start(handle) }
