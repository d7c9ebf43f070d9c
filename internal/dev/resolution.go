package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// resolution is the part that gives an app its variables, which need the API's ID and
// the ports that the gateway, the HTTP APIs and the queues have by now. Without an app it does nothing.
type resolution struct {
	c        *Config
	api      *apiID
	listener *listener
	port     *servicePort
	http     *httpListeners
	nothingToStop

	app   *app.App // nil if there is none
	began time.Time
}

func (r *resolution) start(context.Context) error {
	r.began = time.Now()
	if r.c.App == nil {
		return nil
	}
	name := app.APIName{ID: r.api.id, Endpoint: r.listener.endpointOf}
	if r.c.AWSNames {
		name.Endpoint = nil
	}
	names := app.Names{APIs: map[string]app.APIName{r.c.App.APIs[0].LogicalID: name}}
	if r.port.url() != "" && (r.c.SQS != "" || !r.c.Inherit) {
		names.Queues = func(name string) string { return r.port.queueURL(cmp.Or(r.c.App.Account, app.DefaultAccount), name) }
	}
	names.HTTPAPIs = r.http.addresses()
	a, notes, err := r.c.App.Resolve(names)
	r.tell(notes)
	if err != nil {
		return fmt.Errorf("read the template: %w", err)
	}
	if r.c.Strict && slices.ContainsFunc(notes, func(n app.Note) bool { return n.Severity == app.Stops }) {
		return errors.New("a part of the template cannot be run, and with --strict nothing runs then")
	}
	r.app = a
	return nil
}

// tell reports the notes that are warnings or name the gateway; all of them if verbose.
func (r *resolution) tell(notes []app.Note) {
	for _, n := range notes {
		if n.Severity >= app.Warning || r.c.Verbose || strings.Contains(n.Text, r.listener.domain()) {
			r.c.Report.Hint(n.String())
		}
	}
}
