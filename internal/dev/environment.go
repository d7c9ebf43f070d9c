package dev

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/gateway"
)

// functionEnv is the part that knows what functions find around them. It does nothing
// for a function in this process.
type functionEnv struct {
	c           *Config
	listener    *listener
	trust       *trust
	control     *controlServer
	credentials *credentials
	lambda      *lambdaEndpoint
	engines     *engines

	interception *interception
	nothingToStop

	vars Environment
}

// flagged is an environment with the flag that has it.
type flagged struct {
	flag string
	env  Environment
}

// fromFlags are the variables that the caller has written down.
func (f *functionEnv) fromFlags() []flagged {
	return []flagged{{"--env-file", f.c.More}, {"--env", f.c.Given}}
}

func (f *functionEnv) start(context.Context) error {
	c := f.c
	if !c.hasProcesses() {
		return nil
	}
	c.Report.Begins("reading the roots that this machine trusts")
	roots := readRoots(Environment(c.Env).value("SSL_CERT_FILE"))
	f.interception.trust(roots)
	bundle, more, err := f.trust.authority.bundles(roots, Environment(c.Env).value("NODE_EXTRA_CA_CERTS"), f.interception.authority())
	if err != nil {
		return fmt.Errorf("write the roots that functions trust: %w", err)
	}
	env := functionEnvironment(c.Env, f.credentials.functions, c.Inherit, c.Region, f.listener.endpoint(), f.control.at.StoreURL(), more, bundle)
	if pair := f.credentials.pair; pair != nil && c.Inherit { // for posts by the library
		env = env.Set("WIREPOST_ACCESS_KEY_ID", pair.AccessKeyID).Set("WIREPOST_SECRET_ACCESS_KEY", pair.SecretAccessKey)
	}
	env = append(env, f.engines.endpoints()...)
	env = env.Set("AWS_ENDPOINT_URL_LAMBDA", f.lambda.url())
	env = append(append(env, c.More...), c.Given...)
	if f.interception.at != nil {
		options, err := f.interception.nodeOptions(env.value("NODE_OPTIONS"))
		if err != nil {
			return err
		}
		env = env.Set("NODE_OPTIONS", options)
	}
	orTemplate := ""
	if c.App != nil {
		orTemplate = " or of the template"
	}
	for _, from := range f.fromFlags() {
		if not := reserved(from.env, c.Region); len(not) > 0 {
			c.Report.Hint(fmt.Sprintf("not taken from %s, because Lambda sets it: %s; the region is that of --region%s, %s", from.flag, strings.Join(not, ", "), orTemplate, c.Region))
		}
	}
	f.vars = env
	return nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// An Environment is that of functions: NAME=VALUE each. Later ones win.
type Environment []string

// value is the value of a variable; empty if it is not set.
func (e Environment) value(name string) string {
	for _, s := range slices.Backward(e) {
		if v, ok := strings.CutPrefix(s, name+"="); ok {
			return v
		}
	}
	return ""
}

// Set gives one variable a value, in a copy of e.
func (e Environment) Set(name, value string) Environment {
	return append(e.without(func(n string) bool { return n == name }), name+"="+value)
}

func (e Environment) without(drop func(name string) bool) Environment {
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
	case "AWS_USE_DUALSTACK_ENDPOINT", "AWS_USE_FIPS_ENDPOINT": // other names of the same services
		return true
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

// Isolated is an environment in which no client of AWS's finds somebody's credentials:
// it has the pair, and neither files nor a metadata service to look for others in. A
// function is still a program of this user's, and may read what the user may.
func (e Environment) Isolated(pair gateway.Credentials) Environment {
	e = e.without(ofCaller).withPair(pair).Set("AWS_EC2_METADATA_DISABLED", "true")
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CREDENTIAL_PROFILES_FILE", "BOTO_CONFIG"} {
		e = e.Set(name, os.DevNull) // a client would look into the home folder
	}
	return e
}

// inherited is the environment of a caller whose credentials were resolved to a pair.
func (e Environment) inherited(pair gateway.Credentials) Environment {
	return e.without(func(name string) bool { return ofCaller(name) && !isBearerToken(name) }).withPair(pair)
}

func (e Environment) withPair(pair gateway.Credentials) Environment {
	e = e.Set("AWS_ACCESS_KEY_ID", pair.AccessKeyID).Set("AWS_SECRET_ACCESS_KEY", pair.SecretAccessKey)
	if pair.SessionToken != "" {
		e = e.Set("AWS_SESSION_TOKEN", pair.SessionToken)
	}
	return e
}

// functionEnvironment is what functions find. pair signs; it is the caller's own
// with --credentials inherit.
func functionEnvironment(caller []string, pair gateway.Credentials, inherit bool, region, endpoint, store, more, bundle string) Environment {
	e := Environment(caller)
	if inherit {
		e = e.inherited(pair)
	} else {
		e = e.Isolated(pair)
	}
	// For clients that honour it. Others are given domainName by their events, and
	// post to https:// there, which the certificates below make work.
	e = e.Set("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", endpoint)
	e = e.without(func(name string) bool { return name == "WIREPOST_ENDPOINT" }) // is of the API that the shell posts to
	e = e.Set("AWS_REGION", region).Set("AWS_DEFAULT_REGION", region)
	e = e.Set("NODE_EXTRA_CA_CERTS", more)
	for _, name := range []string{"AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} {
		e = e.Set(name, bundle)
	}
	if store != "" {
		e = e.Set("WIREPOST_STORE", store)
	}
	return e
}

// TemplateEnv is the environment that a template may name, and give to its functions:
// that of this process, without what leads to somebody's credentials unless they are
// inherited. An account's number is in ARNs, which are read all the same.
func TemplateEnv(inherit bool) func(name string) string {
	return func(name string) string {
		switch {
		case inherit || !ofCaller(name):
			return os.Getenv(name)
		case name == "AWS_ACCOUNT_ID":
			return "000000000000"
		}
		return ""
	}
}
