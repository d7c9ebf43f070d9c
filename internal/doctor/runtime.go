package doctor

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/wirepost/wirepost"
)

const (
	// slowFailure is how long AWS's client takes to report a bad endpoint: 2.9 s in
	// the median and 5.9 s at the most, with its three attempts.
	slowFailure = 6 * time.Second
	// defaultIdle is how many idle connections to a host AWS's client keeps.
	defaultIdle = 10
)

// functionTime is the time of the invocation, at its beginning; zero: not known.
func (d *run) functionTime(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok || !d.o.InFunction {
		return 0
	}
	return time.Until(deadline)
}

// runtime looks at the process that sends.
func (d *run) runtime(timeout time.Duration) {
	switch {
	case timeout == 0:
		d.skip("timeout", "this is not inside a function")
	case timeout < slowFailure:
		d.warn("timeout", wirepost.ProblemFunctionTimeout,
			fmt.Sprintf("the function's timeout is %s; AWS's client needs up to %s to report a bad endpoint, and you would only see \"Task timed out\"", timeout.Round(time.Second), slowFailure), "")
	default:
		d.ok("timeout", timeout.Round(time.Second).String())
	}
	d.longFunction()

	idle, known := defaultIdle, true
	switch {
	case d.o.ClientConfig == nil:
		d.ok("pool", "wirepost keeps a connection for each post in flight")
		return
	case d.o.Concurrency == 0:
		d.skip("pool", "it is not known how many posts AWS's client has in flight")
		return
	}
	switch c := d.o.ClientConfig.HTTPClient.(type) {
	case nil:
	case interface{ GetTransport() *http.Transport }: // AWS's own
		idle = c.GetTransport().MaxIdleConnsPerHost
	case *http.Client:
		t, ok := c.Transport.(*http.Transport)
		switch {
		case ok && t.MaxIdleConnsPerHost > 0:
			idle = t.MaxIdleConnsPerHost
		case ok || c.Transport == nil:
			idle = http.DefaultMaxIdleConnsPerHost
		default:
			known = false
		}
	default:
		known = false
	}
	switch {
	case !known:
		d.skip("pool", "the HTTP client of AWS's client is of a kind that does not tell")
	case idle < d.o.Concurrency:
		d.warn("pool", wirepost.ProblemPoolSmall, fmt.Sprintf("AWS's client keeps %d idle connections, and %d posts are in flight: most posts open a connection of their own", idle, d.o.Concurrency),
			fmt.Sprintf("use sdkclient.New, or set MaxIdleConnsPerHost of its transport to %d", d.o.Concurrency))
	default:
		d.ok("pool", fmt.Sprintf("%d idle connections for %d posts in flight", idle, d.o.Concurrency))
	}
}
