package app

import "time"

// Queue is an SQS queue as the template would create it.
type Queue struct {
	// LogicalID is what the template calls the queue, and unique in it. Name is the
	// name that it has on AWS; that of a FIFO queue ends with .fifo.
	LogicalID, Name string

	// Attributes are those of CreateQueue, such as VisibilityTimeout and RedrivePolicy,
	// as text. An ARN in them is of the template's own queues.
	Attributes map[string]string

	// Unrunnable says why the queue cannot be created; nil if it can.
	Unrunnable *Unrunnable

	Position Position
}

// Topic is an SNS topic as the template would create it.
type Topic struct {
	LogicalID, Name string
	Attributes      map[string]string // those of CreateTopic, as text
	Subscriptions   []Subscription

	// Unrunnable says why the topic cannot be created; nil if it can.
	Unrunnable *Unrunnable

	Position Position
}

// Subscription is what gets the messages of a topic: a queue or a function of the
// template.
type Subscription struct {
	Queue, Function string // the logical ID of one of them

	// Attributes are those of Subscribe, such as FilterPolicy and RawMessageDelivery.
	Attributes map[string]string

	Position Position
}

// Source is what invokes a function and is no API: a queue, a stream, a schedule.
type Source struct {
	// Name says which source it is, for people: the logical ID of its event source
	// mapping, rule or event.
	Name string

	Kind     SourceKind
	Function string // logical ID
	Disabled bool

	// From is the logical ID of the Queue, Topic or Table. It is empty if the source is
	// not of the template; ARN is there then if it is known.
	From, ARN string

	Batch    Batch    // of SQS and DynamoDBStream
	Schedule Schedule // of Scheduled

	// Pattern is the event pattern of EventBridge, as JSON.
	Pattern string

	// Unrunnable says why the source does not work here; nil if it does.
	Unrunnable *Unrunnable

	Position Position
}

// SourceKind is what kind of source it is.
type SourceKind string

// The kinds of sources. Those from SNSTopic on are invoked by people here, as with
// 'wirepost invoke', but for a topic whose engine runs.
const (
	SQSQueue       SourceKind = "SQS queue"
	DynamoDBStream SourceKind = "DynamoDB stream"
	Scheduled      SourceKind = "schedule"
	SNSTopic       SourceKind = "SNS topic"
	EventBridge    SourceKind = "EventBridge rule"
	OtherSource    SourceKind = "other source"
)

// Batch says how records are given to a function. Zero values mean AWS's defaults.
// (AWS docs, Lambda API reference: CreateEventSourceMapping.)
type Batch struct {
	Size    int
	Window  time.Duration
	Filters []string // patterns of FilterCriteria, JSON each; a record that fits one is given

	// Partial says that the function reports which records have failed:
	// ReportBatchItemFailures.
	Partial bool

	MaxConcurrency int // of a queue

	// Of a stream. Retries and MaxAge are nil for as often and as long as the stream has
	// the record.
	StartAt     string // LATEST, TRIM_HORIZON or AT_TIMESTAMP
	Retries     *int
	MaxAge      *time.Duration
	Bisect      bool
	Parallel    int    // batches of one shard at a time
	OnFailure   string // ARN of what gets word of records that are given up, or empty
	TumbleAfter time.Duration
}

// Schedule says when a function is invoked.
type Schedule struct {
	Expressions []string // rate(), cron() or at(), as AWS has them
	TimeZone    string   // as in the IANA database; empty means UTC
	Scheduler   bool     // of EventBridge Scheduler, whose default event is another one

	// Input is the event; empty means AWS's own.
	Input string
}
