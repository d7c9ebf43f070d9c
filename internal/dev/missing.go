package dev

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/awslocal"
	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/internal/intercept"
)

// missing tells of calls for tables, queues and topics that are not here: the first for
// each is a line, and at the end there is a count.
type missing struct {
	c   *Config
	own func(s awslocal.Service, name string) bool

	mu    sync.Mutex
	calls map[string]int // by what is missing
}

// told takes notice of one call, and returns what its client is told. Which function calls
// is known only if it was led here: a variable that names an address is the same for all.
func (m *missing) told(r *http.Request, miss awslocal.Miss) string {
	what := thing(miss)
	sentence := fmt.Sprintf("%s is not here: %s", what, m.why(miss))
	who := "a function"
	if call, ok := intercept.CallOf(r); ok && call.Client.Name != "" {
		who = "function " + call.Client.Name
		inspector.Log(call.Client.Context(), "wirepost: "+sentence)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls == nil {
		m.calls = map[string]int{}
	}
	if m.calls[what] == 0 && len(m.calls) >= maxSaid {
		return sentence
	}
	m.calls[what]++
	if m.calls[what] == 1 {
		operation := ""
		if miss.Operation != "" {
			operation = " (" + app.Clip(miss.Operation) + ")"
		}
		m.c.Report.Hint(fmt.Sprintf("%s called %s%s: %s", who, what, operation, m.why(miss)))
	}
	return sentence
}

// thing is what a call was for, such as table chat.
func thing(miss awslocal.Miss) string {
	kind, service := "table", "DynamoDB"
	switch miss.Service {
	case awslocal.SQS:
		kind, service = "queue", "SQS"
	case awslocal.SNS:
		kind, service = "topic", "SNS"
	}
	if miss.Name == "" {
		return service
	}
	return kind + " " + app.Clip(miss.Name)
}

// why says why it is not here, and what to do.
func (m *missing) why(miss awslocal.Miss) string {
	flag, asked, service := "--dynamodb", m.c.DynamoDB, awslocal.DynamoDB
	if miss.Service == awslocal.SQS || miss.Service == awslocal.SNS {
		flag, asked, service = "--sqs", m.c.SQS, miss.Service
	}
	switch {
	case miss.Err != nil:
		return fmt.Sprintf("%v; see %s", miss.Err, flag)
	case asked == "":
		return fmt.Sprintf("nothing here answers for %s; start wirepost dev with %s local, or with %s URL of a server of yours", serviceName(miss.Service), flag, flag)
	case m.own(service, miss.Name):
		return fmt.Sprintf("the app declares it, but it could not be created at %s %s", flag, asked)
	}
	cure := ""
	if !m.c.Inherit {
		cure = "; with --credentials inherit such calls go to AWS"
	}
	return fmt.Sprintf("neither the app nor %s %s has one of that name%s", flag, asked, cure)
}

func serviceName(s awslocal.Service) string {
	switch s {
	case awslocal.SQS:
		return "SQS"
	case awslocal.SNS:
		return "SNS"
	}
	return "DynamoDB"
}

// count reports how often each was called that was called again.
func (m *missing) count() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(m.calls)) {
		if n := m.calls[what]; n > 1 {
			m.c.Report.Hint(fmt.Sprintf("%d calls of functions were for %s, which is not here", n, what))
		}
	}
}
