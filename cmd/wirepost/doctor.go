package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/doctor"
	"github.com/wirepost/wirepost/internal/doctor/controlplane"
	"github.com/wirepost/wirepost/internal/doctor/sharedconfig"
	"github.com/wirepost/wirepost/internal/hint"
)

// doctorFlags are what the flags of doctor say.
type doctorFlags struct {
	o                                doctor.Options // what needs no other look
	store                            string
	headers                          many
	live, controlPlane, json, strict bool
}

func (c *command) doctorCommand() *cobra.Command {
	f := doctorFlags{o: doctor.Options{Header: http.Header{}, SharedEndpoint: sharedconfig.Endpoint, TableOf: doctor.TableOf}}
	cmd := &cobra.Command{
		Use: `doctor [ENDPOINT]
wirepost doctor --api ID --stage STAGE
wirepost doctor --store URL`,
		Short: "say what is wrong with an endpoint, and what to do",
		Long: `Looks at the management endpoint that a program would send to here, and says in
one sentence what is wrong with it and what to do: the string, the name, the
network, who answers, the credentials, a send, and what the store has of it. The
send is to a connection that nobody has, so it reaches nobody.

ENDPOINT is https://HOST/STAGE, or the wss:// URL that clients connect to. Without
one it is WIREPOST_ENDPOINT, then AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI, then
the newest in the store.

A signed request goes to execute-api hosts and to this machine only.`,
		Annotations: map[string]string{notes: `Exit status: 0 nothing is wrong or only warnings, 1 something is, 2 wrong usage.
To look from inside a function, see package doctor.`},
		Example:    "    $ wirepost doctor https://abc123.execute-api.eu-west-1.amazonaws.com/prod",
		SuggestFor: []string{"diagnose", "check"},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.o.APIID, "api", "", "`ID` an API by its ID; with --stage")
	flags.StringVar(&f.o.Stage, "stage", "", "`STAGE` of --api")
	flags.StringVar(&f.o.Region, "region", "", "`REGION` to sign for, default AWS_REGION")
	declareStore(flags, &f.store)
	flags.StringArrayVar(&f.o.TrustHosts, "trust-host", nil, "`HOST` a custom domain that may get signed requests; it may be repeated")
	flags.BoolVar(&f.live, "live", false, "connect a client too, and send it a message")
	flags.StringArrayVar(&f.headers, "header", nil, "`'NAME: VALUE'` what that client sends, such as a token; it may be repeated")
	flags.StringVar(&f.o.Subprotocol, "subprotocol", "", "`NAME` what that client asks for")
	flags.BoolVar(&f.controlPlane, "control-plane", false, "ask AWS how the API is set up (apigateway:GET, lambda:GetPolicy and ListFunctions, cloudtrail:LookupEvents)")
	flags.BoolVar(&f.json, "json", false, "one JSON object")
	flags.BoolVar(&f.strict, "strict", false, "a warning is a failure")
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		if err := f.check(cmd.Flags(), args); err != nil {
			return c.misuse(err.Error(), err.Fix())
		}
		return c.doctor(cmd.Context(), &f)
	})
	return cmd
}

// check takes the endpoint from the arguments, if there is one, and says what is wrong
// with them and the flags.
func (f *doctorFlags) check(flags *pflag.FlagSet, args []string) *hint.Error {
	wrong := func(message, cure string) *hint.Error { return hint.New(errors.New(message), cure) }
	if len(args) > 0 {
		f.o.Endpoint = args[0]
	}
	switch byAPI := flags.Changed("api"); {
	case len(args) > 1:
		return wrong(fmt.Sprintf("doctor takes one endpoint, but was also given %q", args[1]), "'wirepost doctor --help' lists the flags")
	case len(args) > 0 && f.o.Endpoint == "":
		return wrong("the endpoint is empty", "leave it out to see what would be used, or check the variable that it comes from")
	case f.o.Endpoint != "" && byAPI:
		return wrong("doctor takes an endpoint or --api, not both", "")
	case byAPI && f.o.APIID == "", flags.Changed("stage") && f.o.Stage == "":
		return wrong("--api and --stage need a name", "'wirepost sweep --dry-run' shows what the store has")
	case strings.ContainsAny(f.o.APIID, ":/."):
		return wrong(fmt.Sprintf("--api takes the ID of an API, such as a1b2c3d4e5, but was given %q", f.o.APIID), "give an endpoint without --api and --stage")
	case !f.live && (f.o.Subprotocol != "" || len(f.headers) > 0):
		return wrong("--header and --subprotocol are sent by the client of --live, which is missing", "add --live")
	}
	for _, h := range f.headers {
		name, value, ok := parseHeader(h)
		if !ok {
			return wrong("--header is not NAME: VALUE", "write it as in --header 'Authorization: Bearer TOKEN'")
		}
		f.o.Header.Add(name, value)
	}
	return nil
}

func (c *command) doctor(ctx context.Context, f *doctorFlags) int {
	o := f.o
	if f.live {
		o.Live = doctor.Live
	}
	if f.controlPlane {
		o.ControlPlane = controlplane.API{}
	}
	defer c.lookAround(ctx, &o, f.store)()
	report := doctor.Run(ctx, o)
	if ctx.Err() != nil {
		c.complain("the doctor was interrupted", "")
		return exitFailed
	}
	var err error
	if f.json {
		err = c.stdout.JSON(report)
	} else {
		err = report.Text(c.stdout.Lines())
	}
	if err != nil {
		return c.fail(err)
	}
	switch worst := report.Worst(); {
	case worst == doctor.Fail, worst == doctor.Warn && f.strict:
		return exitFailed
	}
	return exitDone
}

// lookAround opens for the doctor the store and the key pair that are here. A failure
// is for its report. end closes the store.
func (c *command) lookAround(ctx context.Context, o *doctor.Options, flagged string) (end func()) {
	end = func() {}
	o.StoreName, o.StoreFlag = c.atEngine(storeURL(flagged)), storeFlag(flagged)
	store, err := openStore(ctx, o.StoreName)
	switch {
	case err == nil:
		end = func() { store.Close() }
		o.Store = store
	case o.StoreName == folder.DefaultStore() && flagged == "" && os.Getenv("WIREPOST_STORE") == "" && !folder.HasDefaultStore():
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
	return end
}

// seeAlso is where the problem of an error is described.
func seeAlso(err error) string {
	if p := wirepost.ProblemOf(err); p != "" {
		return "see " + p.URL()
	}
	return ""
}
