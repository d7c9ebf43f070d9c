package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/terminal"
)

const (
	// maxRows bounds how much of a store is read.
	maxRows = 50_000
	// maxAsked is how many other endpoints of a store are asked.
	maxAsked = 8
	// longestLife is how long API Gateway keeps a connection (AWS, WebSocket quotas
	// page), with the slack that rows have.
	longestLife = 2*time.Hour + 5*time.Minute
)

// kept is what a store has of one identity.
type kept struct {
	identity wirepost.Identity
	record   *wirepost.StageRecord
	rows     int
}

// store looks at what the store has of this API and of others.
func (d *run) store(ctx context.Context) {
	names := []string{"store", "store-endpoints", "store-apis", "store-age", "presence", "store-table", "store-hosts", "store-moved", "store-keep", "store-streams"}
	if d.o.Store == nil {
		reason := "no store was named"
		if d.o.StoreErr != nil {
			d.fail("store", wirepost.ProblemStore, "the store cannot be opened or read: "+d.o.StoreErr.Error(), "")
			reason, names = "the store cannot be read", names[1:]
		}
		for _, n := range names {
			d.skip(n, reason)
		}
		return
	}
	all, old, err := d.rows(ctx)
	if err != nil {
		d.fail("store", wirepost.ProblemStore, "the connections in the store cannot be listed: "+err.Error(), "")
		for _, n := range names[1:] {
			d.skip(n, "the store cannot be read")
		}
		return
	}
	total := 0
	for _, k := range all {
		total += k.rows
	}
	d.ok("store", fmt.Sprintf("%s: %s of %s", orElse(d.o.StoreName, "it"), plural(total, "connection"), plural(len(all), "stage")))
	d.storeEndpoints(ctx, all)
	d.storeAPIs(all)
	if old > 0 {
		d.warn("store-age", wirepost.ProblemStoreOldRows, fmt.Sprintf("%s older than two hours; API Gateway has closed them", plural(old, "row is", "rows are")),
			"run 'wirepost sweep"+d.o.StoreFlag+"'")
	} else {
		d.ok("store-age", "no row is older than a connection can be")
	}
	d.presence(ctx)
	d.storeTable(ctx)
	d.storeHosts()
	d.storeMoved()
	d.storeKeep(ctx)
	d.storeStreams(ctx)
}

// unsweptAfter is how long a lease may be over before somebody should have ended it: sweeps
// come every minute.
const unsweptAfter = 3 * time.Minute

// presence looks for leases that nobody ends, in a store that keeps presence.
func (d *run) presence(ctx context.Context) {
	store, ok := d.o.Store.(wirepost.Presence)
	if !ok {
		d.skip("presence", "the store keeps no presence")
		return
	}
	n := 0
	for _, err := range store.Due(ctx, time.Now().Add(-unsweptAfter)) {
		if errors.Is(err, wirepost.ErrNotSupported) {
			d.skip("presence", "the store keeps no presence")
			return
		}
		if err != nil {
			d.warn("presence", wirepost.ProblemStore, "the leases of presence cannot be read: "+err.Error(), "")
			return
		}
		n++
	}
	if n > 0 {
		d.warn("presence", wirepost.ProblemPresenceUnswept, fmt.Sprintf("%s over since three minutes or more, and nobody ends them", plural(n, "lease of presence is", "leases of presence are")), "")
		return
	}
	d.ok("presence", "no lease is over for long")
}

// TableOf finds the check of the table that a store keeps its rows in, nil if it has
// none.
func TableOf(store wirepost.Store) func(context.Context) error {
	s, ok := store.(interface {
		CheckTable(context.Context) error
	})
	if !ok {
		return nil
	}
	return s.CheckTable
}

// storeTable asks a store that has a table whether it is as it should be.
func (d *run) storeTable(ctx context.Context) {
	if d.o.TableOf == nil {
		d.skip("store-table", "'wirepost table check' looks at it")
		return
	}
	check := d.o.TableOf(d.o.Store)
	if check == nil {
		d.skip("store-table", "the store has no table")
		return
	}
	step, cancel := d.step(ctx)
	defer cancel()
	err := check(step)
	said, answered := errors.AsType[interface {
		error
		ErrorCode() string
	}](err)
	switch {
	case err == nil:
		d.ok("store-table", "its keys and its TTL are right")
	case answered:
		d.skip("store-table", "it may not be looked at: "+said.ErrorCode())
	case step.Err() != nil:
		d.skip("store-table", "there was no answer in time")
	default:
		d.warn("store-table", wirepost.ProblemStoreTable, strings.Join(strings.Split(err.Error(), "\n"), "; "), "run 'wirepost table check"+d.o.StoreFlag+"', which says what to do")
	}
}

// rows counts the connections of each identity, and those that are too old.
func (d *run) rows(ctx context.Context) (all []*kept, old int, err error) {
	step, cancel := d.step(ctx)
	defer cancel()
	byIdentity := map[wirepost.Identity]*kept{}
	of := func(id wirepost.Identity) *kept {
		k := byIdentity[id]
		if k == nil {
			k = &kept{identity: id}
			byIdentity[id] = k
			all = append(all, k)
		}
		return k
	}
	for i, r := range d.records {
		of(r.Identity).record = &d.records[i]
	}
	seen := 0
	for l, err := range d.o.Store.Connections(step, wirepost.Everyone(), wirepost.ListOptions{}) {
		if err != nil {
			if step.Err() != nil && ctx.Err() == nil && seen > 0 {
				return all, old, nil // as much as there was time for
			}
			return nil, 0, err
		}
		of(l.Endpoint).rows++
		if !l.ConnectedAt.IsZero() && d.o.Now().Sub(l.ConnectedAt) > longestLife {
			old++
		}
		if seen++; seen == maxRows {
			break
		}
	}
	return all, old, nil
}

// storeEndpoints asks the other endpoints that have connections, unsigned, whether
// there is still an API.
func (d *run) storeEndpoints(ctx context.Context, all []*kept) {
	type silent struct {
		k       *kept
		problem wirepost.Problem // empty: the store has no endpoint
	}
	var (
		mu    sync.Mutex
		dead  []silent
		wg    sync.WaitGroup
		asked int
	)
	for _, k := range all {
		if k.rows == 0 || d.record != nil && k.identity == d.record.Identity {
			continue
		}
		if k.record == nil {
			mu.Lock()
			dead = append(dead, silent{k: k})
			mu.Unlock()
			continue
		}
		if asked++; asked > maxAsked {
			break
		}
		wg.Go(func() {
			if p := d.absent(ctx, *k.record); p != "" {
				mu.Lock()
				defer mu.Unlock()
				dead = append(dead, silent{k, p})
			}
		})
	}
	wg.Wait()
	if len(dead) == 0 {
		d.ok("store-endpoints", "no other endpoint with connections is dead")
		return
	}
	slices.SortFunc(dead, func(a, b silent) int { return strings.Compare(a.k.identity.String(), b.k.identity.String()) })
	var sentences, fixes []string
	for _, s := range dead {
		why, command := "which "+Absence(s.problem), "sweep"
		switch s.problem {
		case "":
			why = "of which the store has no endpoint"
		case wirepost.ProblemForbidden: // it may well be there, so nothing is to be removed
			command = "doctor"
		}
		sentences = append(sentences, fmt.Sprintf("%s to %s, %s", plural(s.k.rows, "connection belongs", "connections belong"), s.k.identity, why))
		fixes = append(fixes, fmt.Sprintf("'wirepost %s --api %s --stage %s%s'", command, terminal.Word(s.k.identity.APIID), terminal.Word(s.k.identity.Stage), d.o.StoreFlag))
	}
	d.fail("store-endpoints", wirepost.ProblemStoreDeadAPI, strings.Join(sentences, "; "), "run "+strings.Join(fixes, " and "))
}

// Absence says of an endpoint how a problem shows that its API is not there, in the
// words of the doctor and of 'wirepost sweep': "X does not answer: endpoint-refused".
func Absence(p wirepost.Problem) string {
	switch p {
	case wirepost.ProblemForbidden:
		return "answers 403 Forbidden: " + string(p)
	case wirepost.ProblemNotAPIGateway:
		return "is answered by another program: " + string(p)
	}
	return "does not answer: " + string(p)
}

// absent says how it shows that there is no such API; empty if there may be one.
func (d *run) absent(ctx context.Context, r wirepost.StageRecord) wirepost.Problem {
	if _, err := wirepost.ParseEndpoint(r.URL, &wirepost.EndpointOptions{Region: r.Region, APIID: r.APIID, StageExists: true}); err != nil {
		return wirepost.ProblemOf(err)
	}
	client := d.client
	if client == nil {
		client = d.newClient()
		defer client.CloseIdleConnections()
	}
	step, cancel := d.step(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(step, http.MethodGet, r.URL+"/@connections/"+strings.ReplaceAll(probeID, "=", "%3D"), nil)
	if err != nil {
		return wirepost.ProblemEndpointHost
	}
	resp, err := client.Do(req)
	if err != nil {
		switch e := explain(err); e.Problem {
		case wirepost.ProblemEndpointUnresolved, wirepost.ProblemEndpointRefused:
			return e.Problem
		}
		return ""
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // as much as there is
	resp.Body.Close()
	if isLoopback(req.URL.Hostname()) && !plausible(resp, body) {
		return wirepost.ProblemNotAPIGateway
	}
	// An API that was created again leaves a host that answers Forbidden, if it answers.
	// Only API Gateway's own hosts are asked with a signature.
	if isExecuteAPI(req.URL.Hostname()) && d.trusted && d.credentials.HasKeys() {
		if verdict, err := d.callAt(ctx, r.Region, http.MethodPost, req.URL.String()); err == nil && verdict != nil && verdict.Problem == wirepost.ProblemForbidden {
			return verdict.Problem
		}
	}
	if api := resp.Header.Get("X-Wirepost-Api"); api != "" && isLoopback(req.URL.Hostname()) && api != r.APIID+"/"+r.Stage {
		return wirepost.ProblemEndpointAnotherAPI
	}
	return ""
}

// plausible reports whether a server on this machine may be a gateway by its answer to
// an unsigned request about nobody's connection: it says so, or it answers as
// gateways do that do not.
func plausible(resp *http.Response, body []byte) bool {
	if marked(resp.Header) || resp.Header.Get("X-Wirepost-Api") != "" {
		return true
	}
	e := wirepost.ExplainResponse(resp, body)
	return e != nil && e.Problem != wirepost.ProblemUnexpected && e.Problem != wirepost.ProblemNotAPIGateway
}

// storeAPIs counts the stages that have connections: one that was used once and has
// none shares nothing.
func (d *run) storeAPIs(all []*kept) {
	known := len(all)
	all = slices.DeleteFunc(slices.Clone(all), func(k *kept) bool {
		return k.rows == 0 && (d.record == nil || k.identity != d.record.Identity)
	})
	switch {
	case len(all) < 2 && known > 1:
		d.ok("store-apis", fmt.Sprintf("one stage uses the store; it also has records of %s without a connection", plural(known-len(all), "stage")))
		return
	case len(all) < 2:
		d.ok("store-apis", "one stage uses the store")
		return
	}
	names := make([]string, 0, len(all))
	for _, k := range all {
		name := k.identity.APIID + "/" + k.identity.Stage
		// The region is said where nothing else tells two apart.
		if slices.ContainsFunc(all, func(o *kept) bool {
			return o != k && o.identity.APIID == k.identity.APIID && o.identity.Stage == k.identity.Stage
		}) {
			name = k.identity.String()
		}
		names = append(names, fmt.Sprintf("%s (%d)", name, k.rows))
	}
	d.warn("store-apis", wirepost.ProblemStoreSeveralAPIs, fmt.Sprintf("%d stages share this store: %s", len(all), strings.Join(names, ", ")), "")
}

// storeHosts compares the records with the hosts in their URLs.
func (d *run) storeHosts() {
	for _, r := range d.records {
		ep, err := wirepost.ParseEndpoint(r.URL, &wirepost.EndpointOptions{Region: r.Region, StageExists: true})
		var e *wirepost.Error
		switch {
		case errors.As(err, &e) && d.record != nil && r.Identity == d.record.Identity:
			// the endpoint's own check has said it
		case errors.As(err, &e):
			d.fail("store-hosts", e.Problem, fmt.Sprintf("the record of %s: %s", r.Identity, orElse(e.Detail, e.Problem.Sentence())), e.Fix())
			return
		case ep.APIID != "" && ep.APIID != r.APIID:
			d.fail("store-hosts", wirepost.ProblemStoreHost, fmt.Sprintf("the record of %s has the host of another API, %s", r.Identity, r.URL),
				fmt.Sprintf("run 'wirepost sweep --api %s%s', and let a client connect", terminal.Word(r.APIID), d.o.StoreFlag))
			return
		}
	}
	d.ok("store-hosts", "every record has the host of its own API")
}

// storeMoved compares what was given by hand with what the store has of that API.
func (d *run) storeMoved() {
	for _, r := range d.records {
		if strings.HasPrefix(d.report.From, "the argument") && d.endpoint.URL != "" && r.APIID == d.endpoint.APIID && r.Stage == d.endpoint.Stage && !sameEndpoint(r.URL, d.endpoint.URL) {
			d.warn("store-moved", wirepost.ProblemStoreMoved, fmt.Sprintf("the store has %s for %s/%s, and the endpoint that was given is %s", r.URL, r.APIID, r.Stage, d.endpoint.URL), "")
			return
		}
	}
	d.ok("store-moved", "the store has no other endpoint for this API")
}

// sameEndpoint knows that this machine has several names.
func sameEndpoint(a, b string) bool {
	u, errU := url.Parse(a)
	v, errV := url.Parse(b)
	if errU != nil || errV != nil || !isLoopback(u.Hostname()) || !isLoopback(v.Hostname()) {
		return a == b
	}
	return u.Scheme == v.Scheme && u.Port() == v.Port() && u.Path == v.Path
}

// plural counts things: one and many default to the word and the word with an s.
func plural(n int, words ...string) string {
	one := words[0]
	many := one + "s"
	if len(words) > 1 {
		many = words[1]
	}
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
