package app

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/internal/terminal"
)

// Unrunnable says why a part of an app cannot be run on this machine, and what to
// do. All else of the app is run; what reaches the part gets AWS's answer to a
// failed integration, 500 Internal server error.
type Unrunnable struct {
	// What is the kind and the name of the part, such as "function Report".
	What string

	// For are the parts that need it, such as "route report": of a function those
	// that invoke it. With none of them it is only good to know.
	For []string

	// Why is one clause, in lower case and without a full stop.
	Why string

	// Fix is what to do, in the imperative, or empty if only the template can help.
	Fix string

	// StandIn is the flag that puts something else in the part's place, with a
	// placeholder for what that is: --function Report=FUNCTION. It is empty if there
	// is none.
	StandIn string

	Position Position
}

// String is WHAT cannot be run here: WHY; FIX.
func (u *Unrunnable) String() string {
	s := u.What
	if len(u.For) > 0 {
		s += ", which " + few(u.For) + ","
	}
	s += " cannot be run here: " + u.Why
	if u.Fix != "" {
		s += "; " + u.Fix
	}
	return s
}

// few says of three parts at most that they need something.
func few(parts []string) string {
	switch {
	case len(parts) == 1:
		return parts[0] + " needs"
	case len(parts) > 3:
		return fmt.Sprintf("%s, %s and %d more need", parts[0], parts[1], len(parts)-2)
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1] + " need"
}

// Note is the line about u, which is only good to know if nothing needs the part.
func (u *Unrunnable) Note(needed bool) Note {
	n := Note{Position: u.Position, Severity: Info, Text: u.String()}
	if needed {
		n.Severity = Stops
	}
	return n
}

// samples are the events that 'wirepost invoke --event' has for kinds of sources.
var samples = map[SourceKind]string{SQSQueue: "sqs", DynamoDBStream: "dynamodb", Scheduled: "schedule", SNSTopic: "sns", EventBridge: "eventbridge"}

// UnrunnableSource is a source that invokes nothing here. Its function can be invoked
// by hand with an event of the source's kind; sample is the one for an OtherSource, or
// empty if there is none.
func UnrunnableSource(s Source, sample, format string, args ...any) *Unrunnable {
	u := &Unrunnable{What: "event source " + Clip(s.Name), Why: fmt.Sprintf(format, args...), Position: s.Position}
	if s.Function == "" {
		return u
	}
	if s.Kind != OtherSource {
		sample = samples[s.Kind]
	}
	u.What += " of function " + Clip(s.Function)
	u.Fix = "invoke the function by hand with 'wirepost invoke " + terminal.Word(s.Function) + " --event " + cmp.Or(sample, "FILE") + "'"
	return u
}

// UnrunnableHTTP is a route of an HTTP API, a REST API or a function's URL that
// cannot be run.
func UnrunnableHTTP(route, api string, pos Position, format string, args ...any) *Unrunnable {
	return &Unrunnable{What: "route " + Clip(route) + " of " + Clip(api), Why: fmt.Sprintf(format, args...), Position: pos}
}

// StandIns are what a caller runs in the place of a template's parts. The values are
// the caller's own and are not looked at, except that a function's may be a folder
// or a zip file with its code.
type StandIns struct {
	Routes      map[string]string // by route key
	Authorizers map[string]string // by logical ID or name
	Functions   map[string]string // by logical ID or name
}

// Flag is a flag with NAME=VALUE as a shell takes it. The value is a placeholder.
func Flag(flag, name, value string) string {
	return flag + " " + terminal.Word(name+"="+value)
}

// giveRoute, giveAuthorizer and giveFunction are the flags of stand-ins.
func giveRoute(key string) string       { return Flag("--route", key, "FUNCTION") }
func giveAuthorizer(name string) string { return Flag("--authorizer", name, "FUNCTION") }

// UnrunnableRoute is a route that cannot be run because of its integration.
func UnrunnableRoute(key string, pos Position, format string, args ...any) *Unrunnable {
	flag := giveRoute(key)
	return &Unrunnable{What: "route " + Clip(key), Why: fmt.Sprintf(format, args...), Fix: "give " + flag, StandIn: flag, Position: pos}
}

// UnrunnableAuthorizer is an authorizer that cannot be asked.
func UnrunnableAuthorizer(name string, pos Position, format string, args ...any) *Unrunnable {
	flag := giveAuthorizer(name)
	return &Unrunnable{What: "authorizer " + Clip(name), Why: fmt.Sprintf(format, args...), Fix: "give " + flag, StandIn: flag, Position: pos}
}

// RouteUnrunnable is why a route of the app cannot be run: for its own sake, or for
// its function's. Nil means that it can. Its authorizer is not looked at.
func (a *App) RouteUnrunnable(r *Route) *Unrunnable {
	if r.StandIn != "" || r.Unrunnable != nil {
		return r.Unrunnable
	}
	return a.functionUnrunnable(r.Integration.Function)
}

// AuthorizerUnrunnable is why an authorizer of the app cannot be asked, or nil.
func (a *App) AuthorizerUnrunnable(z *Authorizer) *Unrunnable {
	if z.StandIn != "" || z.Unrunnable != nil {
		return z.Unrunnable
	}
	return a.functionUnrunnable(z.Function)
}

func (a *App) functionUnrunnable(logicalID string) *Unrunnable {
	if f := a.Function(logicalID); f != nil {
		return f.Unrunnable
	}
	return nil
}

// Few names the first of several things of a template for a message, and counts the
// others.
func Few(names []string) string {
	const most = 8
	if n := len(names) - most; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n)
	}
	return strings.Join(names, ", ")
}

// Clip shortens text of a template for a message.
func Clip(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
