# The least that it takes: the zip file of the function, and who issues the tokens.
#
#   wirepost package --output function.zip github.com/wirepost/wirepost/cmd/wirepost-function
#   terraform init
#   terraform apply

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.60"
    }
  }
}

provider "aws" {
  region = "eu-central-1"
}

module "push" {
  source = "../.."

  package      = "${path.module}/function.zip"
  jwt_jwks_url = "https://example.com/keys"
  jwt_issuer   = "https://example.com"
  jwt_audience = "push"
}

output "connect_url" {
  description = "Where clients connect"
  value       = module.push.connect_url
}

output "publish_function" {
  description = "Name of the function to invoke with what is to be published"
  value       = module.push.publish_function
}
