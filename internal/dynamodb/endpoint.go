package dynamodb

import (
	"context"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// partitions are AWS's, by how their regions begin, with the suffixes of their hosts
// and of those that have IPv6 too (AWS SDK for Go v2, partitions.json). The first
// that fits holds.
var partitions = [...]struct{ region, suffix, dualStack string }{
	{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"aws-cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
	{"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
	{"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
	{"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	{"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
	{"", "amazonaws.com", "api.aws"},
}

// Endpoint is the URL of DynamoDB for a configuration: the one that it names, as
// AWS's clients find it there, or else AWS's own in its region.
func Endpoint(ctx context.Context, cfg aws.Config) (string, error) {
	if u, err := configured(ctx, cfg); u != "" || err != nil {
		return u, err
	}
	if cfg.Region == "local" { // what AWS's clients take for DynamoDB Local's own region
		return "http://localhost:8000", nil
	}
	fips, dualStack, err := variants(ctx, cfg)
	if err != nil {
		return "", err
	}
	service, suffix := "dynamodb", ""
	for _, p := range partitions {
		if strings.HasPrefix(cfg.Region, p.region) {
			if suffix = p.suffix; dualStack {
				suffix = p.dualStack
			}
			break
		}
	}
	// In the regions of GovCloud the usual hosts are the ones with validated
	// cryptography.
	if fips && (dualStack || !strings.HasPrefix(cfg.Region, "us-gov-")) {
		service = "dynamodb-fips"
	}
	return "https://" + service + "." + cfg.Region + "." + suffix, nil
}

// The names of these methods are an agreement between an aws.Config and AWS's clients
// (AWS SDK for Go v2, internal/configsources).
type (
	serviceEndpoint interface {
		GetServiceBaseEndpoint(ctx context.Context, sdkID string) (string, bool, error)
	}
	ignoreEndpoints interface {
		GetIgnoreConfiguredEndpoints(ctx context.Context) (bool, bool, error)
	}
	useFIPS interface {
		GetUseFIPSEndpoint(ctx context.Context) (aws.FIPSEndpointState, bool, error)
	}
	useDualStack interface {
		GetUseDualStackEndpoint(ctx context.Context) (aws.DualStackEndpointState, bool, error)
	}
)

func configured(ctx context.Context, cfg aws.Config) (string, error) {
	general := aws.ToString(cfg.BaseEndpoint)
	// The variable for all services beats a configuration file's for this one.
	if os.Getenv("AWS_ENDPOINT_URL") != "" && os.Getenv("AWS_ENDPOINT_URL_DYNAMODB") == "" {
		return general, nil
	}
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(ignoreEndpoints); ok {
			if on, set, err := s.GetIgnoreConfiguredEndpoints(ctx); err != nil || set && on {
				return general, err
			}
		}
	}
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(serviceEndpoint); ok {
			if u, set, err := s.GetServiceBaseEndpoint(ctx, "DynamoDB"); err != nil || set {
				return u, err
			}
		}
	}
	return general, nil
}

func variants(ctx context.Context, cfg aws.Config) (fips, dualStack bool, err error) {
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(useFIPS); ok {
			state, set, err := s.GetUseFIPSEndpoint(ctx)
			if err != nil {
				return false, false, err
			}
			if set {
				fips = state == aws.FIPSEndpointStateEnabled
				break
			}
		}
	}
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(useDualStack); ok {
			state, set, err := s.GetUseDualStackEndpoint(ctx)
			if err != nil {
				return false, false, err
			}
			if set {
				dualStack = state == aws.DualStackEndpointStateEnabled
				break
			}
		}
	}
	return fips, dualStack, nil
}
