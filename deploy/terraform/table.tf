# The store of connections, as 'wirepost table create' makes it. Destroying it loses
# who is connected, until clients connect again.
resource "aws_dynamodb_table" "table" {
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
data "aws_iam_policy_document" "table" {
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
    resources = [aws_dynamodb_table.table.arn]
  }
}

resource "aws_iam_policy" "table_policy" {
  name_prefix = "${var.name}-table-"
  description = "Use of a wirepost table by functions"
  policy      = data.aws_iam_policy_document.table.json
}
