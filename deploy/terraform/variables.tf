variable "name" {
  description = "Name of the API, and the beginning of the names of functions and queues; what the stack's name is in CloudFormation"
  type        = string
  default     = "wirepost"
}

variable "package" {
  description = "Path of the zip that 'wirepost package' makes; null is function.zip in this folder"
  type        = string
  default     = null
}

variable "table_name" {
  description = "Name of the table, as in dynamodb://TABLE?region=REGION"
  type        = string
  default     = "connections"
}

variable "stage_name" {
  description = "Name of the API's stage, the first segment of its paths"
  type        = string
  default     = "live"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.stage_name))
    error_message = "The name of a stage has letters, digits, hyphens and underscores."
  }
}

variable "architecture" {
  description = "What function.zip was built for; wirepost package --arch amd64 is x86_64"
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "The architecture is arm64 or x86_64."
  }
}

variable "memory_size" {
  description = "Memory of each function in MB; a large fan-out is faster with more"
  type        = number
  default     = 256

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240
    error_message = "A function has 128 to 10240 MB."
  }
}

variable "throttle_rate" {
  description = "Connects and messages a second that each route takes; never 0, which refuses every client"
  type        = number
  default     = 1000

  validation {
    condition     = var.throttle_rate >= 1
    error_message = "A rate of 0 refuses every client with 429."
  }
}

variable "throttle_burst" {
  description = "How many of them may come at once; never 0"
  type        = number
  default     = 500

  validation {
    condition     = var.throttle_burst >= 1
    error_message = "A burst of 0 refuses every client with 429."
  }
}

variable "queue_concurrency" {
  description = "How many publishes of the queue run at the same time"
  type        = number
  default     = 5

  validation {
    condition     = var.queue_concurrency >= 2 && var.queue_concurrency <= 1000
    error_message = "AWS Lambda takes 2 to 1000."
  }
}

variable "allow_origin" {
  description = "Origins whose pages may connect, with commas between them, such as https://example.com; empty is all, with a token"
  type        = string
  default     = ""
}

variable "jwt_jwks_url" {
  description = "The https URL of the key set that tokens are verified with; or give jwt_key"
  type        = string
  default     = ""
}

variable "jwt_key" {
  description = "The one key of tokens: a PEM block with a public key, or hmac: and a base64 secret of at least 32 bytes"
  type        = string
  default     = ""
  sensitive   = true
}

variable "jwt_issuer" {
  description = "What a token's iss must be"
  type        = string
  default     = ""
}

variable "jwt_audience" {
  description = "What a token's aud must be, or have among others"
  type        = string
  default     = ""
}

variable "jwt_claim" {
  description = "The claim that says what a connection may do; empty is wirepost"
  type        = string
  default     = ""
}

variable "keep" {
  description = "For how long messages to topics are kept, such as lobby=24h,orders/*=10m; empty keeps what a publish says"
  type        = string
  default     = ""
}

variable "log_level" {
  description = "What the functions log"
  type        = string
  default     = "info"

  validation {
    condition     = contains(["debug", "info", "warn", "error"], var.log_level)
    error_message = "The level is debug, info, warn or error."
  }
}

variable "log_days" {
  description = "Days that the functions' logs are kept"
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653], var.log_days)
    error_message = "CloudWatch Logs keeps logs for certain numbers of days only, such as 30."
  }
}

variable "access_log_arn" {
  description = "ARN of a log group for the API's access log; needs a CloudWatch role in the account's API Gateway settings"
  type        = string
  default     = ""
}

variable "alarm_topic_arn" {
  description = "ARN of an SNS topic that is told of alarms"
  type        = string
  default     = ""
}
