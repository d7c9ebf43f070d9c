// Package doctor lets a Lambda function look at its own way to the management
// endpoint. Most of what goes wrong with sends exists only inside a function's own
// network and role, where the command 'wirepost doctor' cannot look.
//
//	lambda.Start(doctor.Handler(mux, &doctor.Options{Store: store}))
//
// With WIREPOST_DOCTOR=1 in its environment the function then answers the payload
//
//	{"wirepost":"doctor"}
//
// of an invoke (aws lambda invoke --payload …) with the report that the command
// prints as JSON. Any other payload, and every payload without the variable, goes to
// the function itself. A client can never ask for it: what a client sends comes
// inside an event.
//
// It is a package of its own because only those who want it should link it; what it
// does is the command's own code.
package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/doctor"
)

// Variable must be "1" for a function to answer.
const Variable = "WIREPOST_DOCTOR"

// A Function is what lambda.Start accepts: a wirepost.Mux is one, and
// lambda.NewHandler makes one of a plain function.
type Function interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Options are all optional.
type Options struct {
	// Store is the store of the function. Default: what WIREPOST_STORE names, opened
	// and closed for each report.
	Store wirepost.Store
	// TrustHosts may get signed requests besides execute-api hosts: the API's custom
	// domain, if that is the endpoint.
	TrustHosts []string
	// Credentials to sign with. Default: the environment's, which are those of the
	// function's role.
	Credentials aws.CredentialsProvider
	// ClientConfig is what the function makes AWS's own management client of, if it
	// uses that, and Concurrency the number of its posts in flight: a deprecated
	// resolver and a pool that is too small are seen in them.
	ClientConfig *aws.Config
	Concurrency  int
}

// Handler is next, and answers {"wirepost":"doctor"} if the environment allows it.
// The report takes no endpoint from the payload, masks accounts, sends to nobody and
// ends before the invocation does, after 14 s at the most. It may be called
// concurrently. It panics if next is nil.
func Handler(next Function, o *Options) Function {
	if next == nil {
		panic("doctor.Handler: the function is nil")
	}
	h := &handler{next: next}
	if o != nil {
		h.o = *o
	}
	return h
}

type handler struct {
	next Function
	o    Options
}

// RouteKeys are those of the function, if it says them as a wirepost.Mux does; otherwise
// none. Package wireposttest asks for them.
func (h *handler) RouteKeys() []string {
	if mux, ok := h.next.(interface{ RouteKeys() []string }); ok {
		return mux.RouteKeys()
	}
	return nil
}

func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if os.Getenv(Variable) != "1" || !asked(payload) {
		return h.next.Invoke(ctx, payload)
	}
	return Report(ctx, &h.o)
}

// Report is the report of a program that has asked for it by itself, as JSON: what
// [Handler] answers. The context's deadline is taken for that of an invocation. The
// options may be nil.
func Report(ctx context.Context, given *Options) ([]byte, error) {
	if given == nil {
		given = &Options{}
	}
	o := doctor.Options{
		InFunction: true, Store: given.Store, StoreName: "the function's", TrustHosts: given.TrustHosts,
		Credentials: given.Credentials, ClientConfig: given.ClientConfig, Concurrency: given.Concurrency,
	}
	if o.Store == nil && os.Getenv("WIREPOST_STORE") != "" {
		store, err := wirepost.OpenStore(ctx, "")
		if err != nil {
			o.StoreErr = err
		} else {
			defer store.Close()
			o.Store = store
		}
	}
	var report bytes.Buffer
	if err := doctor.Run(ctx, o).JSON(&report); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(report.Bytes()), nil
}

// maxPayload is more than the payload needs: an event is not parsed twice.
const maxPayload = 256

// asked reports whether a payload is exactly {"wirepost":"doctor"}. Whatever has
// another member is somebody's event.
func asked(payload []byte) bool {
	if len(payload) > maxPayload {
		return false
	}
	var members map[string]any
	return json.Unmarshal(payload, &members) == nil && len(members) == 1 && members["wirepost"] == "doctor"
}
