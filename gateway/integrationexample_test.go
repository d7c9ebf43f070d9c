package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/wirepost/wirepost/gateway"
)

// The backend gets what Request makes of a message, and no event.
func ExampleIntegration_request() {
	integration := &gateway.Integration{
		Request: func(_ context.Context, in gateway.MappingInput) ([]byte, error) {
			var said struct{ ConnectionID string }
			if err := json.Unmarshal(in.Context, &said); err != nil {
				return nil, err
			}
			return fmt.Appendf(nil, "%s from %s", in.Body, said.ConnectionID), nil
		},
		Call: func(_ context.Context, c gateway.IntegrationCall) (*gateway.IntegrationAnswer, error) {
			fmt.Println(string(c.Payload))
			return nil, nil
		},
	}
	_, err := integration.Invoke(context.Background(), []byte(`{"requestContext":{"connectionId":"L0SM9cOFvHcCIhw="},"body":"hello"}`))
	fmt.Println(err)
	// Output:
	// hello from L0SM9cOFvHcCIhw=
	// <nil>
}

// The client of a two-way route gets what Response makes of the answer.
func ExampleIntegration_response() {
	integration := &gateway.Integration{
		Call: func(context.Context, gateway.IntegrationCall) (*gateway.IntegrationAnswer, error) {
			return &gateway.IntegrationAnswer{Status: 404, Body: []byte("no such thing")}, nil
		},
		Response: func(_ context.Context, in gateway.MappingInput) ([]byte, error) {
			return fmt.Appendf(nil, "%d: %s", in.Answer.Status, in.Body), nil
		},
	}
	answer, err := integration.Invoke(context.Background(), []byte(`{"requestContext":{},"body":"hello"}`))
	fmt.Println(string(answer), err)
	// Output: {"body":"404: no such thing","statusCode":404} <nil>
}
