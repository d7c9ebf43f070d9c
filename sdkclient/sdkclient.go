// Package sdkclient hands out AWS's own management client, set to one endpoint
// in the one way that works. It is for those who want that client;
// wirepost.Publisher needs none of it.
//
// What it avoids, each measured with the pinned version of AWS's SDK:
//
//   - the deprecated endpoint resolvers, in aws.Config or in Options, silently win
//     over BaseEndpoint, drop the stage and sign for the service "apigateway";
//   - AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI redirect a
//     client that is built from a config;
//   - AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT make every call with an
//     endpoint of one's own an error;
//   - no credentials means unsigned requests, and no region a signature for an
//     empty one, both without an error;
//   - three attempts at everything, which delivers a message three times if only
//     the answer was lost;
//   - a pool of ten idle connections, which opens a new one for most posts of a
//     fan-out;
//   - redirects with 307 and 308, which a GET and a DELETE follow to any host, with
//     the session token in a header of their own.
package sdkclient

import (
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"

	"github.com/wirepost/wirepost"
)

const (
	// poolSize is how many connections to the endpoint the client keeps and opens.
	poolSize = 64
	// maxHeader bounds the header of an answer.
	maxHeader = 64 << 10
)

// New makes AWS's client for one endpoint. Credentials come from cfg, the region
// from the endpoint. Every call is attempted once; to retry, set the Retryer of
// the call's options. A cfg.HTTPClient is kept as it is, but for AWS's own
// BuildableClient, which keeps its transport and follows no redirect any more. Errors
// keep the beginning of an answer's body, which AWS's client drops, for
// [wirepost.Explain].
//
// The error names what is wrong with the endpoint, as [wirepost.ParseEndpoint]
// does, or that cfg has no credentials.
func New(cfg aws.Config, endpoint wirepost.Endpoint) (*apigatewaymanagementapi.Client, error) {
	checked, err := wirepost.ParseEndpoint(endpoint.URL, &wirepost.EndpointOptions{Region: endpoint.Region, APIID: endpoint.APIID, StageExists: endpoint.Stage != ""})
	if err != nil {
		return nil, err
	}
	if cfg.Credentials == nil {
		return nil, &wirepost.Error{Problem: wirepost.ProblemCredentialsMissing, Endpoint: checked.URL,
			Err: errors.New("aws.Config has no credentials, and AWS's client would send unsigned requests")}
	}
	cfg = cfg.Copy()
	//lint:ignore SA1019 the deprecated resolvers are taken away, because they win over BaseEndpoint
	cfg.EndpointResolver, cfg.EndpointResolverWithOptions = nil, nil
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost, t.MaxConnsPerHost, t.MaxIdleConns = poolSize, poolSize, 0
			t.MaxResponseHeaderBytes = maxHeader
		})
	}
	if c, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		cfg.HTTPClient = &http.Client{Transport: c.GetTransport(), Timeout: c.GetTimeout(),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return apigatewaymanagementapi.NewFromConfig(cfg, func(o *apigatewaymanagementapi.Options) {
		o.BaseEndpoint = aws.String(checked.URL)
		o.Region = checked.Region
		o.Retryer = aws.NopRetryer{}
		o.APIOptions = append(o.APIOptions, keepBodies)
		o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
		o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateDisabled
	}), nil
}
