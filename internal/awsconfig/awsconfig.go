// Package awsconfig finds credentials, region and endpoints for the parts of wirepost
// that were given none: from the environment, which is all that Lambda sets (AWS,
// Lambda developer guide, "Defined runtime environment variables"). Package awschain
// puts AWS's whole chain in its place.
//
// AWS's chain is not linked here because its clients of STS and of single sign-on are
// made before main: that was more than a fifth of the start of a Lambda on wirepost
// (docs/benchmarks.md), for what no Lambda uses.
package awsconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Options are what a caller knows already.
type Options struct {
	Region        string                  // wins over what is found
	DefaultRegion string                  // if none is found
	Credentials   aws.CredentialsProvider // nothing else is asked if given
}

// Loader reads AWS's configuration. It asks nobody: credentials are looked for when
// they are needed.
type Loader func(context.Context, *Options) (aws.Config, error)

var registered atomic.Pointer[Loader]

// Register makes Load use another loader than the environment's. It is for an init
// function; the last one wins.
func Register(l Loader) { registered.Store(&l) }

// Load reads AWS's configuration by the registered loader, or the environment. Nil
// options are none. It may be called concurrently.
func Load(ctx context.Context, o *Options) (aws.Config, error) {
	if o == nil {
		o = &Options{}
	}
	if l := registered.Load(); l != nil {
		return (*l)(ctx, o)
	}
	return fromEnvironment(o, os.Getenv)
}

// Registered reports whether there is another loader than the environment's.
func Registered() bool { return registered.Load() != nil }

// ErrNoCredentials is why an environment gives no credentials.
var ErrNoCredentials = errors.New("the environment has no AWS credentials")

func fromEnvironment(o *Options, getenv func(string) string) (aws.Config, error) {
	env := environment{getenv}
	cfg := aws.Config{Region: o.Region, Credentials: o.Credentials, ConfigSources: []any{env}}
	for _, region := range []string{getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"), o.DefaultRegion} {
		if cfg.Region == "" {
			cfg.Region = region
		}
	}
	if cfg.Credentials == nil {
		cfg.Credentials = aws.CredentialsProviderFunc(env.credentials)
	}
	// A client that is made from the configuration would take these for unset.
	for _, name := range []string{ignoreEndpoints, useFIPS, useDualStack} {
		if _, _, err := env.boolean(name); err != nil {
			return aws.Config{}, err
		}
	}
	if v := getenv("AWS_ENDPOINT_URL"); v != "" {
		if ignored, _, _ := env.boolean(ignoreEndpoints); !ignored {
			cfg.BaseEndpoint = &v
		}
	}
	return cfg, nil
}

const (
	ignoreEndpoints = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
	useFIPS         = "AWS_USE_FIPS_ENDPOINT"
	useDualStack    = "AWS_USE_DUALSTACK_ENDPOINT"
)

// environment is what AWS's clients ask for in an aws.Config beyond its fields, by
// the names of the methods (AWS SDK for Go v2, internal/configsources). The variables
// are those of AWS's reference guide for SDKs and tools.
type environment struct{ getenv func(string) string }

func (e environment) credentials(context.Context) (aws.Credentials, error) {
	c := aws.Credentials{AccessKeyID: e.first("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"), SecretAccessKey: e.first("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"), SessionToken: e.getenv("AWS_SESSION_TOKEN"), Source: "environment"}
	if c.HasKeys() {
		return c, nil
	}
	var unset []string
	if c.AccessKeyID == "" {
		unset = append(unset, "AWS_ACCESS_KEY_ID")
	}
	if c.SecretAccessKey == "" {
		unset = append(unset, "AWS_SECRET_ACCESS_KEY")
	}
	if e.getenv("AWS_PROFILE") != "" {
		return aws.Credentials{}, fmt.Errorf("%w (%s not set); AWS_PROFILE is, and this program does not link what reads profiles: import _ \"github.com/wirepost/wirepost/awschain\"", ErrNoCredentials, strings.Join(unset, " and "))
	}
	return aws.Credentials{}, fmt.Errorf("%w (%s not set); a program outside Lambda imports github.com/wirepost/wirepost/awschain to have profiles, single sign-on and the roles of containers and machines too", ErrNoCredentials, strings.Join(unset, " and "))
}

// first is the value of the first of some names that has one; the second names are
// old ones, which AWS's clients for Go read too.
func (e environment) first(names ...string) string {
	for _, name := range names {
		if v := e.getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// GetServiceBaseEndpoint is the service's own variable, such as
// AWS_ENDPOINT_URL_DYNAMODB.
func (e environment) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	v := e.getenv("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_")))
	return v, v != "", nil
}

// GetIgnoreConfiguredEndpoints says that no variable names an endpoint, whatever is
// in it.
func (e environment) GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error) {
	return e.boolean(ignoreEndpoints)
}

// GetUseFIPSEndpoint asks for the endpoints that have validated cryptography.
func (e environment) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	on, set, err := e.boolean(useFIPS)
	if on {
		return aws.FIPSEndpointStateEnabled, set, err
	}
	return aws.FIPSEndpointStateDisabled, set, err
}

// GetUseDualStackEndpoint asks for the endpoints that have IPv6 addresses.
func (e environment) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	on, set, err := e.boolean(useDualStack)
	if on {
		return aws.DualStackEndpointStateEnabled, set, err
	}
	return aws.DualStackEndpointStateDisabled, set, err
}

// boolean reads a variable as AWS's clients do: true or false in any case.
func (e environment) boolean(name string) (on, set bool, err error) {
	switch v := e.getenv(name); {
	case v == "":
		return false, false, nil
	case strings.EqualFold(v, "true"):
		return true, true, nil
	case strings.EqualFold(v, "false"):
		return false, true, nil
	default:
		return false, false, fmt.Errorf("%s is %q; it must be true or false", name, v)
	}
}
