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
}

func TestEveryProblemOfTheCatalogueIsMadeForReal(t *testing.T) {
	made := map[wirepost.Problem]bool{}
	for _, rows := range [][]row{configurationRows(), networkRows(), sendRows(), storeRows(), runtimeRows(), liveRows(), controlRows()} {
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
	"api", "execute-api", "stage", "deployed", "changes", "throttle", "default-route", "route-responses", "invoke", "log-role", "mapping", "connect-auth", "keep",
	"store", "store-endpoints", "store-apis", "store-age", "store-table", "store-hosts", "store-moved", "store-keep",
	"timeout", "pool",
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
