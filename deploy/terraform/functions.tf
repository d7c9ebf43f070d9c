# Three functions of one zip, each limited to its job. None is told the management
# endpoint: they learn it from the API's events.
locals {
  package = coalesce(var.package, "${path.module}/function.zip")
  store   = "dynamodb://${aws_dynamodb_table.table.name}?region=${data.aws_region.current.id}"

  functions = {
    websocket = {
      description = "Events of the WebSocket API"
      timeout     = 29
      queue       = ["sqs:SendMessage"]
      environment = {
        WIREPOST_HANDLERS     = "websocket"
        WIREPOST_ALLOW_ORIGIN = var.allow_origin
        WIREPOST_JWT_JWKS_URL = var.jwt_jwks_url
        WIREPOST_JWT_KEY      = var.jwt_key
        WIREPOST_JWT_ISSUER   = var.jwt_issuer
        WIREPOST_JWT_AUDIENCE = var.jwt_audience
        WIREPOST_JWT_CLAIM    = var.jwt_claim
      }
    }
    publish = {
      description = "Publishes what it is invoked with"
      timeout     = 60
      queue       = ["sqs:SendMessage"]
      environment = {
        WIREPOST_HANDLERS = "invoke,sns,eventbridge,doctor"
        WIREPOST_DOCTOR   = "1"
      }
    }
    queue = {
      description = "Publishes what is in the queue"
      timeout     = 60
      queue       = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"]
      environment = {
        WIREPOST_HANDLERS = "sqs"
      }
    }
  }
}

resource "aws_lambda_function" "function" {
  for_each = local.functions

  function_name    = "${var.name}-${each.key}"
  description      = each.value.description
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  filename         = local.package
  source_code_hash = filebase64sha256(local.package)
  architectures    = [var.architecture]
  memory_size      = var.memory_size
  timeout          = each.value.timeout
  role             = aws_iam_role.role[each.key].arn

  environment {
    variables = merge(each.value.environment, {
      WIREPOST_STORE     = local.store
      WIREPOST_QUEUE_URL = aws_sqs_queue.queue.url
      WIREPOST_KEEP      = var.keep
      WIREPOST_LOG_LEVEL = var.log_level
    })
  }

  logging_config {
    log_group  = aws_cloudwatch_log_group.log_group[each.key].name
    log_format = "Text"
  }
}

resource "aws_cloudwatch_log_group" "log_group" {
  for_each = local.functions

  name              = "/aws/lambda/${var.name}-${each.key}"
  retention_in_days = var.log_days
}

data "aws_iam_policy_document" "lambda" {
  statement {
    effect  = "Allow"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "role" {
  for_each = local.functions

  name_prefix        = "${var.name}-${each.key}-"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

data "aws_iam_policy_document" "own" {
  for_each = local.functions

  statement {
    effect    = "Allow"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.log_group[each.key].arn}:*"]
  }

  statement {
    effect    = "Allow"
    actions   = each.value.queue
    resources = [aws_sqs_queue.queue.arn]
  }
}

resource "aws_iam_role_policy" "own" {
  for_each = local.functions

  name   = "own"
  role   = aws_iam_role.role[each.key].name
  policy = data.aws_iam_policy_document.own[each.key].json
}

resource "aws_iam_role_policy_attachment" "table" {
  for_each = local.functions

  role       = aws_iam_role.role[each.key].name
  policy_arn = aws_iam_policy.table_policy.arn
}

resource "aws_iam_role_policy_attachment" "connections" {
  for_each = local.functions

  role       = aws_iam_role.role[each.key].name
  policy_arn = aws_iam_policy.connections_policy.arn
}
