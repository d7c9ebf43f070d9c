package awslocal

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The query protocol of SQS, which clients spoke until 2023: boto3 before 1.29, Go v1
// before 1.47, JS v2 before 2.1494 and JS v3 before 3.447. What a request has is flat:
// Entries are SendMessageBatchRequestEntry.1.Id, and so on. (AWS docs, SQS API reference
// and the model of the API, 2012-11-05.)

// lists are the names in the query protocol of members that are lists of text.
var lists = map[string]string{"AttributeName": "AttributeNames", "MessageAttributeName": "MessageAttributeNames",
	"MessageSystemAttributeName": "MessageSystemAttributeNames", "TagKey": "TagKeys", "ActionName": "Actions", "AWSAccountId": "AWSAccountIds"}

// maps are those of members that are maps.
var maps = map[string]string{"Attribute": "Attributes", "MessageAttribute": "MessageAttributes", "MessageSystemAttribute": "MessageSystemAttributes", "Tag": "Tags"}

// numbers are members that are numbers.
var numbers = []string{"DelaySeconds", "VisibilityTimeout", "MaxNumberOfMessages", "WaitTimeSeconds", "MaxResults", "MaxNumberOfMessagesPerSecond"}

// maxParameters bounds a request: a batch has ten entries of ten attributes.
const maxParameters = 2000

var indexed = regexp.MustCompile(`^([A-Za-z]+)\.(\d{1,4})(?:\.(.+))?$`)

// inputOfQuery is a request of the query protocol as JSON has it.
func inputOfQuery(form url.Values) (map[string]any, error) {
	if len(form) > maxParameters {
		return nil, fmt.Errorf("the request has more than %d parameters", maxParameters)
	}
	input := inputOf(form)
	if tags, ok := input["Tags"]; ok && form.Get("Action") == "CreateQueue" {
		delete(input, "Tags")
		input["tags"] = tags // as the model has it
	}
	for _, name := range []string{"Action", "Version"} {
		delete(input, name)
	}
	return input, nil
}

func inputOf(form url.Values) map[string]any {
	input := map[string]any{}
	groups := map[string]map[int]url.Values{} // by name and index
	for name, values := range form {
		m := indexed.FindStringSubmatch(name)
		if m == nil {
			input[name] = scalar(name, values[0])
			continue
		}
		i, err := strconv.Atoi(m[2])
		if err != nil {
			continue // four digits are a number
		}
		if groups[m[1]] == nil {
			groups[m[1]] = map[int]url.Values{}
		}
		if groups[m[1]][i] == nil {
			groups[m[1]][i] = url.Values{}
		}
		groups[m[1]][i][m[3]] = values
	}
	for name, group := range groups {
		order := make([]int, 0, len(group))
		for i := range group {
			order = append(order, i)
		}
		slices.Sort(order)
		switch member := lists[name]; {
		case member != "":
			var all []string
			for _, i := range order {
				all = append(all, group[i].Get(""))
			}
			input[member] = all
		case maps[name] != "":
			all := map[string]any{}
			for _, i := range order {
				one := group[i]
				all[cmp.Or(one.Get("Name"), one.Get("Key"))] = valueOf(one)
			}
			input[maps[name]] = all
		case strings.HasSuffix(name, "BatchRequestEntry"):
			var all []any
			for _, i := range order {
				all = append(all, inputOf(group[i]))
			}
			input["Entries"] = all
		}
	}
	return input
}

// valueOf is the value of an entry of a map: text, or an attribute of a message.
func valueOf(entry url.Values) any {
	if entry.Has("Value") {
		return entry.Get("Value")
	}
	value := map[string]any{}
	for name, v := range entry {
		if member, ok := strings.CutPrefix(name, "Value."); ok {
			value[member] = v[0]
		}
	}
	return value
}

func scalar(name, value string) any {
	if slices.Contains(numbers, name) {
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			return n
		}
	}
	return value
}

// element is XML: with children, or with text.
type element struct {
	name     string
	text     string
	children []element
}

func (e element) write(b *strings.Builder) {
	fmt.Fprintf(b, "<%s>", e.name)
	_ = xml.EscapeText(b, []byte(e.text)) // a Builder does not fail
	for _, c := range e.children {
		c.write(b)
	}
	name, _, _ := strings.Cut(e.name, " ")
	fmt.Fprintf(b, "</%s>", name)
}

// outputAsXML is an answer in JSON as the query protocol has it.
func outputAsXML(operation string, output map[string]any) string {
	root := element{name: operation + `Response xmlns="http://queue.amazonaws.com/doc/2012-11-05/"`}
	if result := membersAsXML(operation, output); len(result) > 0 || operation == "ReceiveMessage" {
		root.children = append(root.children, element{name: operation + "Result", children: result})
	}
	root.children = append(root.children, element{name: "ResponseMetadata", children: []element{{name: "RequestId", text: ownRequestID()}}})
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?>`)
	root.write(&b)
	return b.String()
}

// membersAsXML are the members of a structure: lists and maps are flat there too.
func membersAsXML(operation string, output map[string]any) (all []element) {
	for _, member := range sorted(output) {
		switch value := output[member].(type) {
		case nil:
		case []any:
			name := strings.TrimSuffix(member, "s")
			switch member {
			case "Successful":
				name = operation + "ResultEntry"
			case "Failed":
				name = "BatchResultErrorEntry"
			}
			for _, v := range value {
				all = append(all, asXML(operation, name, v))
			}
		case map[string]any:
			name, key := strings.TrimSuffix(member, "s"), "Name"
			if member == "Tags" {
				key = "Key"
			}
			for _, k := range sorted(value) {
				all = append(all, element{name: name, children: []element{{name: key, text: k}, asXML(operation, "Value", value[k])}})
			}
		default:
			all = append(all, asXML(operation, member, value))
		}
	}
	return all
}

func asXML(operation, name string, value any) element {
	if members, ok := value.(map[string]any); ok {
		return element{name: name, children: membersAsXML(operation, members)}
	}
	if number, ok := value.(float64); ok {
		return element{name: name, text: strconv.FormatFloat(number, 'f', -1, 64)}
	}
	return element{name: name, text: fmt.Sprint(value)}
}

func sorted(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// errorAsXML is an error of the query protocol.
func errorAsXML(namespace string, status int, code, sentence string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?>`)
	element{name: fmt.Sprintf("ErrorResponse xmlns=%q", namespace), children: []element{
		{name: "Error", children: []element{{name: "Type", text: fault(status)}, {name: "Code", text: code}, {name: "Message", text: sentence}}},
		{name: "RequestId", text: ownRequestID()},
	}}.write(&b)
	return b.String()
}

func writeXML(w http.ResponseWriter, status int, text string) {
	(&answer{status: status, header: http.Header{"Content-Type": {"text/xml"}}, body: []byte(text)}).write(w)
}
