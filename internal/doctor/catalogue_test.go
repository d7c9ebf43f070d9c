package doctor_test

import (
	"slices"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/doctor"
)

// elsewhere are the problems that no endpoint and no set-up can have: the errors of a
// single message or event, each with its tests where it is made.
var elsewhere = map[wirepost.Problem]string{
	wirepost.ProblemMessageText:    "of a message, refused before it is sent",
	wirepost.ProblemDeadline:       "of a publish whose time is up",
	wirepost.ProblemEventMalformed: "of an event, refused by the Mux",
	wirepost.ProblemUnexpected:     "of an answer that nobody has documented",

	wirepost.ProblemLongUnset:      "of a message whose work is handed on",
	wirepost.ProblemLongDenied:     "of a message whose work is handed on: another role's rights take another call to see",
	wirepost.ProblemLongRetried:    "of work that comes twice: what is set for it takes another call to see",
	wirepost.ProblemHandlerTooLong: "of a handler, by the Mux",
	wirepost.ProblemStreamUnknown:  "of a frame, by the Mux",
	wirepost.ProblemStreamLost:     "of a stream that is resumed",
	wirepost.ProblemStreamSlow:     "of a reader, by its stream",
	wirepost.ProblemStreamExpired:  "of a reader, by its stream",
	wirepost.ProblemStreamNotSent:  "of a message whose work is handed on",
	wirepost.ProblemStreamInternal: "of a stream or a message, by the Mux",
}

func TestEveryProblemOfTheCatalogueIsMadeForReal(t *testing.T) {
	made := map[wirepost.Problem]bool{}
	for _, rows := range [][]row{configurationRows(), networkRows(), sendRows(), storeRows(), runtimeRows(), liveRows(), longRows(), controlRows()} {
		for _, r := range rows {
			for _, p := range r.want {
				made[p] = true
			}
		}
	}
	for _, l := range lookalikes() {
		made[l.explain] = true
	}
	for _, p := range wirepost.Problems() {
		switch why := elsewhere[p]; {
		case !made[p] && why == "":
			t.Errorf("no test makes %s", p)
		case made[p] && why != "":
			t.Errorf("%s is made, and is listed as one that is not (%s)", p, why)
		}
	}
}

// order is that of all checks. Every row's report is held against it.
var order = []string{
	"version", "endpoint", "region", "override", "variant",
	"dns", "address", "tcp", "tls", "answers", "clock",
	"identity", "account", "send", "get", "delete",
	"api", "execute-api", "stage", "deployed", "changes", "throttle", "default-route", "route-responses", "invoke", "log-role", "mapping", "connect-auth", "keep", "long-functions",
	"store", "store-endpoints", "store-apis", "store-age", "presence", "store-table", "store-hosts", "store-moved", "store-keep", "store-streams",
	"timeout", "long", "pool",
	"connect", "subprotocol", "connection-id", "live-get", "receive", "live-delete",
}

// inOrder reports whether names are part of the order, each of them once.
func inOrder(names []string) bool {
	at := -1
	for _, n := range names {
		i := slices.Index(order, n)
		if i <= at {
			return false
		}
		at = i
	}
	return true
}

func TestTheChecksStandInTheirOrder(t *testing.T) {
	w := newWorld(t)
	controlled(func(*world, awsAPI) {})(w)
	w.options.Live, w.options.Store, w.options.Subprotocol = doctor.Live, w.store, "chat"
	w.learn(identity, apiURL)
	w.start()
	report := w.run()
	var names []string
	for _, c := range report.Checks {
		names = append(names, c.Name)
	}
	if !slices.Equal(names, order) {
		t.Errorf("the checks are\n%v, want\n%v", names, order)
	}
	if report.Worst() != doctor.OK {
		t.Errorf("it found %v", report.Problems())
	}
}
