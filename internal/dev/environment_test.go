package dev

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost/gateway"
)

func (e Environment) get(name string) (value string, times int) {
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
		t.Error("the profile is inherited next to the credentials that it led to")
	}
}

// credentialVariables lists the variables that AWS's clients read credentials from, or
// find them by. Most are in the settings reference of the AWS SDKs and Tools Reference
// Guide; the others are in the sources of the clients that are named here.
var credentialVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCOUNT_ID",
	"AWS_ACCESS_KEY", "AWS_SECRET_KEY", // Go, Java, Ruby, PHP
	"AWS_SECURITY_TOKEN",                                                       // Python, PHP
	"AMAZON_ACCESS_KEY_ID", "AMAZON_SECRET_ACCESS_KEY", "AMAZON_SESSION_TOKEN", // Ruby, JavaScript 2
	"AWS_CREDENTIAL_EXPIRATION", "AWS_CREDENTIAL_SCOPE",
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_SDK_LOAD_CONFIG", "AWS_LOGIN_CACHE_DIRECTORY",
	"AWS_CREDENTIAL_FILE", "BOTO_CONFIG", // Python
	"AWS_CREDENTIAL_PROFILES_FILE", // Java 1
	"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_IAM_ROLE_ARN", "AWS_IAM_ROLE_SESSION_NAME",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_SERVICE_ENDPOINT",
	"AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_V1_DISABLED", "AWS_IMDS_USE_IPV6",
	"AWS_BEARER_TOKEN_BEDROCK", "AWS_BEARER_TOKEN_CODECATALYST", "AWS_BEARER_TOKEN_A_SERVICE_OF_TOMORROW", "aws_bearer_token_bedrock",
	"AWS_VAULT", "AWS_VAULT_FILE_PASSPHRASE", "AWS_SSO_SESSION",
	"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
}

func TestNoVariableThatAWSTakesForACredentialReachesAFunction(t *testing.T) {
	caller := Environment{"PATH=/bin", "AWS_BUCKET=b", "AWS_SECRET_NAME=n", "AWS_RETRY_MODE=adaptive", "AWS_XRAY_CONTEXT_MISSING=LOG_ERROR", "AWS_USE_PROCESSOR=1"}
	kept := slices.Clone(caller)
	for _, name := range credentialVariables {
		caller = append(caller, name+"=real")
	}
	for what, e := range map[string]Environment{
		"dev":    functionEnvironment(caller, gateway.DevelopmentCredentials(), false, "us-east-1", "http://localhost:3001/dev", "", "/ca.pem", "/bundle.pem"),
		"invoke": caller.Isolated(gateway.DevelopmentCredentials()),
	} {
		for _, s := range e {
			if strings.HasSuffix(s, "=real") {
				t.Errorf("%s: a function finds %s", what, s)
			}
		}
		for _, s := range kept {
			if !slices.Contains(e, s) {
				t.Errorf("%s: a function does not find %s, which is no credential", what, s)
			}
		}
		for name, want := range map[string]string{"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_CREDENTIAL_PROFILES_FILE": os.DevNull, "BOTO_CONFIG": os.DevNull,
			"AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "wirepost"} {
			if got, times := e.get(name); got != want || times != 1 {
				t.Errorf("%s: %s = %q, %d times, want %q once", what, name, got, times, want)
			}
		}
	}
	// The shell may post to an API on AWS.
	e := functionEnvironment(Environment{"WIREPOST_ENDPOINT=https://abc123.execute-api.eu-west-1.amazonaws.com/prod"}, gateway.DevelopmentCredentials(), false, "us-east-1", "http://localhost:3001/dev", "", "", "")
	if got, times := e.get("WIREPOST_ENDPOINT"); times != 0 {
		t.Errorf("a function finds the endpoint of the shell: %s", got)
	}
	// --credentials inherit passes bearer tokens on.
	e = functionEnvironment(caller, gateway.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "s"}, true, "us-east-1", "http://localhost:3001/dev", "", "/ca.pem", "/bundle.pem")
	for _, s := range e {
		if name, _, _ := strings.Cut(s, "="); strings.HasSuffix(s, "=real") && !isBearerToken(name) {
			t.Errorf("with inherited credentials a function also finds %s", s)
		}
	}
	if _, times := e.get("AWS_BEARER_TOKEN_BEDROCK"); times != 1 {
		t.Error("AWS_BEARER_TOKEN_BEDROCK is not inherited")
	}
}

// A serverless.yml can pass any variable on under another name.
func TestATemplateReadsNoCredentialOfTheCallers(t *testing.T) {
	for _, name := range credentialVariables {
		t.Setenv(name, "real")
		if got := TemplateEnv(false)(name); got == "real" {
			t.Errorf("a template reads %s", name)
		}
		if got := TemplateEnv(true)(name); got != "real" {
			t.Errorf("with inherited credentials a template reads %q of %s", got, name)
		}
	}
	t.Setenv("AWS_BUCKET", "b")
	if got := TemplateEnv(false)("AWS_BUCKET"); got != "b" {
		t.Errorf("a template reads %q of AWS_BUCKET, which is no credential", got)
	}
}

// AWS's own clients run in a home folder with credentials in every file that they read.
func TestAWSsClientsFindNoCredentialsButThePair(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	const profile = "aws_access_key_id = AKIAREAL\naws_secret_access_key = real\n"
	write(t, filepath.Join(home, ".aws", "credentials"), "[default]\n"+profile+"[prod]\n"+profile)
	write(t, filepath.Join(home, ".aws", "config"), "[default]\n"+profile+"[profile prod]\n"+profile)
	write(t, filepath.Join(home, ".boto"), "[Credentials]\n"+profile)
	write(t, filepath.Join(home, "original"), "AWSAccessKeyId=AKIAREAL\nAWSSecretKey=real\n")
	caller := Environment{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AWS_PROFILE=prod", "AWS_SDK_LOAD_CONFIG=1", "AWS_CREDENTIAL_FILE=" + filepath.Join(home, "original"),
		"AWS_BEARER_TOKEN_BEDROCK=real", "AWS_ACCESS_KEY_ID=AKIAREAL", "AWS_SECRET_ACCESS_KEY=real", "AWS_SESSION_TOKEN=real"}
	e := functionEnvironment(caller, gateway.DevelopmentCredentials(), false, "us-east-1", "http://localhost:3001/dev", "", "", "")
	e = e.without(func(name string) bool {
		return strings.HasSuffix(name, "_BUNDLE") || strings.HasSuffix(name, "_CERTS") || name == "SSL_CERT_FILE"
	})
	// Without the pair a client shows where else it looks.
	alone := e.without(func(name string) bool { return name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY" })
	modules := moduleFolder(t, "../../.tools/node/node_modules")
	for name, c := range map[string][]string{
		"Python": {"/usr/bin/python3", "-c", "import botocore.session\nc = botocore.session.get_session().get_credentials()\nprint(c.access_key if c else 'none')"},
		"Node.js": {"node", "-e", `const { defaultProvider } = require("` + modules + `/@aws-sdk/credential-provider-node");
			const { fromEnvSigningName } = require("` + modules + `/@aws-sdk/token-providers");
			defaultProvider()().then((c) => c.accessKeyId, () => "none").then((id) => fromEnvSigningName({ signingName: "bedrock" })().then((t) => t.token, () => id)).then(console.log);`},
	} {
		t.Run(name, func(t *testing.T) {
			switch name {
			case "Python":
				needs(t, "Python with boto3", exec.Command(c[0], "-c", "import botocore").Run() == nil)
			default:
				_, err := os.Stat(filepath.Join(modules, "@aws-sdk", "credential-provider-node"))
				_, nodeErr := exec.LookPath("node")
				needs(t, "Node.js with AWS's SDK", err == nil && nodeErr == nil)
			}
			for _, in := range []struct {
				env  Environment
				want string
			}{{e, "wirepost"}, {alone, "none"}} {
				run := exec.CommandContext(t.Context(), c[0], c[1:]...)
				run.Env, run.Stderr = in.env, os.Stderr
				out, err := run.Output()
				if got := strings.TrimSpace(string(out)); err != nil || got != in.want {
					t.Errorf("it finds %q, %v, want %q", got, err, in.want)
				}
			}
		})
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
	got, err := ReadEnvFile(file)
	if want := (Environment{"B=two words", "C=quoted #not a comment", "D=x=y", "A=2"}); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	write(t, file, "A=1\nmy s3cret without a name\n")
	if _, err := ReadEnvFile(file); err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "s3cret") {
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
