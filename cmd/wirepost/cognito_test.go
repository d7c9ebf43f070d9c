package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost/wireposttest"
)

// keyServer serves the keys of one user pool, as Cognito does.
func keyServer(t *testing.T, pool string, key *rsa.PublicKey) (url string) {
	t.Helper()
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kid": "one", "kty": "RSA", "alg": "RS256", "use": "sig",
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/"+pool+"/.well-known/jwks.json" {
			w.Write(set)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestAnAuthorizerOfAUserPoolRunsWithTheKeysOfAServerOfOnesOwn(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	template := filepath.Join(moduleFolder(t, "testdata/templates/cognito"), "template.yaml")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	const pool = "eu-west-1_AbC123"
	server := keyServer(t, pool, &key.PublicKey)
	token := func(issuer string) string {
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": issuer, "sub": "alice", "token_use": "id", "exp": time.Now().Add(time.Hour).Unix()})
		token.Header["kid"] = "one"
		signed, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	issuer := "https://cognito-idp.eu-west-1.amazonaws.com/" + pool
	file := filepath.Join(t.TempDir(), "pool")
	write(t, file, pool+"\n")
	env := filepath.Join(t.TempDir(), "env")
	write(t, env, "UserPool="+pool+"\nUNRELATED=x\n")
	for name, args := range map[string][]string{
		"--value": {"--value", "UserPool=" + pool}, "a file": {"--value", "UserPool=@" + file}, "--env-file": {"--env-file", env},
	} {
		t.Run(name, func(t *testing.T) {
			dev := startDevProcess(t, nil, append([]string{"--template", template, "--parameter", "KeyServer=" + server}, args...)...)
			good, err := wireposttest.Dial(t.Context(), dev.url+"?token="+token(issuer), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { good.Cut() })
			// The pool's region is that of everything.
			ask(t, good, "who", `^alice arn:aws:execute-api:eu-west-1:000000000000:[a-z0-9]{10}/live/\$connect eu-west-1$`)
			for _, bad := range []string{"?token=" + token(issuer+"x"), "?token=" + token(issuer)[:300], ""} {
				if c, err := wireposttest.Dial(t.Context(), dev.url+bad, nil); err == nil {
					t.Errorf("a client with another token is let in")
					c.Cut()
				}
			}
			if said := dev.output.String(); strings.Contains(said, "--value UserPool") {
				t.Errorf("it still misses the pool:\n%s", said)
			}
		})
	}
}

func TestAStandInIsAskedInThePlaceOfATemplatesAuthorizer(t *testing.T) {
	t.Parallel()
	needsNodeAndPython(t)
	template := filepath.Join(moduleFolder(t, "testdata/templates/cognito"), "template.yaml")
	guard := t.TempDir()
	write(t, filepath.Join(guard, "guard.py"), `def handler(event, context):
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"]}
    return {"principalId": event["queryStringParameters"]["key"], "context": {"arn": "x"}, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
`)
	dev := startDevProcess(t, nil, "--template", template, "--region", "eu-north-1", "--authorizer", "members=python:"+guard+"#guard.handler", "--identity-source", "route.request.querystring.key")
	client, err := wireposttest.Dial(t.Context(), dev.url+"?key=bob", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Cut() })
	ask(t, client, "who", `^bob x eu-north-1$`)
	if c, err := wireposttest.Dial(t.Context(), dev.url+"?token=x", nil); err == nil {
		c.Cut()
		t.Error("a client without the identity source is let in")
	}
	dev.await(t, `^wirepost: hint: refused a handshake: authorizer not asked: route\.request\.querystring\.key is missing$`)
}
