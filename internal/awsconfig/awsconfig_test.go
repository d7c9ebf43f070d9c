package awsconfig

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// clear takes out of the environment what would decide a test.
func clear(t *testing.T) {
	for _, line := range os.Environ() {
		if name, _, _ := strings.Cut(line, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // restored at the end
			os.Unsetenv(name)
		}
	}
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// A client that is made from what the environment says is the one that AWS's own
// chain would have made of it.
func TestTheEnvironmentSaysWhatItSaysToAWSsChain(t *testing.T) {
	keys := map[string]string{"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
	for name, env := range map[string]map[string]string{
		"as Lambda sets it":                   {"AWS_REGION": "eu-west-1", "AWS_SESSION_TOKEN": "token"},
		"AWS_DEFAULT_REGION":                  {"AWS_DEFAULT_REGION": "eu-west-1"},
		"both regions":                        {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"},
		"the old names of the keys":           {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY": "OLD", "AWS_SECRET_KEY": "old"},
		"no region":                           {},
		"an endpoint for all":                 {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
		"an endpoint for one":                 {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:2"},
		"both endpoints":                      {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:2"},
		"endpoints that are to be ignored":    {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:2", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"},
		"endpoints that are not ignored":      {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"},
		"FIPS":                                {"AWS_REGION": "us-east-1", "AWS_USE_FIPS_ENDPOINT": "true"},
		"dual stack":                          {"AWS_REGION": "us-east-1", "AWS_USE_DUALSTACK_ENDPOINT": "TRUE"},
		"neither":                             {"AWS_REGION": "us-east-1", "AWS_USE_DUALSTACK_ENDPOINT": "false", "AWS_USE_FIPS_ENDPOINT": "false"},
		"FIPS that is neither true nor false": {"AWS_USE_FIPS_ENDPOINT": "yes"},
	} {
		t.Run(name, func(t *testing.T) {
			clear(t)
			for name, value := range keys {
				if _, old := env["AWS_ACCESS_KEY"]; !old {
					t.Setenv(name, value)
				}
			}
			for name, value := range env {
				t.Setenv(name, value)
			}
			want, wantErr := config.LoadDefaultConfig(t.Context())
			got, err := Load(t.Context(), nil)
			if (err != nil) != (wantErr != nil) {
				t.Fatalf("%v; AWS's chain: %v", err, wantErr)
			}
			if err != nil {
				return
			}
			if got.Region != want.Region {
				t.Errorf("region %q, AWS's chain %q", got.Region, want.Region)
			}
			c, err := got.Credentials.Retrieve(t.Context())
			w, wantErr := want.Credentials.Retrieve(t.Context())
			if err != nil || wantErr != nil || c.AccessKeyID != w.AccessKeyID || c.SecretAccessKey != w.SecretAccessKey || c.SessionToken != w.SessionToken {
				t.Errorf("credentials %v, AWS's chain %v", err, wantErr)
			}
			mine, theirs := dynamodb.NewFromConfig(got).Options(), dynamodb.NewFromConfig(want).Options()
			if aws.ToString(mine.BaseEndpoint) != aws.ToString(theirs.BaseEndpoint) {
				t.Errorf("endpoint %q, AWS's chain %q", aws.ToString(mine.BaseEndpoint), aws.ToString(theirs.BaseEndpoint))
			}
			on := func(o dynamodb.Options) [2]bool {
				return [2]bool{o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled, o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled}
			}
			if on(mine) != on(theirs) {
				t.Errorf("FIPS and dual stack %v, AWS's chain %v", on(mine), on(theirs))
			}
		})
	}
}

func TestWithoutCredentialsTheErrorSaysWhatIsMissing(t *testing.T) {
	for name, env := range map[string]struct {
		set  string
		want string
	}{
		"neither":   {"", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY not set"},
		"no secret": {"AWS_ACCESS_KEY_ID", "(AWS_SECRET_ACCESS_KEY not set)"},
		"no key":    {"AWS_SECRET_ACCESS_KEY", "(AWS_ACCESS_KEY_ID not set)"},
	} {
		t.Run(name, func(t *testing.T) {
			clear(t)
			if env.set != "" {
				t.Setenv(env.set, "x")
			}
			cfg, err := Load(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = cfg.Credentials.Retrieve(t.Context())
			if !errors.Is(err, ErrNoCredentials) || !strings.Contains(err.Error(), env.want) || !strings.Contains(err.Error(), "github.com/wirepost/wirepost/awschain") {
				t.Errorf("%v, want %q and the package that finds others", err, env.want)
			}
		})
	}
}

func TestWhatTheCallerKnowsWins(t *testing.T) {
	clear(t)
	t.Setenv("AWS_REGION", "eu-west-1")
	own := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "own"}, nil
	})
	cfg, err := Load(t.Context(), &Options{Region: "us-west-2", DefaultRegion: "us-east-1", Credentials: own})
	if err != nil || cfg.Region != "us-west-2" {
		t.Errorf("region %q, %v", cfg.Region, err)
	}
	if c, err := cfg.Credentials.Retrieve(t.Context()); c.AccessKeyID != "own" {
		t.Errorf("%v, %v", c.AccessKeyID, err)
	}
	if cfg, _ := Load(t.Context(), &Options{DefaultRegion: "us-east-1"}); cfg.Region != "eu-west-1" {
		t.Errorf("the default region won: %q", cfg.Region)
	}
	t.Setenv("AWS_REGION", "")
	if cfg, _ := Load(t.Context(), &Options{DefaultRegion: "us-east-1"}); cfg.Region != "us-east-1" {
		t.Errorf("no default region: %q", cfg.Region)
	}
}
