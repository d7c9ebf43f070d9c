package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

const (
	// longVariable names the function that does long work.
	longVariable = "WIREPOST_LONG_FUNCTION"
	// RouteTime is how long API Gateway waits for the function of a route (AWS, WebSocket
	// quotas page, "Integration timeout").
	RouteTime = 29 * time.Second
	// streamProbe is a topic as streams have them, of no stream.
	streamProbe = "$stream/doctor"
)

// LambdaName is what a name of a function says (AWS, Lambda API reference, "Invoke",
// FunctionName): NAME, ACCOUNT:function:NAME or an ARN, each with an alias or a version
// behind it or without. What is not said is empty.
type LambdaName struct{ Region, Account, Name, Qualifier string }

// ParseLambdaName reads a name; it reports false for what cannot be one.
func ParseLambdaName(s string) (n LambdaName, ok bool) {
	part := strings.Split(s, ":")
	switch {
	case len(part) >= 7 && part[0] == "arn" && part[2] == "lambda" && part[5] == "function":
		n.Region, n.Account, part = part[3], part[4], part[6:]
	case len(part) >= 3 && part[1] == "function":
		n.Account, part = part[0], part[2:]
	}
	if n.Name = part[0]; len(part) == 2 {
		n.Qualifier = part[1]
	}
	word := func(s string) bool {
		return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '$'
		})
	}
	ok = len(part) <= 2 && word(n.Name) && (len(part) == 1 || word(n.Qualifier))
	switch n.Name { // of a variable without a value
	case "undefined", "null", "None":
		ok = false
	}
	return n, ok
}

// longFunction looks at the name of the function that does long work. Whether that
// exists, and whether this role may invoke it, would take an Invoke to see.
func (d *run) longFunction() {
	const name = "long"
	value := d.o.Getenv(longVariable)
	if value == "" {
		d.skip(name, longVariable+" is not set here")
		return
	}
	switch n, ok := ParseLambdaName(value); {
	case !ok:
		d.fail(name, wirepost.ProblemLongUnknown, fmt.Sprintf("%s is %q, which is no name of a function", longVariable, value), "")
	case n.Qualifier == "":
		d.warn(name, wirepost.ProblemLongNoAlias, fmt.Sprintf("%s is %s, without an alias", longVariable, value), "")
	default:
		d.ok(name, value+"; whether it exists and may be invoked cannot be seen from here")
	}
}

// storeStreams asks whether a stream in the store could be kept.
func (d *run) storeStreams(ctx context.Context) {
	const name = "store-streams"
	l, ok := d.o.Store.(wirepost.Log)
	if ok {
		step, cancel := d.step(ctx)
		defer cancel()
		_, err := l.Head(step, streamProbe)
		switch {
		case err == nil:
			d.ok(name, "streams are kept, and can be resumed and cancelled")
			return
		case !errors.Is(err, wirepost.ErrNotSupported):
			d.fail(name, wirepost.ProblemStore, "the log of a stream cannot be read: "+err.Error(), "")
			return
		}
	}
	if d.o.Getenv(longVariable) == "" {
		d.skip(name, "the store has no log, so a stream could not be resumed or cancelled")
		return
	}
	d.warn(name, wirepost.ProblemStreamNotKept, "", "")
}
