package main

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

const devEndpoint = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI=http://localhost:3001/dev"

func TestTheEnvironmentIsReadAndAWrongVariableIsNamed(t *testing.T) {
	tokens := []string{"WIREPOST_JWT_KEY=" + secret, "WIREPOST_JWT_ISSUER=i", "WIREPOST_JWT_AUDIENCE=a"}
	for _, tt := range []struct {
		name    string
		environ []string
		want    string // in the error; empty: none
	}{
		{"all there is", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_HANDLERS= websocket, sqs ,", "WIREPOST_LOG_LEVEL=DEBUG", "WIREPOST_DOCTOR=1", "WIREPOST_ENDPOINT=https://abc.execute-api.eu-west-1.amazonaws.com/prod",
			"WIREPOST_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/q", "WIREPOST_KEEP=lobby=24h,orders/*=10m", "WIREPOST_JWT_CLAIM=c", "WIREPOST_ALLOW_ORIGIN=https://a.example, https://b.example"}, tokens...), ""},
		{"a key set", []string{"WIREPOST_STORE=mem:", "WIREPOST_JWT_JWKS_URL=https://id.example.com/jwks", "WIREPOST_JWT_ISSUER=i", "WIREPOST_JWT_AUDIENCE=a"}, ""},
		{"empty ones, as templates have them", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_JWT_JWKS_URL=", "WIREPOST_ALLOW_ORIGIN=", "WIREPOST_QUEUE_URL=", "WIREPOST_DOCTOR=", "WIREPOST_HANDLERS=", "WIREPOST_JWT_CLAIM="}, tokens...), ""},
		{"no tokens under dev", []string{"WIREPOST_STORE=mem:", devEndpoint}, ""},
		{"no tokens and no websocket", []string{"WIREPOST_STORE=mem:", "WIREPOST_HANDLERS=invoke"}, ""},
		{"no store", tokens, "WIREPOST_STORE is not set"},
		{"no tokens", []string{"WIREPOST_STORE=mem:"}, "neither WIREPOST_JWT_JWKS_URL nor WIREPOST_JWT_KEY is set"},
		{"no tokens, with an endpoint that is not here", []string{"WIREPOST_STORE=mem:", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI=https://abc.execute-api.eu-west-1.amazonaws.com/prod"}, "neither"},
		{"no tokens, with an https endpoint on this machine", []string{"WIREPOST_STORE=mem:", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI=https://localhost/prod"}, "neither"},
		{"no tokens, with an endpoint that only looks as if", []string{"WIREPOST_STORE=mem:", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI=http://localhost.evil.example/prod"}, "neither"},
		{"no tokens under dev, and an issuer", []string{"WIREPOST_STORE=mem:", devEndpoint, "WIREPOST_JWT_ISSUER=i"}, "WIREPOST_JWT_ISSUER"},
		{"two keys", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_JWT_JWKS_URL=https://id.example.com/jwks"}, tokens...), "both a key and the URL"},
		{"a key and no issuer", []string{"WIREPOST_STORE=mem:", "WIREPOST_JWT_KEY=" + secret, "WIREPOST_JWT_AUDIENCE=a"}, "the issuer is not given"},
		{"a key that is none", []string{"WIREPOST_STORE=mem:", "WIREPOST_JWT_KEY=very-secret", "WIREPOST_JWT_ISSUER=i", "WIREPOST_JWT_AUDIENCE=a"}, "WIREPOST_JWT_KEY"},
		{"an origin that is none", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_ALLOW_ORIGIN=a.example"}, tokens...), "WIREPOST_ALLOW_ORIGIN"},
		{"a handler that is none", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_HANDLERS=websocket,kafka"}, tokens...), `WIREPOST_HANDLERS has the unknown handler "kafka"`},
		{"a level that is none", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_LOG_LEVEL=loud"}, tokens...), `WIREPOST_LOG_LEVEL is "loud"`},
		{"a doctor that is none", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_DOCTOR=yes"}, tokens...), `WIREPOST_DOCTOR is "yes"`},
		{"an endpoint that is none", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_ENDPOINT=wss://abc.execute-api.eu-west-1.amazonaws.com/prod"}, tokens...), "WIREPOST_ENDPOINT: endpoint-scheme"},
		{"rules that are none", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_KEEP=lobby"}, tokens...), "WIREPOST_KEEP: keep \"lobby\": a rule is TOPIC=TIME"},
		{"a queue that is none", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_QUEUE_URL=my-queue"}, tokens...), "WIREPOST_QUEUE_URL: it is not the URL"},
		{"a queue by its ARN", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_QUEUE_URL=arn:aws:sqs:eu-west-1:123456789012:q"}, tokens...), "WIREPOST_QUEUE_URL"},
		{"a queue in the clear", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_QUEUE_URL=http://sqs.eu-west-1.amazonaws.com/1/q"}, tokens...), "WIREPOST_QUEUE_URL"},
		{"a queue without a region", append([]string{"WIREPOST_STORE=mem:", "WIREPOST_QUEUE_URL=https://queue.example.com/1/q"}, tokens...), "set AWS_REGION"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := parseConfig(tt.environ)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want a sentence with %q", err, tt.want)
			case err != nil && (strings.Contains(err.Error(), "very-secret") || strings.Contains(err.Error(), secret)):
				t.Errorf("the error has a secret in it: %v", err)
			case tt.name == "all there is" && (s.level != slog.LevelDebug || !s.doctor || len(s.handlers) != 2 || !s.handlers[handleSQS] || s.queue.String() != "https://sqs.eu-west-1.amazonaws.com/123456789012/q" || s.tokens.Claim != "c" || len(s.tokens.AllowOrigins) != 2 || s.unknown != nil):
				t.Errorf("read as %+v, %+v", s, s.tokens)
			}
		})
	}
}

func TestAVariableThatIsWrittenWronglyIsInTheLog(t *testing.T) {
	s, err := parseConfig([]string{"WIREPOST_STORE=mem:", devEndpoint, "WIREPOST_HANDLER=sqs", "WIREPOST_TOKEN="})
	if err != nil || !slices.Equal(s.unknown, []string{"WIREPOST_HANDLER"}) {
		t.Fatalf("%v, %v", s.unknown, err)
	}
	var log bytes.Buffer
	if _, err := newFunction(t.Context(), s, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"WIREPOST_HANDLER", "NOBODY IS AUTHENTICATED"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, &log)
		}
	}
}

func TestAStoreThatCannotBeOpenedIsNamed(t *testing.T) {
	s, err := parseConfig([]string{"WIREPOST_STORE=postgres://x", "WIREPOST_HANDLERS=invoke"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newFunction(t.Context(), s, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "WIREPOST_STORE: ") {
		t.Errorf("%v", err)
	}
}

// What an event says about where it is from decides nothing.
func TestAnEventCannotSwitchTokensOff(t *testing.T) {
	s, err := parseConfig([]string{"WIREPOST_STORE=mem:", "WIREPOST_JWT_KEY=" + secret, "WIREPOST_JWT_ISSUER=i", "WIREPOST_JWT_AUDIENCE=a", devEndpoint})
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFunction(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	event := messageEvent("A=", "")
	rc := event["requestContext"].(map[string]any)
	rc["eventType"], rc["routeKey"] = "CONNECT", "$connect"
	event["queryStringParameters"] = map[string]string{"user": "alice"}
	event["headers"] = map[string]string{"Origin": "http://localhost:3001", "Host": "localhost"}
	out, err := f.Invoke(t.Context(), marshal(t, event))
	if err != nil || string(out) != `{"statusCode":401}` {
		t.Errorf("answered %s, %v", out, err)
	}
}

func TestWithoutTokensOnlyThisMachinesPagesConnect(t *testing.T) {
	w := newWorld(t)
	for header, want := range map[[2]string]string{
		{"Origin", ""}: `{"statusCode":200}`, {"Origin", "http://localhost:8080"}: `{"statusCode":200}`, {"origin", "http://[::1]:80"}: `{"statusCode":200}`,
		{"Origin", "https://evil.example"}: `{"statusCode":403}`, {"Origin", "null"}: `{"statusCode":403}`, {"Origin", "http://localhost.evil.example"}: `{"statusCode":403}`,
		{"Sec-WebSocket-Protocol", "bearer.x, wirepost.v1"}: `{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"wirepost.v1"}}`,
		{"Sec-WebSocket-Protocol", "bearer.x"}:              `{"statusCode":400}`,
	} {
		event := messageEvent("A=", "")
		rc := event["requestContext"].(map[string]any)
		rc["eventType"], rc["routeKey"] = "CONNECT", "$connect"
		event["headers"] = map[string]string{header[0]: header[1]}
		event["queryStringParameters"] = map[string]string{"user": "alice", "topic": "lobby"}
		out, err := w.Invoke(context.Background(), marshal(t, event))
		if err != nil || string(out) != want {
			t.Errorf("%s: %s is answered with %s, %v, want %s", header[0], header[1], out, err, want)
		}
	}
	if c, err := w.store.Connection(t.Context(), "A="); err != nil || c.User != "alice" || !slices.Equal(c.Topics, []string{"lobby"}) {
		t.Errorf("the row is %+v, %v", c, err)
	}
}
