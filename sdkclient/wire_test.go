package sdkclient_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/sdkclient"
)

// onWire keeps the request as it would go over the wire.
type onWire struct {
	request *http.Request
	body    string
}

func (w *onWire) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	w.request, w.body = r, string(body)
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func (w *onWire) Do(r *http.Request) (*http.Response, error) { return w.RoundTrip(r) }

// AWS's client is the oracle: for random connection IDs and messages, the request
// line, the host and the body of a publisher's post are its bytes, and the signature
// is the one that AWS's signer makes of the headers that the publisher signs.
func TestAPostIsOnTheWireWhatAWSsClientSends(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const printable = "!\"#$&'()*+,-./0123456789:;<=>?@ABCXYZ[\\]^_`abcxyz{|}~"
	pick := func(alphabet []rune, n int) string {
		s := make([]rune, n)
		for i := range s {
			s[i] = alphabet[random.IntN(len(alphabet))]
		}
		return string(s)
	}
	credentials := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: strings.Repeat("t", 800)}
	provider := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return credentials, nil })
	for _, raw := range []string{"https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod", "https://ws.example.com", "https://ws.example.com/$default"} {
		endpoint, err := wirepost.ParseEndpoint(raw, &wirepost.EndpointOptions{Region: "eu-west-1"})
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := &onWire{}, &onWire{}
		p := wirepost.NewPublisher(wirepost.NewMemStore(nil), &wirepost.PublisherOptions{Endpoint: raw, Region: "eu-west-1", Transport: ours, Credentials: provider})
		client, err := sdkclient.New(aws.Config{Credentials: provider, HTTPClient: theirs}, endpoint)
		if err != nil {
			t.Fatal(err)
		}
		for range 400 {
			id, message := pick([]rune(printable), 1+random.IntN(40)), pick([]rune("a\"\\\n\x00é漢🙂 "), random.IntN(300))
			if err := p.Post(t.Context(), id, []byte(message)); err != nil {
				t.Fatalf("post to %q: %v", id, err)
			}
			if _, err := client.PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id, Data: []byte(message)}); err != nil {
				t.Fatalf("AWS's client, post to %q: %v", id, err)
			}
			a, b := ours.request, theirs.request
			if a.Method != b.Method || a.URL.Scheme != b.URL.Scheme || a.URL.EscapedPath() != b.URL.EscapedPath() || a.URL.RequestURI() != b.URL.RequestURI() || a.Host != b.URL.Host || ours.body != theirs.body || a.ContentLength != b.ContentLength {
				t.Fatalf("to %q\n we send %s %s %s %q\nAWS sends %s %s %s %q", id, a.Method, a.Host, a.URL, ours.body, b.Method, b.Host, b.URL, theirs.body)
			}
			signed, err := time.Parse("20060102T150405Z", a.Header.Get("X-Amz-Date"))
			if err != nil {
				t.Fatal(err)
			}
			again, _ := http.NewRequest(a.Method, a.URL.String(), nil)
			again.URL.Opaque = "//" + a.Host + b.URL.EscapedPath()
			if err := v4.NewSigner().SignHTTP(t.Context(), credentials, again, hashOf(message), "execute-api", "eu-west-1", signed); err != nil {
				t.Fatal(err)
			}
			if got, want := a.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want {
				t.Fatalf("to %q\n we sign %s\nAWS signs %s", id, got, want)
			}
		}
	}
}

func hashOf(message string) string {
	sum := sha256.Sum256([]byte(message))
	return hex.EncodeToString(sum[:])
}
