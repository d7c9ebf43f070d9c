package terraform

import (
	"errors"
	"regexp"
	"strings"
	"sync"

	"github.com/wirepost/wirepost/internal/app"
)

// What the reader of CloudFormation says has its types and its properties, which a
// configuration of Terraform calls otherwise.

// words are Terraform's words for CloudFormation's: types, and properties with more
// than one capital, which no name has by chance.
var words = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for typ, k := range kinds() {
		all[k.typ] = typ
		for argument, property := range k.properties {
			argument = argument[strings.LastIndexByte(argument, '.')+1:]
			property = property[strings.LastIndexByte(property, '.')+1:]
			if strings.ToLower(property[1:]) == property[1:] || property == "-" || property == "*" {
				continue
			}
			if before, twice := all[property]; !twice || argument < before {
				all[property] = argument
			}
		}
	}
	for property, argument := range map[string]string{
		"AttributeDefinitions": "its attribute blocks", "KeySchema": "hash_key", "RedrivePolicy": "redrive_policy", "FilterPolicy": "filter_policy",
		"RequestParameters": "request_parameters", "StageName": "name", "TopicName": "name", "QueueName": "name", "TableName": "name", "FunctionName": "function_name", "TargetFunctionArn": "function_name",
		"AttributeName": "attribute_name", "AttributeType": "type", "StreamSpecification": "stream_enabled", "EventPattern": "event_pattern",
	} {
		all[property] = argument
	}
	return all
})

var word = regexp.MustCompile(`[A-Za-z]+(::[A-Za-z0-9]+)*`)

// inWords is a message in Terraform's words.
func inWords(text string) string {
	text = strings.NewReplacer("has no Target", "has no target", "in the template", "in the configuration", "of the template", "of the configuration").Replace(text)
	return word.ReplaceAllStringFunc(text, func(w string) string {
		if own, ok := words()[w]; ok {
			return own
		}
		return w
	})
}

// Notes are notes about a configuration in Terraform's words. They are changed in place.
func Notes(notes []app.Note) []app.Note {
	for i := range notes {
		notes[i].Text = inWords(notes[i].Text)
	}
	return notes
}

// Error is an error about a configuration in Terraform's words.
func Error(err error) error {
	if e := (*app.Error)(nil); errors.As(err, &e) {
		return &app.Error{Position: e.Position, Text: inWords(e.Text)}
	}
	return err
}

// App is an app whose reasons are in Terraform's words. It is changed in place.
func App(a *app.App) *app.App {
	say := func(u *app.Unrunnable) {
		if u != nil {
			u.Why = inWords(u.Why)
		}
	}
	for i := range a.APIs {
		for j := range a.APIs[i].Routes {
			say(a.APIs[i].Routes[j].Unrunnable)
		}
		for j := range a.APIs[i].Authorizers {
			say(a.APIs[i].Authorizers[j].Unrunnable)
		}
	}
	for i := range a.Functions {
		say(a.Functions[i].Unrunnable)
	}
	for i := range a.Tables {
		say(a.Tables[i].Unrunnable)
	}
	for i := range a.Queues {
		say(a.Queues[i].Unrunnable)
	}
	for i := range a.Topics {
		say(a.Topics[i].Unrunnable)
	}
	for i := range a.Sources {
		say(a.Sources[i].Unrunnable)
	}
	for i := range a.HTTPAPIs {
		say(a.HTTPAPIs[i].Unrunnable)
		for j := range a.HTTPAPIs[i].Routes {
			say(a.HTTPAPIs[i].Routes[j].Unrunnable)
		}
	}
	return a
}
