package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/doctor"
	"github.com/wirepost/wirepost/internal/doctor/controlplane"
	"github.com/wirepost/wirepost/internal/doctor/sharedconfig"
	"github.com/wirepost/wirepost/internal/hint"
)

const doctorHelp = `Usage:
    wirepost doctor [ENDPOINT]
    wirepost doctor --api ID --stage STAGE
    wirepost doctor --store URL

Looks at the management endpoint that a program would send to here, and says in
one sentence what is wrong with it and what to do: the string, the name, the
network, who answers, the credentials, a send, and what the store has of it. The
send is to a connection that nobody has, so it reaches nobody.

ENDPOINT is https://HOST/STAGE, or the wss:// URL that clients connect to. Without
one it is WIREPOST_ENDPOINT, then AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI, then
the newest in the store.

A signed request goes to execute-api hosts and to this machine only.

    --api ID, --stage STAGE   an API by its ID
    --region REGION           to sign for, default AWS_REGION
    --store URL               default sqlite:.wirepost/store.db, or $WIREPOST_STORE
    --trust-host HOST         a custom domain that may get signed requests; it may be
                              repeated
    --live                    connect a client too, and send it a message
    --header 'NAME: VALUE'    what that client sends, such as a token; it may be
                              repeated
    --subprotocol NAME        what that client asks for
    --control-plane           ask AWS how the API is set up (apigateway:GET,
                              lambda:GetPolicy, cloudtrail:LookupEvents)
    --json                    one JSON object
    --strict                  a warning is a failure

Exit status: 0 nothing is wrong or only warnings, 1 something is, 2 wrong usage.
To look from inside a function, see package doctor.

Example:
    $ wirepost doctor https://abc123.execute-api.eu-west-1.amazonaws.com/prod
`

// repeated is a flag that may be given more than once.
type repeated []string

func (r *repeated) String() string { return strings.Join(*r, ", ") }

func (r *repeated) Set(v string) error {
	*r = append(*r, v)
	return nil
}

func (c *command) doctor(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	o := doctor.Options{Header: http.Header{}, SharedEndpoint: sharedconfig.Endpoint}
	flags.StringVar(&o.APIID, "api", "", "")
	flags.StringVar(&o.Stage, "stage", "", "")
	flags.StringVar(&o.Region, "region", "", "")
	flags.StringVar(&o.Subprotocol, "subprotocol", "", "")
	live := flags.Bool("live", false, "")
	controlPlane := flags.Bool("control-plane", false, "")
	asJSON := flags.Bool("json", false, "")
	strict := flags.Bool("strict", false, "")
	url := flags.String("store", "", "")
	var headers repeated
	flags.Var((*repeated)(&o.TrustHosts), "trust-host", "")
	flags.Var(&headers, "header", "")
	if status, done := c.parse(flags, doctorHelp, args); done {
		return status
	}
	if flags.NArg() > 0 { // flags may follow the endpoint
		o.Endpoint = flags.Arg(0)
		if status, done := c.parse(flags, doctorHelp, flags.Args()[1:]); done {
			return status
		}
		if o.Endpoint == "" {
			return c.misuse("the endpoint is empty", "leave it out to see what would be used, or check the variable that it comes from")
		}
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case flags.NArg() > 0:
		return c.misuse(fmt.Sprintf("doctor takes one endpoint, and there is %q besides", flags.Arg(0)), "'wirepost doctor --help' lists the flags")
	case o.Endpoint != "" && given["api"]:
		return c.misuse("doctor takes an endpoint or --api, not both", "")
	case given["api"] && o.APIID == "", given["stage"] && o.Stage == "":
		return c.misuse("--api and --stage need a name", "'wirepost sweep --dry-run' shows what the store has")
	case !*live && (o.Subprotocol != "" || len(headers) > 0):
		return c.misuse("--header and --subprotocol are what a client sends, and there is none without --live", "add --live")
	}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return c.misuse("--header is not NAME: VALUE", "write it as in --header 'Authorization: Bearer TOKEN'")
		}
		o.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	o.TableOf = doctor.TableOf
	if *live {
		o.Live = doctor.Live
	}
	if *controlPlane {
		o.ControlPlane = controlplane.API{}
	}

	o.StoreName, o.StoreFlag = storeURL(*url), storeFlag(*url)
	store, err := openStore(ctx, o.StoreName)
	switch {
	case err == nil:
		defer store.Close()
		o.Store = store
	case o.StoreName == folder.DefaultStore() && *url == "" && os.Getenv("WIREPOST_STORE") == "" && !folder.HasDefaultStore():
		// nobody named one, and none is here
	default:
		o.StoreErr = err
		if h, ok := errors.AsType[*hint.Error](err); ok {
			o.StoreErr = fmt.Errorf("%w (%s)", h.Unwrap(), h.Fix())
		}
	}
	switch pair, err := folder.KeyPair(); {
	case err != nil:
		o.LoopbackCredentials = noPair{err}
	case pair != nil:
		o.LoopbackCredentials = pair
	}

	report := doctor.Run(ctx, o)
	if ctx.Err() != nil {
		c.complain("the doctor was interrupted", "")
		return exitFailed
	}
	if *asJSON {
		err = c.stdout.JSON(report)
	} else {
		err = report.Text(c.stdout.Lines())
	}
	if err != nil {
		return c.fail(err)
	}
	switch worst := report.Worst(); {
	case worst == doctor.Fail, worst == doctor.Warn && *strict:
		return exitFailed
	}
	return exitDone
}

// seeAlso is where the problem of an error is described.
func seeAlso(err error) string {
	if p := wirepost.ProblemOf(err); p != "" {
		return "see " + p.URL()
	}
	return ""
}
