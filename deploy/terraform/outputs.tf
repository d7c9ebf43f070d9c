locals {
  host = "${aws_apigatewayv2_api.api.id}.execute-api.${data.aws_region.current.id}.${data.aws_partition.current.dns_suffix}"
}

output "connect_url" {
  description = "Where clients connect"
  value       = "wss://${local.host}/${var.stage_name}"
}

output "endpoint" {
  description = "The management endpoint, which functions learn by themselves"
  value       = "https://${local.host}/${var.stage_name}"
}

output "api_id" {
  description = "ID of the WebSocket API"
  value       = aws_apigatewayv2_api.api.id
}

output "publish_function" {
  description = "Name of the function that publishes what it is invoked with"
  value       = aws_lambda_function.function["publish"].function_name
}

output "queue_url" {
  description = "Where messages go that are to be published by and by"
  value       = aws_sqs_queue.queue.url
}

output "queue_arn" {
  description = "ARN of that queue"
  value       = aws_sqs_queue.queue.arn
}

output "dead_letter_queue_url" {
  description = "Where messages are that failed five times"
  value       = aws_sqs_queue.dead_letter_queue.url
}

output "table_name" {
  description = "Name of the table"
  value       = aws_dynamodb_table.table.name
}

output "table_arn" {
  description = "ARN of the table"
  value       = aws_dynamodb_table.table.arn
}

output "store" {
  description = "WIREPOST_STORE of functions"
  value       = local.store
}

output "table_policy" {
  description = "ARN of the policy for functions that use the table"
  value       = aws_iam_policy.table_policy.arn
}

output "connections_policy" {
  description = "ARN of the policy for functions that publish"
  value       = aws_iam_policy.connections_policy.arn
}
