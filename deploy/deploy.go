// Package deploy has the stack that runs wirepost on AWS, three times: for AWS SAM,
// for Terraform and for the CDK. They are the stack of the ready-made function; [Own] has
// one that fits a program of one's own, which 'wirepost init' copies.
//
// The three have the same resources, permissions, parameters and outputs, and a
// test holds them against each other. Names differ only in their spelling: JwtKey
// of SAM and the CDK is jwt_key of Terraform.
package deploy

import "embed"

// Files are the folders sam, terraform and cdk.
//
//go:embed sam/*.yaml terraform/*.tf cdk/*.ts cdk/package.json cdk/cdk.json cdk/tsconfig.json cdk/.gitignore
var Files embed.FS
