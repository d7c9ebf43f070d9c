package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost/gateway"
)

func (e environment) get(name string) (value string, times int) {
	for _, s := range e {
		if n, v, _ := strings.Cut(s, "="); n == name {
			value = v
			times++
		}
	}
	return value, times
}

func TestAFunctionFindsNothingOfTheCallersAWS(t *testing.T) {
	caller := []string{
		"PATH=/bin", "AWS_ACCESS_KEY_ID=AKIAREAL", "AWS_SECRET_ACCESS_KEY=real", "AWS_SESSION_TOKEN=real", "AWS_PROFILE=prod",
		"AWS_CONFIG_FILE=/home/me/.aws/config", "AWS_SHARED_CREDENTIALS_FILE=/home/me/.aws/credentials", "AWS_ENDPOINT_URL=http://127.0.0.1:4566",
		"AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:4566", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23/", "AWS_CONTAINER_AUTHORIZATION_TOKEN=real",
		"AWS_WEB_IDENTITY_TOKEN_FILE=/token", "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/me", "AWS_REGION=eu-west-1",
	}
	pair := gateway.DevelopmentCredentials()
	e := functionEnvironment(caller, pair, false, "us-east-1", "http://localhost:3001/dev", "http://:t@127.0.0.1:3002/store", "/ca.pem", "/bundle.pem")
	for name, want := range map[string]string{
		"PATH": "/bin", "AWS_ACCESS_KEY_ID": "wirepost", "AWS_SECRET_ACCESS_KEY": "wirepost", "AWS_REGION": "us-east-1",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "http://localhost:3001/dev", "WIREPOST_STORE": "http://:t@127.0.0.1:3002/store",
		"NODE_EXTRA_CA_CERTS": "/ca.pem", "AWS_CA_BUNDLE": "/bundle.pem", "SSL_CERT_FILE": "/bundle.pem", "REQUESTS_CA_BUNDLE": "/bundle.pem",
	} {
		if got, times := e.get(name); got != want || times != 1 {
			t.Errorf("%s = %q, %d times, want %q once", name, got, times, want)
		}
	}
	for _, s := range e {
		if strings.Contains(s, "real") || strings.Contains(s, "4566") || strings.Contains(s, "prod") || strings.Contains(s, "role/me") {
			t.Errorf("the function finds %s", s)
		}
	}
	// With the caller's own credentials the files and the metadata stay reachable to
	// nobody either: what they led to is resolved already.
	own := gateway.Credentials{AccessKeyID: "AKIAREAL", SecretAccessKey: "real", SessionToken: "token"}
	e = functionEnvironment(caller, own, true, "us-east-1", "http://localhost:3001/dev", "", "/ca.pem", "/bundle.pem")
	if token, _ := e.get("AWS_SESSION_TOKEN"); token != "token" {
		t.Errorf("AWS_SESSION_TOKEN = %q", token)
	}
	if _, times := e.get("AWS_PROFILE"); times != 0 {
		t.Error("the profile is inherited beside the credentials that it led to")
	}
}

func TestTheCallersCredentialsAreNamedByTheirAccountOnly(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "ASIAQNZGKIQY56JQ7WML") // of AWS's own documentation, by those who decode such IDs
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
	t.Setenv("AWS_SESSION_TOKEN", "t0ken")
	pair, account, err := callerCredentials(t.Context())
	if err != nil || pair.SecretAccessKey != "s3cret" || pair.SessionToken != "t0ken" {
		t.Errorf("callerCredentials: %v", err)
	}
	if len(account) != 4 || strings.Trim(account, "0123456789") != "" {
		t.Errorf("account %q, want four digits", account)
	}
	for _, c := range []struct {
		c    aws.Credentials
		want string
	}{
		{aws.Credentials{AccountID: "123456789012"}, "9012"},
		{aws.Credentials{AccessKeyID: "wirepost"}, ""},
		{aws.Credentials{AccessKeyID: "AKIA1111111111111111"}, ""}, // not base32
	} {
		if got := accountOf(c.c); got != c.want {
			t.Errorf("accountOf(%s) = %q, want %q", c.c.AccessKeyID, got, c.want)
		}
	}
}

func TestAnEnvFileIsReadAsMostProgramsReadIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	write(t, file, "# comment\n\nA=1\nexport B = two words \nC=\"quoted #not a comment\"\nD='x=y'\nA=2\n")
	got, err := readEnvFile(file)
	if want := (environment{"B=two words", "C=quoted #not a comment", "D=x=y", "A=2"}); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	write(t, file, "A=1\nmy s3cret without a name\n")
	if _, err := readEnvFile(file); err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a line that is none: %v", err)
	}
}

func TestOnlyPagesOfThisMachineAndNamedOriginsMayConnect(t *testing.T) {
	for _, c := range []struct {
		named  []string
		origin string
		want   bool
	}{
		{nil, "http://localhost:8080", true},
		{nil, "http://127.0.0.1", true},
		{nil, "http://[::1]:3000", true},
		{nil, "https://example.com", false},
		{nil, "http://localhost.example.com", false},
		{nil, "http://127.0.0.1.example.com", false},
		{nil, "null", false},
		{nil, "%zz", false},
		{[]string{"https://example.com"}, "https://example.com", true},
		{[]string{"https://example.com"}, "https://example.com:8443", false},
		{[]string{"*"}, "https://any.example", true},
		{[]string{"null"}, "null", true},
	} {
		if got := allowOrigin(c.named, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})(c.origin); got != c.want {
			t.Errorf("%q with %q: %v, want %v", c.origin, c.named, got, c.want)
		}
	}
}
