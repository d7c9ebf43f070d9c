package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/terminal"
)

// version says what this program is made of, and looks at the configuration of
// AWS's own client, if it was given.
func (d *run) version() {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/aws/aws-sdk-go-v2" {
				d.report.SDKVersion = m.Version
			}
		}
	}
	line := "wirepost " + d.report.Version
	if d.report.SDKVersion != "" {
		line += ", aws-sdk-go-v2 " + d.report.SDKVersion
	}
	//lint:ignore SA1019 the deprecated resolvers are looked for, because they win over BaseEndpoint
	if c := d.o.ClientConfig; c != nil && (c.EndpointResolver != nil || c.EndpointResolverWithOptions != nil) {
		d.warn("version", wirepost.ProblemEndpointResolver, "", "")
		return
	}
	d.ok("version", line)
}

// configuration checks what can be seen without the network.
func (d *run) configuration(ctx context.Context) {
	region := d.region()
	d.report.Region, d.report.RegionFrom = region, d.regionFrom()
	d.parse(region)
	d.overridden(ctx)
	d.variant()
}

// parse checks the endpoint and the region.
func (d *run) parse(region string) {
	if d.raw == "" {
		shown := "execute-api.<region>.amazonaws.com"
		if region != "" {
			shown = "execute-api." + region + ".amazonaws.com"
		}
		sentence := "no management endpoint is configured, so AWS's client would call https://" + shown + ", which does not exist"
		if d.o.Store != nil {
			sentence += "; the store knows none either"
		}
		fix := strings.ReplaceAll(wirepost.ProblemEndpointUnset.Fix(), "<region>", orElse(region, "<region>"))
		d.fail("endpoint", wirepost.ProblemEndpointUnset, sentence, fix)
		d.skip("region", "there is no endpoint")
		d.gone = "there is no endpoint"
		return
	}
	d.report.Endpoint = shownURL(d.raw)
	if d.noRegion {
		d.gone = "the region is not known"
		d.report.Endpoint = ""
		d.skip("endpoint", d.gone)
		d.fail("region", wirepost.ProblemSigningRegion, "the region of the API "+d.o.APIID+" is not known", "give --region, or set AWS_REGION")
		return
	}
	o := wirepost.EndpointOptions{Region: region, APIID: d.o.APIID}
	if d.record != nil {
		// A post goes by the record's own region, whatever the environment says.
		o.Region, o.APIID, o.StageExists = d.record.Region, d.record.APIID, true
		d.report.Region, d.report.RegionFrom = d.record.Region, "from the store"
	}
	u, _ := url.Parse(d.raw)
	if u != nil && isLoopback(u.Hostname()) && o.Region == "" {
		o.Region = "us-east-1"
		d.report.Region, d.report.RegionFrom = o.Region, "what a gateway on this machine takes"
	}
	ep, err := wirepost.ParseEndpoint(d.raw, &o)
	var e *wirepost.Error
	if errors.As(err, &e) {
		d.refuse(e)
		return
	}
	d.endpoint = ep
	d.url, _ = url.Parse(ep.URL)
	d.loopback = isLoopback(d.url.Hostname())
	if d.report.Region == "" || d.record == nil && isExecuteAPI(d.url.Hostname()) {
		d.report.RegionFrom = "from the host"
	}
	d.report.Region = ep.Region
	if ep.APIID != "" {
		d.report.API = ep.APIID + "/" + ep.Stage
	}
	if stage := d.appendedStage(); stage != "" {
		// A mapping key may be called like the stage: what is sent decides.
		without := strings.TrimSuffix(ep.URL, "/"+stage)
		d.fail("endpoint", wirepost.ProblemEndpointStageOnDomain,
			fmt.Sprintf("%s is a custom domain and its mapping already contains the stage; \"/%s\" makes the path /%s/%s/@connections", d.url.Hostname(), stage, stage, stage),
			"use "+without+", or add the mapping key only")
	} else {
		d.ok("endpoint", ep.URL)
	}
	d.regions()
}

// regions says the region, unless another was given than the store's record of the API
// has: one of the two is a mistake, and the doctor cannot tell which.
func (d *run) regions() {
	r := d.record
	for i := range d.records {
		if r == nil && d.o.APIID != "" && d.records[i].APIID == d.o.APIID && d.records[i].Stage == d.endpoint.Stage {
			r = &d.records[i]
		}
	}
	if d.o.Region == "" || r == nil || r.Region == d.o.Region {
		d.ok("region", d.endpoint.Region)
		return
	}
	d.warn("region", wirepost.ProblemSigningRegion,
		fmt.Sprintf("the region that was given is %s, and the store's record of the API is %s: programs with this store post by the record and sign for %s", d.o.Region, r.Identity, r.Region),
		fmt.Sprintf("give --region %s, or none; if %s is right, let a client connect to the API there, which makes another record", r.Region, d.o.Region))
}

// refuse says what is wrong with the string.
func (d *run) refuse(e *wirepost.Error) {
	d.gone = "the endpoint is not usable"
	if e.Problem == wirepost.ProblemSigningRegion {
		d.ok("endpoint", d.report.Endpoint)
		fix := e.Fix()
		if strings.HasPrefix(fix, "set AWS_REGION=") && !d.o.InFunction {
			fix += ", or give --region " + strings.TrimPrefix(fix, "set AWS_REGION=")
		}
		d.fail("region", e.Problem, e.Detail, fix)
		return
	}
	fix := e.Fix()
	if e.Problem == wirepost.ProblemEndpointStageMissing {
		if found := d.stages(); len(found) > 0 {
			fix = fmt.Sprintf("append /%s (stages found: %s)", found[0], strings.Join(found, ", "))
		}
	}
	if strings.HasPrefix(d.report.From, "env ") {
		fix += ", in " + strings.TrimPrefix(d.report.From, "env ")
	}
	d.fail("endpoint", e.Problem, e.Detail, fix)
	d.skip("region", d.gone)
}

// appendedStage is the path of a custom domain's endpoint if it is a stage's name.
func (d *run) appendedStage() string {
	path := strings.Trim(d.url.EscapedPath(), "/")
	if d.loopback || isExecuteAPI(d.url.Hostname()) || path == "" {
		return ""
	}
	if path == d.o.Stage {
		return path
	}
	for _, r := range d.records {
		if r.Stage == path {
			return path
		}
	}
	return ""
}

// overridden looks for what sends AWS's own client, or learning, elsewhere.
func (d *run) overridden(ctx context.Context) {
	const name = "override"
	ignored := strings.EqualFold(d.o.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true")
	used := strings.TrimSuffix(d.raw, "/")
	differs := func(v string) bool { return v != "" && strings.TrimSuffix(v, "/") != used }
	warn := func(what, value, whom, fix string) {
		d.warn(name, wirepost.ProblemEndpointOverride, fmt.Sprintf("%s=%s overrides the endpoint for %s", what, shownURL(value), whom), fix)
	}
	// For this service alone; what is meant for others stays as it is.
	own := "set " + overrides[1] + " to the endpoint of this API"
	if d.gone == "" && d.endpoint.URL != "" {
		own = "set " + overrides[1] + "=" + d.endpoint.URL
	}
	clients := "every client of AWS's that is made from an aws.Config"
	specific, general := d.o.Getenv(overrides[1]), d.o.Getenv("AWS_ENDPOINT_URL")
	// Learned from an event, and yet the environment has the last word.
	if from, ok := strings.CutPrefix(d.report.From, "env "); ok && d.gone == "" && len(d.records) > 0 && d.record == nil {
		warn(from, d.raw, "what is learned from events and for connections without a row; the store has "+shownURL(d.records[0].URL), "unset it in this environment, or make it the endpoint of this API")
		return
	}
	switch {
	case !ignored && differs(specific):
		warn(overrides[1], specific, clients, "unset it in this environment, or make it the endpoint of this API")
		return
	case !ignored && differs(general) && specific == "":
		warn("AWS_ENDPOINT_URL", general, clients, "unset it in this environment if nothing else needs it, or "+own)
		return
	}
	if file, value := d.sharedEndpoint(ctx); !ignored && differs(value) {
		warn("endpoint_url in "+file, value, clients, "take it out of that file if nothing else needs it, or "+own)
		return
	}
	d.ok(name, "nothing overrides the endpoint")
}

// sharedEndpoint is what AWS's configuration file says of the endpoint.
func (d *run) sharedEndpoint(ctx context.Context) (file, value string) {
	if d.o.SharedEndpoint == nil {
		return "", ""
	}
	if file = d.o.Getenv("AWS_CONFIG_FILE"); file == "" {
		home := d.o.Getenv("HOME")
		if home == "" {
			return "", ""
		}
		file = filepath.Join(home, ".aws", "config")
	}
	profile := orElse(d.o.Getenv("AWS_PROFILE"), "default")
	return file, d.o.SharedEndpoint(ctx, file, profile)
}

// variant looks for what makes AWS's client refuse every endpoint.
func (d *run) variant() {
	for _, v := range []string{"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"} {
		if strings.EqualFold(d.o.Getenv(v), "true") {
			d.warn("variant", wirepost.ProblemEndpointVariant, v+" is set, and AWS's client refuses an endpoint of one's own together with it", "")
			return
		}
	}
	d.ok("variant", "neither FIPS nor dual-stack is asked for")
}

// shownURL keeps passwords and queries, where tokens are, out of reports. They may be in a
// text that is no URL, too.
func shownURL(raw string) string {
	shown, query, found := strings.Cut(raw, "?")
	if found && query != "" {
		shown += "?…"
	}
	scheme, rest, found := strings.Cut(shown, "://")
	if !found {
		scheme, rest = "", shown
	}
	for i := strings.LastIndexByte(rest, '@'); i >= 0; i = strings.LastIndexByte(rest[:i], '@') {
		if !strings.HasPrefix(strings.ToLower(rest[i:]), "@connections") {
			rest = "…" + rest[i:]
			break
		}
	}
	if found {
		rest = scheme + "://" + rest
	}
	return terminal.Line(rest)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
