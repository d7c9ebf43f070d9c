# A WebSocket API with wirepost's ready-made function behind it: clients connect to
# it, and whatever runs on AWS publishes to them by invoking the publish function or
# by sending a message to the queue. Use the folder as a module, or copy it:
#
#   wirepost package --output function.zip github.com/wirepost/wirepost/cmd/wirepost-function
#
#   module "push" {
#     source       = "./deploy/terraform"
#     package      = "function.zip"
#     jwt_jwks_url = "https://example.com/keys"
#     jwt_issuer   = "https://example.com"
#     jwt_audience = "push"
#   }
#
# deploy/sam and deploy/cdk are the same stack, with the same parameters and outputs.
# docs/operations.md says what each limit and alarm is about.

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}
