resource "aws_apigatewayv2_api" "ws" {
  name                       = "chat"
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"
}
resource "aws_apigatewayv2_stage" "live" {
  api_id = aws_apigatewayv2_api.ws.id
  name   = "live"
}
data "archive_file" "code" {
  type        = "zip"
  source_dir  = "src"
  output_path = "code.zip"
}
resource "aws_lambda_function" "f" {
  function_name = "f"
  filename      = data.archive_file.code.output_path
  handler       = "index.handler"
  runtime       = "nodejs22.x"
  environment {
    variables = {
      QUEUE  = aws_sqs_queue.jobs.url
      TOPIC  = aws_sns_topic.news.arn
      STREAM = aws_dynamodb_table.t.stream_arn
      WEB    = "${aws_apigatewayv2_api.web.api_endpoint}/x"
      REST   = "${aws_api_gateway_stage.rest.invoke_url}/x"
      POOL   = aws_cognito_user_pool.people.arn
    }
  }
}
resource "aws_cognito_user_pool" "people" { name = "people" }
resource "aws_apigatewayv2_integration" "i" {
  api_id           = aws_apigatewayv2_api.ws.id
  integration_type = "AWS_PROXY"
  integration_uri  = aws_lambda_function.f.invoke_arn
  credentials_arn  = "arn:aws:iam::000000000000:role/x"
}
resource "aws_apigatewayv2_route" "c" {
  api_id    = aws_apigatewayv2_api.ws.id
  route_key = "$connect"
  target    = "integrations/${aws_apigatewayv2_integration.i.id}"
}
resource "aws_sqs_queue" "jobs" {
  name                       = "jobs"
  visibility_timeout_seconds = 60
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 3 })
}
resource "aws_sqs_queue" "dead" { name = "jobs-dead" }
resource "aws_lambda_event_source_mapping" "q" {
  event_source_arn        = aws_sqs_queue.jobs.arn
  function_name           = aws_lambda_function.f.arn
  batch_size              = 5
  function_response_types = ["ReportBatchItemFailures"]
  filter_criteria {
    filter { pattern = jsonencode({ body = { kind = ["a"] } }) }
  }
}
resource "aws_dynamodb_table" "t" {
  name             = "t"
  hash_key         = "id"
  billing_mode     = "PAY_PER_REQUEST"
  stream_enabled   = true
  stream_view_type = "NEW_IMAGE"
  attribute {
    name = "id"
    type = "S"
  }
}
resource "aws_lambda_event_source_mapping" "s" {
  event_source_arn  = aws_dynamodb_table.t.stream_arn
  function_name     = aws_lambda_function.f.function_name
  starting_position = "LATEST"
}
resource "aws_sns_topic" "news" { name = "news" }
resource "aws_sns_topic_subscription" "q" {
  topic_arn            = aws_sns_topic.news.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.jobs.arn
  raw_message_delivery = true
  filter_policy        = jsonencode({ kind = ["a"] })
}
resource "aws_sns_topic_subscription" "f" {
  topic_arn = aws_sns_topic.news.arn
  protocol  = "lambda"
  endpoint  = aws_lambda_function.f.arn
}
resource "aws_cloudwatch_event_rule" "often" { schedule_expression = "rate(5 minutes)" }
resource "aws_cloudwatch_event_target" "often" {
  rule  = aws_cloudwatch_event_rule.often.name
  arn   = aws_lambda_function.f.arn
  input = jsonencode({ a = 1 })
}
resource "aws_scheduler_schedule" "nightly" {
  name                         = "nightly"
  schedule_expression          = "cron(0 3 * * ? *)"
  schedule_expression_timezone = "Europe/Berlin"
  flexible_time_window { mode = "OFF" }
  target {
    arn      = aws_lambda_function.f.arn
    role_arn = "arn:aws:iam::000000000000:role/x"
  }
}
resource "aws_lambda_function_url" "u" {
  function_name      = aws_lambda_function.f.function_name
  authorization_type = "NONE"
  cors { allow_origins = ["*"] }
}
resource "aws_apigatewayv2_api" "web" {
  name          = "web"
  protocol_type = "HTTP"
}
resource "aws_apigatewayv2_stage" "web" {
  api_id      = aws_apigatewayv2_api.web.id
  name        = "$default"
  auto_deploy = true
}
resource "aws_apigatewayv2_integration" "web" {
  api_id                 = aws_apigatewayv2_api.web.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.f.invoke_arn
  payload_format_version = "2.0"
}
resource "aws_apigatewayv2_route" "web" {
  api_id    = aws_apigatewayv2_api.web.id
  route_key = "GET /items/{id}"
  target    = "integrations/${aws_apigatewayv2_integration.web.id}"
}
resource "aws_api_gateway_rest_api" "rest" { name = "rest" }
resource "aws_api_gateway_resource" "r" {
  rest_api_id = aws_api_gateway_rest_api.rest.id
  parent_id   = aws_api_gateway_rest_api.rest.root_resource_id
  path_part   = "things"
}
resource "aws_api_gateway_method" "r" {
  rest_api_id   = aws_api_gateway_rest_api.rest.id
  resource_id   = aws_api_gateway_resource.r.id
  http_method   = "POST"
  authorization = "NONE"
}
resource "aws_api_gateway_integration" "r" {
  rest_api_id             = aws_api_gateway_rest_api.rest.id
  resource_id             = aws_api_gateway_resource.r.id
  http_method             = aws_api_gateway_method.r.http_method
  integration_http_method = "POST"
  type                    = "AWS_PROXY"
  uri                     = aws_lambda_function.f.invoke_arn
}
resource "aws_api_gateway_deployment" "d" { rest_api_id = aws_api_gateway_rest_api.rest.id }
resource "aws_api_gateway_stage" "rest" {
  rest_api_id   = aws_api_gateway_rest_api.rest.id
  deployment_id = aws_api_gateway_deployment.d.id
  stage_name    = "prod"
}
resource "aws_lambda_function" "g" {
  function_name = "g"
  filename      = data.archive_file.code.output_path
  handler       = "index.handler"
  runtime       = "nodejs22.x"
  environment {
    variables = { URL = aws_lambda_function_url.u.function_url }
  }
}
