locals {
  # Routes whose events go to the function.
  routes = {
    connect     = "$connect"
    disconnect  = "$disconnect"
    subscribe   = "subscribe"
    unsubscribe = "unsubscribe"
    send        = "send"
    default     = "$default"
  }

  # The client's frames. The function's answer to each goes back to the client, for
  # which a route needs a route response.
  two_way = toset(["subscribe", "unsubscribe", "send", "default"])

  stage_arn = "${aws_apigatewayv2_api.api.execution_arn}/${var.stage_name}"
}

resource "aws_apigatewayv2_api" "api" {
  name                       = var.name
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"

  # The function refuses to start without: nobody could connect.
  lifecycle {
    precondition {
      condition     = var.jwt_jwks_url != "" || var.jwt_key != ""
      error_message = "Tokens need jwt_jwks_url or jwt_key"
    }

    precondition {
      condition     = var.jwt_jwks_url == "" || var.jwt_key == ""
      error_message = "Tokens need jwt_jwks_url or jwt_key, not both"
    }

    precondition {
      condition     = var.jwt_issuer != "" && var.jwt_audience != ""
      error_message = "Tokens need jwt_issuer and jwt_audience"
    }
  }
}

# It is deployed again whenever a route changes. Both limits are always there: a
# stage with route settings but without them refuses every client with 429.
resource "aws_apigatewayv2_stage" "stage" {
  api_id      = aws_apigatewayv2_api.api.id
  name        = var.stage_name
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit  = var.throttle_rate
    throttling_burst_limit = var.throttle_burst
  }

  dynamic "access_log_settings" {
    for_each = var.access_log_arn == "" ? [] : [var.access_log_arn]

    content {
      destination_arn = access_log_settings.value
      format = jsonencode({
        requestId        = "$context.requestId"
        time             = "$context.requestTime"
        event            = "$context.eventType"
        route            = "$context.routeKey"
        connectionId     = "$context.connectionId"
        status           = "$context.status"
        error            = "$context.error.message"
        integrationError = "$context.integrationErrorMessage"
      })
    }
  }

  depends_on = [
    aws_apigatewayv2_route.route,
    aws_apigatewayv2_route.ping_route,
    aws_apigatewayv2_route_response.route_response,
    aws_apigatewayv2_integration_response.ping_integration_response,
    aws_apigatewayv2_route_response.ping_route_response,
  ]
}

resource "aws_apigatewayv2_integration" "websocket_integration" {
  api_id             = aws_apigatewayv2_api.api.id
  integration_type   = "AWS_PROXY"
  integration_method = "POST"
  integration_uri    = aws_lambda_function.function["websocket"].invoke_arn
}

resource "aws_apigatewayv2_route" "route" {
  for_each = local.routes

  api_id                              = aws_apigatewayv2_api.api.id
  route_key                           = each.value
  route_response_selection_expression = contains(local.two_way, each.key) ? "$default" : null
  target                              = "integrations/${aws_apigatewayv2_integration.websocket_integration.id}"
}

resource "aws_apigatewayv2_route_response" "route_response" {
  for_each = local.two_way

  api_id             = aws_apigatewayv2_api.api.id
  route_id           = aws_apigatewayv2_route.route[each.key].id
  route_response_key = "$default"
}

# One for each route that invokes a function, on this stage alone.
resource "aws_lambda_permission" "permission" {
  for_each = local.routes

  function_name = aws_lambda_function.function["websocket"].function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${local.stage_arn}/${each.value}"
}

# A client's ping keeps its connection from being idle. API Gateway answers it by
# itself: two-way, and no function is invoked.
resource "aws_apigatewayv2_route" "ping_route" {
  api_id                              = aws_apigatewayv2_api.api.id
  route_key                           = "ping"
  route_response_selection_expression = "$default"
  target                              = "integrations/${aws_apigatewayv2_integration.ping_integration.id}"
}

resource "aws_apigatewayv2_integration" "ping_integration" {
  api_id                        = aws_apigatewayv2_api.api.id
  integration_type              = "MOCK"
  template_selection_expression = "\\$default"
  request_templates             = { "$default" = jsonencode({ statusCode = 200 }) }
}

resource "aws_apigatewayv2_integration_response" "ping_integration_response" {
  api_id                        = aws_apigatewayv2_api.api.id
  integration_id                = aws_apigatewayv2_integration.ping_integration.id
  integration_response_key      = "$default"
  template_selection_expression = "\\$default"
  response_templates            = { "$default" = jsonencode({ type = "pong" }) }
}

resource "aws_apigatewayv2_route_response" "ping_route_response" {
  api_id             = aws_apigatewayv2_api.api.id
  route_id           = aws_apigatewayv2_route.ping_route.id
  route_response_key = "$default"
}

# Posting to, asking about and closing the connections of this API's stage: POST,
# GET and DELETE are the methods that there are. A function of yours that publishes
# needs this policy and the table's.
data "aws_iam_policy_document" "connections" {
  statement {
    effect    = "Allow"
    actions   = ["execute-api:ManageConnections"]
    resources = ["${local.stage_arn}/*/@connections/*"]
  }
}

resource "aws_iam_policy" "connections_policy" {
  name_prefix = "${var.name}-connections-"
  description = "Use of the connections of a WebSocket API by functions"
  policy      = data.aws_iam_policy_document.connections.json
}
