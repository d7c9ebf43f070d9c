package terraform

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed arguments.txt
var argumentRows string

// A kind is what a type of resource is in CloudFormation: its own type there, and the
// property of each argument, a minus for none.
type kind struct {
	typ        string
	properties map[string]string
	order      []string
}

// kinds are the rows of arguments.txt.
var kinds = sync.OnceValue(func() map[string]*kind {
	all := map[string]*kind{}
	var last *kind
	for line := range strings.Lines(argumentRows) {
		row := strings.Fields(line)
		switch {
		case len(row) == 0 || strings.HasPrefix(line, "#"):
		case len(row) == 3:
			last = &kind{typ: row[2], properties: map[string]string{}}
			all[row[0]] = last
		case len(row) == 2:
			last.properties[row[0]] = row[1]
			last.order = append(last.order, row[0])
		}
	}
	return all
})

// isRead reports whether resources of a type are read.
func isRead(typ string) bool {
	switch typ {
	case "aws_cloudwatch_event_target", "aws_api_gateway_integration", "aws_sqs_queue_redrive_policy", "aws_dynamodb_table_item":
		return true
	}
	return kinds()[typ] != nil
}

// isArgument reports whether a type has an argument, or a block, of that name, which
// need not be written.
func isArgument(typ, name string) bool {
	k := kinds()[typ]
	if k == nil {
		return false
	}
	if _, ok := k.properties[name]; ok {
		return true
	}
	for _, argument := range k.order {
		if strings.HasPrefix(argument, name+".") {
			return true
		}
	}
	return false
}
