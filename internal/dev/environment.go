package main

import (
	"bufio"
	"context"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/wirepost/wirepost/gateway"
)

// An environment is that of the functions that dev starts: NAME=VALUE each. Later
// ones win.
type environment []string

func (e environment) set(name, value string) environment {
	return append(e.without(func(n string) bool { return n == name }), name+"="+value)
}

func (e environment) without(drop func(name string) bool) environment {
	return slices.DeleteFunc(slices.Clone(e), func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return drop(name)
	})
}

// ofCaller reports whether a variable is a credential of somebody's for AWS, or leads
// to one, or to another endpoint than AWS's. A function under test gets none of it
// unasked. The words are those of all variables that AWS's clients read (AWS SDKs and
// Tools Reference Guide, "Settings reference", and the sources of the clients for Go,
// JavaScript, Python, Java, Ruby and the command line), and of the bearer tokens of
// services that there may be one day: AWS_BEARER_TOKEN_SERVICE.
func ofCaller(name string) bool {
	name = strings.ToUpper(name) // as Windows compares them
	switch name {
	case "AWS_SECRET", "AWS_ACCOUNT_ID", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "BOTO_CONFIG":
		return true
	}
	if !strings.HasPrefix(name, "AWS_") && !strings.HasPrefix(name, "AMAZON_") {
		return false
	}
	return slices.ContainsFunc(ofCallerWords, func(word string) bool { return strings.Contains(name, word) })
}

var ofCallerWords = []string{"ACCESS_KEY", "SECRET_KEY", "SECRET_ACCESS", "TOKEN", "CREDENTIAL", "PASSPHRASE", "PASSWORD", "PROFILE", "ROLE_ARN", "ROLE_SESSION",
	"CONFIG_FILE", "LOAD_CONFIG", "_LOGIN", "_SSO", "_VAULT", "METADATA", "IMDS", "_CONTAINER_", "ENDPOINT_URL"}

// isBearerToken reports whether a variable is a credential that no pair stands for.
func isBearerToken(name string) bool {
	return strings.HasPrefix(strings.ToUpper(name), "AWS_BEARER_TOKEN")
}

// isolated is an environment in which no client of AWS's finds somebody's credentials:
// it has the pair, and neither files nor a metadata service to look for others in. A
// function is still a program of this user's, and may read what the user may.
func (e environment) isolated(pair gateway.Credentials) environment {
	e = e.without(ofCaller).withPair(pair).set("AWS_EC2_METADATA_DISABLED", "true")
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CREDENTIAL_PROFILES_FILE", "BOTO_CONFIG"} {
		e = e.set(name, os.DevNull) // a client would look into the home folder
	}
	return e
}

// inherited is the environment of a caller whose credentials were resolved to a pair.
func (e environment) inherited(pair gateway.Credentials) environment {
	return e.without(func(name string) bool { return ofCaller(name) && !isBearerToken(name) }).withPair(pair)
}

func (e environment) withPair(pair gateway.Credentials) environment {
	e = e.set("AWS_ACCESS_KEY_ID", pair.AccessKeyID).set("AWS_SECRET_ACCESS_KEY", pair.SecretAccessKey)
	if pair.SessionToken != "" {
		e = e.set("AWS_SESSION_TOKEN", pair.SessionToken)
	}
	return e
}

// functionEnvironment is what functions find. pair signs; it is the caller's own
// with --credentials inherit.
func functionEnvironment(caller []string, pair gateway.Credentials, inherit bool, region, endpoint, store, authority, bundle string) environment {
	e := environment(caller)
	if inherit {
		e = e.inherited(pair)
	} else {
		e = e.isolated(pair)
	}
	// For clients that honour it. Others are given domainName by their events, and
	// post to https:// there, which the certificates below make work.
	e = e.set("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", endpoint)
	e = e.set("AWS_REGION", region).set("AWS_DEFAULT_REGION", region)
	e = e.set("NODE_EXTRA_CA_CERTS", authority)
	for _, name := range []string{"AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} {
		e = e.set(name, bundle)
	}
	if store != "" {
		e = e.set("WIREPOST_STORE", store)
	}
	return e
}

// readEnvFile reads NAME=VALUE lines, as most programs read such files: empty lines
// and those that begin with # are left out, an "export " before a name too, and so
// are quotes around a value.
func readEnvFile(path string) (environment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &hinted{fmt.Errorf("read --env-file: %w", err), "it has one NAME=VALUE a line"}
	}
	defer f.Close()
	var e environment
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t\"'") {
			// The line itself may be a secret.
			return nil, &hinted{fmt.Errorf("read --env-file %s: line %d is not NAME=VALUE", filepath.Base(path), n), "write one NAME=VALUE a line"}
		}
		value = strings.TrimSpace(value)
		if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		e = e.set(name, value)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read --env-file %s: %w", filepath.Base(path), err)
	}
	return e, nil
}

// reserved names what a file sets in vain, because Lambda and dev set it to something
// else.
func reserved(e environment, region string) (names []string) {
	for _, s := range e {
		name, value, _ := strings.Cut(s, "=")
		switch {
		case name == "AWS_REGION" || name == "AWS_DEFAULT_REGION":
			if value == region {
				continue
			}
		case name == "_HANDLER" || name == "LAMBDA_TASK_ROOT" || name == "LAMBDA_RUNTIME_DIR" || strings.HasPrefix(name, "AWS_LAMBDA_"):
		default:
			continue
		}
		names = append(names, name)
	}
	return names
}

// callerCredentials resolves the caller's credentials once, as every AWS program
// finds them, and names their account by its last four digits.
func callerCredentials(ctx context.Context) (pair gateway.Credentials, account string, err error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return pair, "", fmt.Errorf("read AWS's configuration: %w", err)
	}
	c, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return pair, "", &hinted{errors.New("--credentials inherit: there are no AWS credentials here"), "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or leave --credentials at dev"}
	}
	return gateway.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, accountOf(c), nil
}

// accountOf is the last four digits of the account of credentials, empty if they do
// not tell. Without a call to AWS there is what the provider says, and what the
// access key's ID is made of: base32, whose first 48 bits have the account's number
// in them, shifted by 7 (UNCERTAIN: researchers found it, AWS does not document it).
func accountOf(c aws.Credentials) string {
	account := c.AccountID
	if account == "" && len(c.AccessKeyID) == 20 && (strings.HasPrefix(c.AccessKeyID, "AKIA") || strings.HasPrefix(c.AccessKeyID, "ASIA")) {
		if raw, err := base32.StdEncoding.DecodeString(c.AccessKeyID[4:]); err == nil && len(raw) >= 6 {
			n := binary.BigEndian.Uint64(append([]byte{0, 0}, raw[:6]...))
			account = fmt.Sprintf("%012d", n&0x7fffffffff80>>7)
		}
	}
	if len(account) < 4 {
		return ""
	}
	return account[len(account)-4:]
}
