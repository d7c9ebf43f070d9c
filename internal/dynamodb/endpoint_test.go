package dynamodb

import (
	"context"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// The hosts are those of AWS's client in every region of every partition.
func TestHostsAreThoseOfAWSsClient(t *testing.T) {
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"} {
		setOrNot(t, name, "")
	}
	if u, err := Endpoint(t.Context(), aws.Config{Region: "local"}); u != "http://localhost:8000" {
		t.Errorf("the region local is at %s (%v)", u, err)
	}
	resolver := sdk.NewDefaultEndpointResolverV2()
	for _, region := range []string{"us-east-1", "us-west-2", "eu-west-1", "eu-central-2", "ap-southeast-7", "ca-west-1", "il-central-1", "me-central-1", "mx-central-1", "af-south-1", "sa-east-1",
		"cn-north-1", "cn-northwest-1", "aws-cn-global", "us-gov-west-1", "us-gov-east-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1", "eusc-de-east-1"} {
		for _, fips := range []bool{false, true} {
			for _, dual := range []bool{false, true} {
				want, err := resolver.ResolveEndpoint(t.Context(), sdk.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dual})
				if err != nil {
					t.Fatal(err)
				}
				got, err := Endpoint(t.Context(), aws.Config{Region: region, ConfigSources: []any{wants{fips, dual}}})
				if err != nil || got != want.URI.String() {
					t.Errorf("%s, FIPS %v, dual stack %v: %s (%v), AWS's client %s", region, fips, dual, got, err, want.URI.String())
				}
			}
		}
	}
}

func writeFile(name, content string) error { return os.WriteFile(name, []byte(content), 0o600) }

// setOrNot sets a variable for the test, or takes it out of the environment: set and
// empty is something else to AWS's client.
func setOrNot(t *testing.T, name, value string) {
	t.Setenv(name, value)
	if value == "" {
		os.Unsetenv(name)
	}
}

type wants struct{ fips, dual bool }

func (w wants) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	if w.fips {
		return aws.FIPSEndpointStateEnabled, true, nil
	}
	return aws.FIPSEndpointStateUnset, false, nil
}

func (w wants) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	if w.dual {
		return aws.DualStackEndpointStateEnabled, true, nil
	}
	return aws.DualStackEndpointStateDisabled, true, nil
}

func TestConfiguredEndpointsAreThoseOfAWSsClient(t *testing.T) {
	file := t.TempDir() + "/config"
	if err := writeFile(file, "[profile both]\nendpoint_url = http://file-all\nservices = s\n[services s]\ndynamodb =\n  endpoint_url = http://file-one\n[profile all]\nendpoint_url = http://file-all\n[profile ignored]\nendpoint_url = http://file-all\nignore_configured_endpoint_urls = true\n"); err != nil {
		t.Fatal(err)
	}
	for _, profile := range []string{"", "all", "both", "ignored"} {
		for _, all := range []string{"", "http://env-all"} {
			for _, one := range []string{"", "http://env-one"} {
				for _, ignore := range []string{"", "true"} {
					t.Setenv("AWS_CONFIG_FILE", file)
					t.Setenv("AWS_PROFILE", profile)
					t.Setenv("AWS_REGION", "eu-west-1")
					setOrNot(t, "AWS_ENDPOINT_URL", all)
					setOrNot(t, "AWS_ENDPOINT_URL_DYNAMODB", one)
					setOrNot(t, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", ignore)
					cfg, err := config.LoadDefaultConfig(t.Context(), config.WithCredentialsProvider(pair))
					if err != nil {
						t.Fatal(err)
					}
					want := "https://dynamodb.eu-west-1.amazonaws.com"
					if u := sdk.NewFromConfig(cfg).Options().BaseEndpoint; u != nil {
						want = *u
					}
					if got, err := Endpoint(t.Context(), cfg); err != nil || got != want {
						t.Errorf("profile %q, AWS_ENDPOINT_URL=%s, AWS_ENDPOINT_URL_DYNAMODB=%s, ignored %q: %s (%v), AWS's client %s", profile, all, one, ignore, got, err, want)
					}
				}
			}
		}
	}
}
