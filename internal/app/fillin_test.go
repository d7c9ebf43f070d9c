package app

import "testing"

func TestAValueThatIsLeftToBeFilledInIsKnownByItsForm(t *testing.T) {
	for _, value := range []string{
		"<insert endpoint>", "<API_ID>", "<your api's id>", "REPLACE_ME", "replace-me", "ReplaceMe", "CHANGE_ME", "changeme", "TODO", "TBD", "...", "xxx", "XXXXXXXX", "xxxx-xxxx",
		"YOUR_API_ID", "your-bucket-name", "yourApiId", "INSERT_YOUR_KEY_HERE", "insert-endpoint-here", "replace_with_your_id", "api-endpoint-placeholder", "placeholder",
		"https://xxxxxxxxxx.execute-api.us-east-1.amazonaws.com/dev", "https://xxxx.execute-api.us-east-1.amazonaws.com/dev", "wss://<api-id>.execute-api.<region>.amazonaws.com/<stage>",
		"https://{api-id}.execute-api.{region}.amazonaws.com/{stage}", "https://YOUR_API_ID.execute-api.eu-west-1.amazonaws.com/prod", "your-api-id.execute-api.us-east-1.amazonaws.com/dev",
		"https://1234567890.execute-api.us-east-1.amazonaws.com/dev", "https://example.execute-api.us-east-1.amazonaws.com/", "https://your-domain.com/callback", "https://api.yourDomain.com",
		"arn:aws:sns:us-east-1:<account>:topic", "arn:aws:sqs:us-east-1:xxxxxxxxxxxx:jobs",
	} {
		if !IsFillIn(value) {
			t.Errorf("%s is taken for a value", value)
		}
	}
	for _, value := range []string{
		"", "dev", "true", "us-east-1", "todo", "xx", "my-bucket", "your", "Your session has expired", "Please enter your name", "insert", "add", "placeholders",
		"<p>Hello</p>", "<br/>", "<a href=x>", "Ada <ada@example.com>", "Map<String>", "a < b > c", "(?<name>a)", "{id}", "hello {name}", "https://example.com/{id", "line\n<one>",
		"https://a1b2c3d4e6.execute-api.us-east-1.amazonaws.com/dev", "wss://q7w8e9r0t1.execute-api.eu-west-1.amazonaws.com", "https://q7w8e9r0t1-vpce-0a1b2c3d4e5f6a7b8.execute-api.us-east-1.vpce.amazonaws.com/dev",
		"https://vpce-0a1b2c3d4e5f6a7b8-abcdefgh.execute-api.us-east-1.vpce.amazonaws.com/dev", "http://localhost:3001/dev", "https://example.com", "https://hooks.example.com/services/xx", "arn:aws:sns:us-east-1:111122223333:topic",
	} {
		if IsFillIn(value) {
			t.Errorf("%q is taken for one to be filled in", value)
		}
	}
}

func TestAVariableHasAPlaceOfTheAPIByAllWordsOfItsName(t *testing.T) {
	for name, want := range map[string]Place{
		"API_ENDPOINT": EndpointPlace, "WEBSOCKET_ENDPOINT": EndpointPlace, "APIGW_ENDPOINT": EndpointPlace, "WS_URL": EndpointPlace, "wsApiUrl": EndpointPlace, "webSocketApiEndpoint": EndpointPlace,
		"WEBSOCKET_CONNECTION_URL": EndpointPlace, "API_GATEWAY_MANAGEMENT_ENDPOINT": EndpointPlace, "ApiGatewayEndpoint": EndpointPlace, "callback-url": EndpointPlace, "APIGW_WS_STAGE_URL": EndpointPlace,
		"WS_DOMAIN": HostPlace, "API_HOST": HostPlace, "WEBSOCKET_API_ID": APIIDPlace, "apiId": APIIDPlace, "API_ID": APIIDPlace, "REGION": RegionPlace, "AWS_DEFAULT_REGION": RegionPlace, "wsRegion": RegionPlace, "SALES_REGION": NoPlace,
		"ENDPOINT": NoPlace, "URL": NoPlace, "CONNECTION_URL": NoPlace, "DB_CONNECTION_URL": NoPlace, "SLACK_API_URL": NoPlace, "OPENAI_API_KEY": NoPlace, "API_KEY": NoPlace, "USER_POOL_ID": NoPlace, "TABLE": NoPlace, "": NoPlace, "WEBSOCKET": NoPlace,
	} {
		if got := PlaceOf(name, false); got != want {
			t.Errorf("%s has the place %d, want %d", name, got, want)
		}
	}
}

// FuzzIsFillIn: whatever a value is, it is decided, and the place of a variable of that
// name too.
func FuzzIsFillIn(f *testing.F) {
	for _, value := range []string{"<insert endpoint>", "https://xxxx.execute-api.us-east-1.amazonaws.com/dev", "YOUR_API_ID", "://", ".execute-api.", "arn:aws", "-vpce-.execute-api."} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if IsFillIn(value) && len(value) > maxFillIn {
			t.Errorf("a value of %d bytes is looked at", len(value))
		}
		if place := PlaceOf(value, false); place > RegionPlace {
			t.Errorf("%q has the place %d", value, place)
		}
	})
}
