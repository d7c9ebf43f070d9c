package cloudformation

import (
	"cmp"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// topics are those of the template with their subscriptions. A function that gets the
// messages of a topic has a Source too.
func (r *reader) topics() []app.Topic {
	var out []app.Topic
	at := map[string]int{}
	for _, x := range r.each("AWS::SNS::Topic") {
		what := "topic " + document.Clip(x.id)
		name, here := r.namedEngine(x, what)
		if !here {
			continue
		}
		topic := app.Topic{LogicalID: x.id, Name: name, Position: x.pos, Attributes: r.engineAttributes(x, topicAttributes, what)}
		switch fifo, ending := topic.Attributes["FifoTopic"] == "true", strings.HasSuffix(name, ".fifo"); {
		case fifo && !ending:
			r.noEngine(&topic.Unrunnable, what, "it is a FIFO topic, and its name "+document.Clip(name)+" does not end with .fifo, which AWS refuses", x.pos)
		case ending && !fifo:
			r.noEngine(&topic.Unrunnable, what, "its name ends with .fifo, but FifoTopic is not true, which AWS refuses", x.pos)
		}
		at[x.id] = len(out)
		out = append(out, topic)
	}
	add := func(s subscription) {
		got, ok := r.subscribe(s)
		if i, here := at[s.topic]; ok && here {
			out[i].Subscriptions = append(out[i].Subscriptions, got)
		}
	}
	for _, x := range r.each("AWS::SNS::Topic") {
		for i, item := range r.items(x.props.Get("Subscription"), "Subscription of topic "+document.Clip(x.id)) {
			pos := r.itemPos(x.props.Get("Subscription"), i, x.pos)
			add(subscription{name: x.id, topic: x.id, props: item, what: "a subscription of topic " + document.Clip(x.id), pos: pos})
		}
	}
	for _, x := range r.each("AWS::SNS::Subscription") {
		s := subscription{name: x.id, props: x.props, what: "subscription " + document.Clip(x.id), pos: x.pos}
		arn, why := r.must(x.props.Get("TopicArn"), "TopicArn")
		if why != "" {
			s.why = why
		} else if s.topic = r.topicOfARN(arn); s.topic == "" {
			s.arn = arn
		}
		add(s)
	}
	return out
}

// itemPos is the place of an item of a list that is written as one.
func (r *reader) itemPos(list *value, i int, otherwise app.Position) app.Position {
	if list != nil && list.Kind == document.List && i < len(list.Items) {
		return r.whereOr(list.Items[i], otherwise)
	}
	return r.whereOr(list, otherwise)
}

// A subscription is one as the template has it.
type subscription struct {
	name       string // logical ID
	topic, arn string // logical ID of the topic, or the ARN of one that is elsewhere
	props      *value
	what, why  string
	pos        app.Position
}

// subscriptionAttributes are the properties of a subscription that are attributes of
// Subscribe.
var subscriptionAttributes = []string{"DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy", "SubscriptionRoleArn"}

// subscribe reads a subscription. It is false if it is not one of a topic that is run
// here, to a queue or a function of the template; what is left out is said.
func (r *reader) subscribe(s subscription) (out app.Subscription, ok bool) {
	protocol := r.text(s.props.Get("Protocol"), "Protocol of "+s.what)
	endpoint, why := r.must(s.props.Get("Endpoint"), "Endpoint")
	out.Position = s.pos
	switch protocol {
	case "lambda":
		return out, r.subscribeFunction(s, &out, endpoint, cmp.Or(s.why, why))
	case "sqs":
		why = cmp.Or(s.why, why)
		if out.Queue = r.queueOfARN(endpoint); why == "" && out.Queue == "" {
			why = "queue " + document.Clip(endpoint) + " is not in the template"
		}
		if why == "" && s.topic == "" {
			why = "topic " + document.Clip(s.arn) + " is not in the template"
		}
	default:
		why = "its protocol is " + document.Clip(protocol) + ", and only sqs and lambda are supported here"
	}
	if why != "" {
		part := &app.Unrunnable{What: s.what, Why: why, Position: s.pos}
		r.Add(part.Note(true))
		return out, false
	}
	out.Attributes = r.engineAttributes(&resource{id: s.name, props: s.props, pos: s.pos}, subscriptionAttributes, s.what)
	return out, true
}

// subscribeFunction reads a subscription of a function, which is a source of its own.
func (r *reader) subscribeFunction(s subscription, out *app.Subscription, endpoint, why string) bool {
	if why == "" {
		out.Function, why = r.functionOf(endpoint)
	}
	source := app.Source{Name: s.name, Kind: app.SNSTopic, Function: out.Function, From: s.topic, ARN: s.arn, Position: s.pos}
	if s.topic != "" {
		source.ARN = r.arn("sns", r.engineName(r.resources[s.topic], s.pos).Text)
	} else if why == "" {
		why = "topic " + document.Clip(s.arn) + " is not in the template"
	}
	r.source(source, why)
	if why != "" || s.topic == "" {
		return false
	}
	out.Attributes = r.engineAttributes(&resource{id: s.name, props: s.props, pos: s.pos}, subscriptionAttributes, s.what)
	return true
}
