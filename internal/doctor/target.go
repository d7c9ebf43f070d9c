package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

// overrides are the variables that name the endpoint, in their order; the library
// reads the same two.
var overrides = []string{"WIREPOST_ENDPOINT", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"}

// candidate is an endpoint that was found.
type candidate struct{ raw, from string }

// resolve finds what would be used, and where it comes from.
func (d *run) resolve(ctx context.Context) {
	d.readStages(ctx)
	var all []candidate
	if d.o.Endpoint != "" {
		all = append(all, candidate{d.o.Endpoint, "the argument"})
	}
	if d.o.APIID != "" {
		all = append(all, d.named())
	}
	for _, name := range overrides {
		if v := d.o.Getenv(name); v != "" {
			all = append(all, candidate{v, "env " + name})
		}
	}
	for _, r := range d.records {
		all = append(all, candidate{r.URL, fmt.Sprintf("the store, %s, learned %s", r.Identity, ago(d.o.Now().Sub(r.EventTime)))})
	}
	if len(all) == 0 {
		return
	}
	d.raw, d.report.From = all[0].raw, all[0].from
	d.connect, d.raw = clientURL(d.o.Endpoint, d.raw)
	if d.connect != "" {
		d.report.From = "the argument, which is what clients connect to"
	}
	seen := []string{d.raw}
	for _, c := range all[1:] {
		if !slices.Contains(seen, c.raw) && len(seen) < 6 {
			seen = append(seen, c.raw)
			d.report.AlsoSeen = append(d.report.AlsoSeen, shownURL(c.raw)+" ("+c.from+")")
		}
	}
	if strings.HasPrefix(all[0].from, "the store") {
		d.record = &d.records[0]
	}
	for i, r := range d.records {
		if d.record == nil && sameEndpoint(strings.TrimSuffix(d.raw, "/"), r.URL) {
			d.record = &d.records[i]
		}
	}
}

// named is the endpoint of --api and --stage: the store's, if it knows one.
func (d *run) named() candidate {
	for i, r := range d.records {
		if r.APIID == d.o.APIID && (d.o.Stage == "" || r.Stage == d.o.Stage) && (d.o.Region == "" || r.Region == d.o.Region) {
			d.record = &d.records[i]
			return candidate{r.URL, fmt.Sprintf("--api, by the store's record of %s, learned %s", r.Identity, ago(d.o.Now().Sub(r.EventTime)))}
		}
	}
	region := d.region()
	if region == "" {
		d.noRegion = true
		region = "region"
	}
	raw := strings.TrimSuffix(wirepost.DefaultEndpointURL(wirepost.Identity{APIID: d.o.APIID, Stage: d.o.Stage, Region: region}), "/")
	return candidate{raw, "--api and --stage"}
}

// clientURL makes the endpoint of the URL that clients connect to, if that is what
// was given by hand. A query, such as a token, stays with the client.
func clientURL(given, raw string) (connect, endpoint string) {
	u, err := url.Parse(given)
	if err != nil || u.Scheme != "wss" && u.Scheme != "ws" || u.Host == "" {
		return "", raw
	}
	scheme := "https"
	if u.Scheme == "ws" {
		scheme = "http"
	}
	return given, scheme + "://" + u.Host + strings.TrimSuffix(u.EscapedPath(), "/")
}

// region is what the program would sign for, as far as it was told.
func (d *run) region() string {
	for _, v := range []string{d.o.Region, d.o.Getenv("AWS_REGION"), d.o.Getenv("AWS_DEFAULT_REGION")} {
		if v != "" {
			return v
		}
	}
	return ""
}

func (d *run) regionFrom() string {
	switch {
	case d.o.Region != "":
		return "given"
	case d.o.Getenv("AWS_REGION") != "":
		return "env AWS_REGION"
	}
	return "env AWS_DEFAULT_REGION"
}

// readStages reads the stage records, the newest first.
func (d *run) readStages(ctx context.Context) {
	if d.o.Store == nil {
		return
	}
	ctx, cancel := d.step(ctx)
	defer cancel()
	records, err := d.o.Store.Stages(ctx)
	if err != nil {
		d.o.StoreErr, d.o.Store = err, nil
		return
	}
	slices.SortStableFunc(records, func(a, b wirepost.StageRecord) int { return b.EventTime.Compare(a.EventTime) })
	d.records = records
}

// isLoopback reports whether a host without a port is this machine.
func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

// isExecuteAPI reports whether a host is an API's default one: the parser names the
// API only of such a host.
func isExecuteAPI(host string) bool {
	ep, err := wirepost.ParseEndpoint("https://"+host+"/stage", nil)
	return err == nil && ep.APIID != ""
}

// ago is an age for people.
func ago(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s ago", max(0, int(d.Seconds())))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}
