//lint:file-ignore SA1019 a deprecated resolver is what people have left over

package sdkclient_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/sdkclient"
	"github.com/wirepost/wirepost/wireposttest"
)

var pair = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost"}, nil
})

// Everything in the environment that redirects or breaks AWS's client is set.
func TestTheClientReachesExactlyItsEndpointWhateverIsSet(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	store := wirepost.NewMemStore(nil)
	g := wireposttest.NewGateway(t, wirepost.NewMux(store, nil), nil)
	alice, err := wireposttest.Dial(ctx, g.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Close()
	stages, err := store.Stages(ctx)
	if err != nil || len(stages) != 1 {
		t.Fatal(stages, err)
	}
	// Now, and not before: the function above would learn the variable's endpoint.
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "http://127.0.0.1:1/wrong")
	t.Setenv("AWS_USE_FIPS_ENDPOINT", "true")
	t.Setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion("eu-west-1"), config.WithCredentialsProvider(pair))
	if err != nil {
		t.Fatal(err)
	}
	cfg.EndpointResolverWithOptions = aws.EndpointResolverWithOptionsFunc(func(string, string, ...any) (aws.Endpoint, error) {
		return aws.Endpoint{URL: "http://127.0.0.1:1/resolver"}, nil
	})
	client, err := sdkclient.New(cfg, stages[0].Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for l, err := range store.Connections(ctx, wirepost.Everyone(), wirepost.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &l.ID, Data: []byte("hi")}); err != nil {
			t.Fatal(err)
		}
		if got, err := alice.Receive(ctx); err != nil || got != "hi" {
			t.Errorf("alice got %q, %v", got, err)
		}
		if _, err := client.DeleteConnection(ctx, &apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: &l.ID}); err != nil {
			t.Fatal(err)
		}
		var gone *types.GoneException
		if _, err := client.GetConnection(ctx, &apigatewaymanagementapi.GetConnectionInput{ConnectionId: &l.ID}); !errors.As(err, &gone) {
			t.Errorf("after the delete: %v, want GoneException", err)
		}
	}
}

func TestAPostWhoseOutcomeIsNotKnownIsNotRepeated(t *testing.T) {
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(s.Close)
	client, err := sdkclient.New(aws.Config{Credentials: pair}, wirepost.Endpoint{Identity: wirepost.Identity{Region: "us-east-1"}, URL: s.URL + "/dev"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: aws.String("x="), Data: []byte("hi")})
	if err == nil || calls.Load() != 1 {
		t.Errorf("%v after %d attempts", err, calls.Load())
	}
}

func TestAWrongEndpointAndMissingCredentialsAreErrorsAtOnce(t *testing.T) {
	good := wirepost.Endpoint{Identity: wirepost.Identity{Region: "eu-west-1"}, URL: "https://abc.execute-api.eu-west-1.amazonaws.com/prod"}
	bad := good
	bad.URL = strings.Replace(good.URL, "https", "wss", 1)
	if _, err := sdkclient.New(aws.Config{Credentials: pair}, bad); wirepost.ProblemOf(err) != wirepost.ProblemEndpointScheme {
		t.Errorf("got %v", err)
	}
	if _, err := sdkclient.New(aws.Config{}, good); wirepost.ProblemOf(err) != wirepost.ProblemCredentialsMissing {
		t.Errorf("got %v", err)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) }))
		endpoint, err := wirepost.ParseEndpoint(server.URL+"/dev", &wirepost.EndpointOptions{Region: "us-east-1"})
		if err != nil {
			t.Fatal(err)
		}
		for name, own := range map[string]aws.HTTPClient{"its own": nil, "AWS's": awshttp.NewBuildableClient()} {
			client, err := sdkclient.New(aws.Config{Credentials: pair, HTTPClient: own}, endpoint)
			if err != nil {
				t.Fatal(err)
			}
			id := aws.String("L0SM9cOFvHcCIhw=")
			_, post := client.PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: id, Data: []byte("x")})
			_, get := client.GetConnection(t.Context(), &apigatewaymanagementapi.GetConnectionInput{ConnectionId: id})
			_, del := client.DeleteConnection(t.Context(), &apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: id})
			if post == nil || get == nil || del == nil {
				t.Errorf("%s client, %d: post %v, get %v, delete %v", name, status, post, get, del)
			}
		}
		server.Close()
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}
