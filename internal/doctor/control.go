package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost"
)

// settledBy is the check of the control plane that a candidate stands or falls with.
var settledBy = map[wirepost.Problem]string{
	wirepost.ProblemStageUnknown:     "stage",
	wirepost.ProblemAPIDisabled:      "execute-api",
	wirepost.ProblemStageNotDeployed: "deployed",
	wirepost.ProblemDeploymentStale:  "changes",
	wirepost.ProblemMappingMissing:   "mapping",
	wirepost.ProblemThrottleZero:     "throttle",
}

// controlPlane asks AWS about the API, and settles what the answer to a send had left
// open.
func (d *run) controlPlane(ctx context.Context) {
	const name = "control-plane"
	switch {
	case d.url == nil:
		d.skip(name, orElse(d.gone, "there is no endpoint"))
		return
	case d.loopback:
		d.skip(name, "a gateway on this machine has none")
		return
	case !d.credentials.HasKeys():
		if err := d.retrieve(ctx); err != nil {
			d.skip(name, "there are no credentials")
			return
		}
	}
	host := d.url.Hostname()
	t := Target{Identity: d.endpoint.Identity, Host: host, Domain: !isExecuteAPI(host), Mapping: strings.Trim(d.url.EscapedPath(), "/"), Store: d.o.StoreName, Keep: d.o.Getenv(keepVariable), Do: d.do, Base: d.base}
	if d.record != nil {
		t.Identity = d.record.Identity
	}
	for _, c := range d.o.ControlPlane.Check(ctx, t) {
		d.add(c)
	}
	d.settle()
}

// settle leaves one candidate of an answer that may mean several things.
func (d *run) settle() {
	send := d.report.check("send")
	if send == nil || send.Status != Fail || len(send.Candidates) == 0 {
		return
	}
	for _, c := range d.report.Checks {
		explains := slices.Contains(send.Candidates, c.Problem) || c.Problem == wirepost.ProblemAPIUnknown
		if c.Name != "send" && (c.Status == Fail || c.Status == Warn) && explains {
			*send = Check{Name: "send", Status: Skip, Sentence: fmt.Sprintf("answered with %d, which %s below explains", send.Answer.Status, c.Problem)}
			return
		}
	}
	left := slices.DeleteFunc(slices.Clone(send.Candidates), func(p wirepost.Problem) bool {
		c := d.report.check(settledBy[p])
		return c != nil && c.Status == OK
	})
	switch {
	case len(left) == 1:
		answer := send.Answer
		*send = found("send", Fail, left[0], fmt.Sprintf("answered with %d, and nothing else that it may be is the case: %s", answer.Status, left[0].Sentence()), "")
		send.Answer = answer
	case len(left) > 0:
		send.Candidates = left
		send.Fix = "see why the control plane could not be asked, below"
	}
}
