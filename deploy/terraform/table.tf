# The table that a store on DynamoDB keeps its rows in, as 'wirepost table create'
# makes it. Use the folder as a module, or copy it:
#
#   module "connections" {
#     source = "./deploy/terraform"
#   }
#
# Functions then get module.connections.policy as a policy of their role, and
# module.connections.store as WIREPOST_STORE. Whoever publishes also needs
# execute-api:ManageConnections on the API.

variable "table_name" {
  description = "Name of the table, as in dynamodb://TABLE?region=REGION"
  type        = string
  default     = "connections"
}

# Destroying it loses who is connected, until clients connect again.
resource "aws_dynamodb_table" "connections" {
  name         = var.table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "p"
  range_key    = "s"

  attribute {
    name = "p"
    type = "S"
  }

  attribute {
    name = "s"
    type = "S"
  }

  ttl {
    attribute_name = "x"
    enabled        = true
  }
}

# What a function does with the table, and no more. 'wirepost table' and 'wirepost
# sweep' are for people: they create, describe and scan.
data "aws_iam_policy_document" "functions" {
  statement {
    effect = "Allow"
    actions = [
      "dynamodb:BatchWriteItem",
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:UpdateItem",
    ]
    resources = [aws_dynamodb_table.connections.arn]
  }
}

output "table_name" {
  value = aws_dynamodb_table.connections.name
}

output "table_arn" {
  value = aws_dynamodb_table.connections.arn
}

output "store" {
  description = "WIREPOST_STORE of functions"
  value       = "dynamodb://${aws_dynamodb_table.connections.name}?region=${split(":", aws_dynamodb_table.connections.arn)[3]}"
}

output "policy" {
  description = "JSON of the policy for functions"
  value       = data.aws_iam_policy_document.functions.json
}
