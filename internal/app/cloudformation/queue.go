package cloudformation

import (
	"encoding/json"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// byName reads something in which queues and topics are those of the template, by
// their names, whether an engine runs them or not.
func (r *reader) byName(read func()) {
	before := r.engines
	r.engines = true
	read()
	r.engines = before
}

// engineName is the name of a queue or a topic: as it is written, or the logical ID.
// That of a FIFO one ends with .fifo, as AWS asks for. (AWS docs, CloudFormation
// template reference: AWS::SQS::Queue and AWS::SNS::Topic.)
func (t *template) engineName(x *resource, pos app.Position) *value {
	property, fifo := "QueueName", "FifoQueue"
	if x.typ == "AWS::SNS::Topic" {
		property, fifo = "TopicName", "FifoTopic"
	}
	if v := x.props.Get(property); !v.Empty() {
		if !t.enter(x.id, pos) {
			return document.NewUnknown(pos, document.Clip(x.id)+" refers to itself")
		}
		name := t.final(v)
		t.leave()
		if name.Kind != document.Absent && name.Kind != document.Null {
			if name.Kind != document.Scalar {
				return document.OrUnknown(name, pos, "the name of "+document.Clip(x.id)+" is not a string")
			}
			return document.NewText(pos, name.Text)
		}
	}
	name := x.id
	if t.eval(x.props.Get(fifo)).Text == "true" {
		name += ".fifo"
	}
	return document.NewText(pos, name)
}

// enginePhysical is Ref of a queue or a topic that an engine runs: the queue's URL, or
// the topic's ARN.
func (t *template) enginePhysical(x *resource, pos app.Position) *value {
	name := t.engineName(x, pos)
	switch {
	case name.Kind != document.Scalar:
		return name
	case x.typ == "AWS::SNS::Topic":
		return document.NewText(pos, t.arn("sns", name.Text))
	case t.queueURL != nil:
		return document.NewText(pos, t.queueURL(name.Text))
	}
	return document.NewText(pos, "https://sqs."+t.options.Region+"."+t.urlSuffix()+"/"+t.options.Account+"/"+name.Text)
}

// isEngines reports whether a type is of what an engine runs.
func isEngines(typ string) bool { return typ == "AWS::SQS::Queue" || typ == "AWS::SNS::Topic" }

// namedEngine is the name of a queue or a topic, or its logical ID with a note. It is
// false for one that a value is given for: that one is elsewhere.
func (r *reader) namedEngine(x *resource, what string) (name string, here bool) {
	if _, given := r.given(x.id); given {
		r.Note(x.pos, app.Info, "%s is the one whose value is given, and is not made here", what)
		return "", false
	}
	v := r.engineName(x, x.pos)
	if v.Kind == document.Scalar {
		return v.Text, true
	}
	r.Note(x.pos, app.Warning, "the name of %s is not known here and is its logical ID: %s", what, v.Text)
	return x.id, true
}

// queueAttributes are the properties of a queue that are attributes of CreateQueue, in
// the order of AWS's page.
var queueAttributes = []string{
	"ContentBasedDeduplication", "DeduplicationScope", "DelaySeconds", "FifoQueue", "FifoThroughputLimit", "MaximumMessageSize",
	"MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "RedriveAllowPolicy", "RedrivePolicy", "VisibilityTimeout",
}

// topicAttributes are those of CreateTopic.
var topicAttributes = []string{"ContentBasedDeduplication", "FifoTopic"}

// queues are those of the template. The dead-letter queue of another is before it, so
// that it is there when that one is made.
func (r *reader) queues() (out []app.Queue) {
	for _, x := range r.each("AWS::SQS::Queue") {
		what := "queue " + document.Clip(x.id)
		name, here := r.namedEngine(x, what)
		if !here {
			continue
		}
		q := app.Queue{LogicalID: x.id, Name: name, Position: x.pos, Attributes: r.engineAttributes(x, queueAttributes, what)}
		switch fifo, ending := q.Attributes["FifoQueue"] == "true", strings.HasSuffix(name, ".fifo"); {
		case fifo && !ending:
			r.noEngine(&q.Unrunnable, what, "it is a FIFO queue, and its name "+document.Clip(name)+" does not end with .fifo, which AWS refuses", x.pos)
		case ending && !fifo:
			r.noEngine(&q.Unrunnable, what, "its name ends with .fifo, but FifoQueue is not true, which AWS refuses", x.pos)
		case q.Attributes["FifoQueue"] == "false":
			delete(q.Attributes, "FifoQueue") // AWS's API takes nothing but true
		}
		out = append(out, q)
	}
	return deadLettersFirst(out)
}

// deadLettersFirst puts each queue behind the one that gets its dead letters, and else
// keeps the order.
func deadLettersFirst(queues []app.Queue) []app.Queue {
	out := make([]app.Queue, 0, len(queues))
	done := make([]bool, len(queues))
	var put func(i int)
	put = func(i int) {
		if done[i] {
			return
		}
		done[i] = true
		if policy := queues[i].Attributes["RedrivePolicy"]; policy != "" {
			for j := range queues {
				if strings.Contains(policy, ":"+queues[j].Name+"\"") {
					put(j)
				}
			}
		}
		out = append(out, queues[i])
	}
	for i := range queues {
		put(i)
	}
	return out
}

// noEngine keeps why a queue or a topic cannot be created.
func (r *reader) noEngine(at **app.Unrunnable, what, why string, pos app.Position) {
	*at = &app.Unrunnable{What: what, Why: why, Position: pos}
	r.Add((*at).Note(true))
}

// engineAttributes are properties as the text that the API of the engine takes.
func (r *reader) engineAttributes(x *resource, names []string, what string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		v := r.final(x.props.Get(name))
		switch v.Kind {
		case document.Null, document.Absent:
		case document.Unknown:
			r.Note(r.whereOr(x.props.Get(name), x.pos), app.Warning, "%s of %s is left out: %s", name, what, v.Text)
		case document.Scalar:
			out[name] = v.Text
		default:
			out[name] = v.JSON()
		}
	}
	r.redrive(out, x, what)
	return out
}

// redrive puts the ARN that the dead-letter queue has here into a redrive policy. One
// that leads to a queue of another stack is left out: no engine has that queue.
func (r *reader) redrive(attributes map[string]string, x *resource, what string) {
	var policy map[string]any
	text, there := attributes["RedrivePolicy"]
	if !there {
		return
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		r.Note(r.whereOr(x.props.Get("RedrivePolicy"), x.pos), app.Warning, "RedrivePolicy of %s is not JSON and is left out", what)
		delete(attributes, "RedrivePolicy")
		return
	}
	arn, _ := policy["deadLetterTargetArn"].(string)
	id := r.queueOfARN(arn)
	if id == "" {
		r.Note(r.whereOr(x.props.Get("RedrivePolicy"), x.pos), app.Warning, "RedrivePolicy of %s is left out: queue %s is not in the template", what, document.Clip(arn))
		delete(attributes, "RedrivePolicy")
		return
	}
	if own := r.engineName(r.resources[id], x.pos); own.Kind == document.Scalar {
		policy["deadLetterTargetArn"] = r.arn("sqs", own.Text)
	}
	if b, err := json.Marshal(policy); err == nil {
		attributes["RedrivePolicy"] = string(b)
	}
}

// queueOfARN is the logical ID of the template's queue that an ARN or a URL means, or
// empty. Region and account are not compared, for they may be those of a stack on AWS.
func (r *reader) queueOfARN(arn string) string {
	return r.ofName(arn, "AWS::SQS::Queue", arn[strings.LastIndexAny(arn, ":/")+1:])
}

func (r *reader) topicOfARN(arn string) string {
	return r.ofName(arn, "AWS::SNS::Topic", arn[strings.LastIndexByte(arn, ':')+1:])
}

// ofName is the resource of a type that has a name here, or empty. One that a value is
// given for is elsewhere.
func (r *reader) ofName(arn, typ, name string) string {
	for _, x := range r.each(typ) {
		if _, given := r.given(x.id); given {
			continue
		}
		if own := r.engineName(x, x.pos); name != "" && (own.Kind == document.Scalar && own.Text == name || own.Kind != document.Scalar && x.id == name) {
			return x.id
		}
	}
	return ""
}
