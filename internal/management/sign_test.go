package management

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// AWS's signer is the oracle: for random IDs, payloads, hosts, stages, times and
// credentials the whole Authorization header is the same.
func TestEverySignatureIsTheOneThatAWSsSignerMakes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(alphabet string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[random.IntN(len(alphabet))]
		}
		return string(b)
	}
	const id = "ABCxyz019-_=/+ @?%&:~.!*'()$,;"
	for range 2000 {
		host := text("abcdef0123", 10) + ".execute-api.eu-west-1.amazonaws.com"
		stage := []string{"prod", "$default", "v-1_x"}[random.IntN(3)]
		region := []string{"eu-west-1", "cn-north-1"}[random.IntN(2)]
		c := aws.Credentials{AccessKeyID: text("ABCDEF123", 16), SecretAccessKey: text(id, 40)}
		if random.IntN(2) == 0 {
			c.SessionToken = text("abcXYZ/+=", 200)
		}
		data := []byte(text(id, random.IntN(200)))
		method := []string{"POST", "GET", "DELETE"}[random.IntN(3)]
		now := time.Unix(random.Int64N(4e9), 0)
		path := "/" + stage + "/@connections/" + escapeSegment(text(id, 1+random.IntN(30)))

		ours := http.Header{}
		s := &signer{host: host, region: region}
		if err := s.sign(ours, method, path, payloadHash(data), c, now); err != nil {
			t.Fatal(err)
		}

		req, err := http.NewRequest(method, "https://"+host, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = "//" + host + path
		if err := v4.NewSigner().SignHTTP(context.Background(), c, req, payloadHash(data), "execute-api", region, now); err != nil {
			t.Fatal(err)
		}
		want := req.Header.Get("Authorization")
		if got := ours.Get("Authorization"); got != want {
			t.Fatalf("%s %s\n got %s\nwant %s", method, path, got, want)
		}
		if ours.Get("X-Amz-Date") != req.Header.Get("X-Amz-Date") || ours.Get("X-Amz-Security-Token") != req.Header.Get("X-Amz-Security-Token") {
			t.Fatalf("the signed headers differ: %v, %v", ours, req.Header)
		}
	}
}

func TestASigningKeyIsNotKeptForAnotherSecret(t *testing.T) {
	s := &signer{host: "h", region: "eu-west-1"}
	now := time.Unix(1e9, 0)
	sign := func(secret string) string {
		h := http.Header{}
		s.sign(h, "GET", "/p/@connections/x%3D", emptyPayloadHash, aws.Credentials{AccessKeyID: "AK", SecretAccessKey: secret}, now)
		return h.Get("Authorization")
	}
	if a, b, c := sign("one"), sign("two"), sign("one"); a == b || a != c {
		t.Error("the derived key follows the key ID and not the secret")
	}
}

// A newline in a token would be a header of its own.
func TestCredentialsThatNoHeaderMayHaveAreNotSent(t *testing.T) {
	s := &signer{host: "h", region: "eu-west-1"}
	for _, c := range []aws.Credentials{
		{AccessKeyID: "AK", SecretAccessKey: "s", SessionToken: "a\r\nX-Evil: 1"},
		{AccessKeyID: "AK\n", SecretAccessKey: "s"},
		{AccessKeyID: "AK", SecretAccessKey: "s", SessionToken: "a\x00b"},
	} {
		if _, err := s.at(time.Now(), c); err == nil {
			t.Errorf("%q can be sent", c.AccessKeyID+c.SessionToken)
		}
	}
	if _, err := s.at(time.Now(), aws.Credentials{AccessKeyID: "AK", SecretAccessKey: "s", SessionToken: " token\n"}); err != nil {
		t.Errorf("a token with a newline at its end: %v", err) // as a shell gives it
	}
}

func TestASignatureAllocatesNothing(t *testing.T) {
	s, now := &signer{host: "abc123.execute-api.eu-west-1.amazonaws.com", region: "eu-west-1"}, time.Now()
	c := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: strings.Repeat("t", 800)}
	b, path := make([]byte, 0, 4096), []byte("/prod/@connections/L0SM9cOFvHcCIhw%3D")
	if n := testing.AllocsPerRun(500, func() {
		at, _ := s.at(now, c)
		b = at.appendSignature(b[:0], "POST", path, emptyPayloadHash)
	}); n > 0 && !raceEnabled { // which empties pools now and then
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSign(b *testing.B) {
	s := &signer{host: "abc123.execute-api.eu-west-1.amazonaws.com", region: "eu-west-1"}
	c := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: strings.Repeat("t", 800)}
	hash, now := payloadHash([]byte("hello")), time.Now()
	out, path := make([]byte, 0, 4096), []byte("/prod/@connections/L0SM9cOFvHcCIhw%3D")
	b.ReportAllocs()
	for b.Loop() {
		at, _ := s.at(now, c)
		out = at.appendSignature(out[:0], "POST", path, hash)
	}
}
