locals {
  alarms = {
    websocket_errors = {
      description = "Clients cannot connect, or their messages are lost"
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      statistic   = "Sum"
      threshold   = 0
      dimensions  = { FunctionName = aws_lambda_function.function["websocket"].function_name }
    }
    publish_errors = {
      description = "Publishes fail, or what they were invoked with is wrong"
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      statistic   = "Sum"
      threshold   = 0
      dimensions  = { FunctionName = aws_lambda_function.function["publish"].function_name }
    }
    queue_errors = {
      description = "The function of the queue fails as a whole"
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      statistic   = "Sum"
      threshold   = 0
      dimensions  = { FunctionName = aws_lambda_function.function["queue"].function_name }
    }
    websocket_throttles = {
      description = "The account's Lambda concurrency is used up, and clients are refused"
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      statistic   = "Sum"
      threshold   = 0
      dimensions  = { FunctionName = aws_lambda_function.function["websocket"].function_name }
    }
    integration_errors = {
      description = "The API gets no usable answer from the function"
      namespace   = "AWS/ApiGateway"
      metric      = "IntegrationError"
      statistic   = "Sum"
      threshold   = 0
      dimensions  = { ApiId = aws_apigatewayv2_api.api.id, Stage = var.stage_name }
    }
    dead_letters = {
      description = "A publish has failed five times and waits in the dead-letter queue"
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      statistic   = "Maximum"
      threshold   = 0
      dimensions  = { QueueName = aws_sqs_queue.dead_letter_queue.name }
    }
    queue_age = {
      description = "Publishes wait in the queue for more than five minutes"
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      statistic   = "Maximum"
      threshold   = 300
      dimensions  = { QueueName = aws_sqs_queue.queue.name }
    }
    table_reads = {
      description = "DynamoDB throttles reads of the table"
      namespace   = "AWS/DynamoDB"
      metric      = "ReadThrottleEvents"
      statistic   = "Sum"
      threshold   = 0
      dimensions  = { TableName = aws_dynamodb_table.table.name }
    }
    table_writes = {
      description = "DynamoDB throttles writes to the table"
      namespace   = "AWS/DynamoDB"
      metric      = "WriteThrottleEvents"
      statistic   = "Sum"
      threshold   = 0
      dimensions  = { TableName = aws_dynamodb_table.table.name }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${replace(each.key, "_", "-")}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 300
  evaluation_periods  = 1
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arn == "" ? null : [var.alarm_topic_arn]
}
