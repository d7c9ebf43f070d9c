// Package awschain makes wirepost find AWS's configuration as AWS's own programs do:
// the environment, profiles and single sign-on, web identities, the roles of
// containers and of EC2 machines, and the endpoints in configuration files.
//
//	import _ "github.com/wirepost/wirepost/awschain"
//
// Without it a [wirepost.Publisher] and a store on DynamoDB that were given no
// credentials look into the environment only, where Lambda puts those of the
// function's role. A Lambda does not need this package and starts faster without
// it; a server, a container or a program on a laptop does. One that sets
// PublisherOptions.Credentials and dynamostore's Options.Credentials needs it
// nowhere.
package awschain

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/wirepost/wirepost/internal/awsconfig"
)

func init() { awsconfig.Register(load) }

func load(ctx context.Context, o *awsconfig.Options) (aws.Config, error) {
	// AWS's configuration writes to standard error, which is not a library's to do.
	options := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if o.Region != "" {
		options = append(options, config.WithRegion(o.Region))
	}
	if o.DefaultRegion != "" {
		options = append(options, config.WithDefaultRegion(o.DefaultRegion))
	}
	if o.Credentials != nil {
		options = append(options, config.WithCredentialsProvider(o.Credentials))
	}
	return config.LoadDefaultConfig(ctx, options...)
}
