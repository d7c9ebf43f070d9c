// Package sharedconfig reads AWS's configuration file for the doctor of a machine. A
// Lambda has none, and what reads it would cost its cold start more than all the rest
// of the doctor.
package sharedconfig

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/config"
)

// Endpoint is the management endpoint that a profile of a file gives AWS's client, by
// a service of its own or for all; empty if there is none, or no such file.
func Endpoint(ctx context.Context, file, profile string) string {
	shared, err := config.LoadSharedConfigProfile(ctx, profile, func(o *config.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles = []string{file}, []string{}
	})
	if err != nil {
		return ""
	}
	if v, ok, err := shared.GetServiceBaseEndpoint(ctx, "ApiGatewayManagementApi"); err == nil && ok {
		return v
	}
	return shared.BaseEndpoint
}
