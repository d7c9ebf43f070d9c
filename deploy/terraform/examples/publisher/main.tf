# A function of your own that publishes by the library, and alarms that reach somebody.
#
#   wirepost package --output function.zip github.com/wirepost/wirepost/cmd/wirepost-function
#   wirepost package --output publisher.zip ./publisher
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

  name            = "orders"
  table_name      = "orders-connections"
  package         = "${path.module}/function.zip"
  allow_origin    = "https://example.com"
  jwt_jwks_url    = "https://example.com/keys"
  jwt_issuer      = "https://example.com"
  jwt_audience    = "orders"
  keep            = "orders/*=10m"
  alarm_topic_arn = aws_sns_topic.alarms.arn
}

resource "aws_sns_topic" "alarms" {
  name = "orders-alarms"
}

# The function learns the endpoint from the store, and needs the two policies.
resource "aws_lambda_function" "publisher" {
  function_name    = "orders-publisher"
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  filename         = "${path.module}/publisher.zip"
  source_code_hash = filebase64sha256("${path.module}/publisher.zip")
  architectures    = ["arm64"]
  role             = aws_iam_role.publisher.arn

  environment {
    variables = {
      WIREPOST_STORE = module.push.store
      WIREPOST_KEEP  = "orders/*=10m"
    }
  }
}

resource "aws_iam_role" "publisher" {
  name_prefix        = "orders-publisher-"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy_attachment" "publisher" {
  for_each = {
    table       = module.push.table_policy
    connections = module.push.connections_policy
    logs        = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
  }

  role       = aws_iam_role.publisher.name
  policy_arn = each.value
}

output "connect_url" {
  description = "Where clients connect"
  value       = module.push.connect_url
}
