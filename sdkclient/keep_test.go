package sdkclient_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/sdkclient"
)

func TestAnErrorKeepsWhatWasSaidForExplain(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"JSON without a message", `{"error":"Unable to find integration for API /@connections/abc"}`, `{"error":"Unable to find integration for API /@connections/abc"}`},
		{"text", "no such route", "no such route"},
		{"more than is kept", `{"error":"` + strings.Repeat("x", 1<<20) + `"}`, `{"error":"` + strings.Repeat("x", 190) + "…"},
		{"nothing", "", ""},
	} {
		for _, own := range []aws.HTTPClient{nil, &http.Client{}} {
			t.Run(tt.name, func(t *testing.T) {
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(404)
					io.WriteString(w, tt.body)
				}))
				defer s.Close()
				client, err := sdkclient.New(aws.Config{Credentials: pair, HTTPClient: own}, wirepost.Endpoint{Identity: wirepost.Identity{Region: "us-east-1"}, URL: s.URL + "/dev"})
				if err != nil {
					t.Fatal(err)
				}
				_, err = client.PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: aws.String("abc="), Data: []byte("x")})
				e := wirepost.Explain(err)
				if e == nil || e.Problem != wirepost.ProblemNotAPIGateway || e.Body != tt.want || strings.Contains(e.Fix(), "drops") {
					t.Errorf("it says %+v", e)
				}
			})
		}
	}
}
