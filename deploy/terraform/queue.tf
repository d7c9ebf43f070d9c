# Publishes that take long: each message is one, and so is what is left of one that
# ran out of time. After five failures a message is in the dead-letter queue.
resource "aws_sqs_queue" "queue" {
  name = "${var.name}-publish"
  # Six times the function's timeout, as AWS advises.
  visibility_timeout_seconds = 360
  sqs_managed_sse_enabled    = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter_queue.arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue" "dead_letter_queue" {
  name                      = "${var.name}-publish-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_lambda_event_source_mapping" "queue_source" {
  function_name           = aws_lambda_function.function["queue"].function_name
  event_source_arn        = aws_sqs_queue.queue.arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.queue_concurrency
  }

  # A mapping is refused while the function's role may not read the queue.
  depends_on = [aws_iam_role_policy.own]
}
