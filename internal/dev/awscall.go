package dev

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/wirepost/wirepost/internal/inspector"
	"github.com/wirepost/wirepost/internal/intercept"
)

// awsCalls tells which functions call AWS itself, where nothing of the dev answers them:
// each function and host once on the terminal, and in the record of each invocation. It
// knows of a call from the connection, and of why it failed also from what the function
// says. With inherited credentials calls to AWS are meant, and nothing is said, except
// of another API's.
type awsCalls struct {
	c        *Config
	api      *apiID
	listener *listener

	mu   sync.Mutex
	said map[string]bool
}

var (
	hostOfAWS = regexp.MustCompile(`(?i)\b[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.(?:amazonaws\.com(?:\.cn)?|api\.aws)\b`)

	// unreached are the words of clients that could not connect: those of Node.js, of
	// boto3 and urllib3, and of Go.
	unreached = regexp.MustCompile(`ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|getaddrinfo|ConnectionError|ConnectTimeout|NameResolutionError|` +
		`Tunnel connection failed|ProxyConnectionError|Could not connect to the endpoint URL|Connect timeout on endpoint URL|Failed to resolve|Name or service not known|Temporary failure in name resolution|dial tcp|no such host`)

	// refused are codes by which services of AWS refuse the development pair. The
	// gateway has some of them too, so they count only next to a host of AWS.
	refused = regexp.MustCompile(`UnrecognizedClientException|InvalidClientTokenId|InvalidSignatureException|SignatureDoesNotMatch|InvalidAccessKeyId|IncompleteSignature|security token included in the request`)

	deployedAPI = regexp.MustCompile(`(?i)\b([a-z0-9]{10})\.execute-api\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)\b`)
)

// maxScanned is how much of a line or a value is looked at.
const maxScanned = 4 << 10

// failed looks at a line that a function has printed, or at its error.
func (a *awsCalls) failed(ctx context.Context, function, line string) {
	if a.c.Inherit {
		return
	}
	line = line[:min(len(line), maxScanned)]
	host := awsHost(line)
	if host == "" {
		return
	}
	how := unreachable
	switch {
	case unreached.MatchString(line):
	case refused.MatchString(line):
		how = ", and refused the development pair of keys"
	default:
		return
	}
	a.tell(ctx, function, host, how)
}

const unreachable = ", and cannot be reached from here"

// elsewhere looks at a call to a host of AWS that nothing of the dev answers.
func (a *awsCalls) elsewhere(call intercept.Call) {
	switch {
	case a.c.Inherit:
	case call.Err != nil:
		a.tell(call.Client.Context(), call.Client.Name, call.Host.Name, unreachable)
	default:
		a.tell(call.Client.Context(), call.Client.Name, call.Host.Name, "")
	}
}

// anotherAPI tells of a call to an API that does not run here.
func (a *awsCalls) anotherAPI(call intercept.Call, refused bool) {
	how := ""
	if refused {
		how = ", and was refused, because it is signed with the development pair of keys"
	}
	a.tell(call.Client.Context(), call.Client.Name, call.Host.Name, how)
}

// tell tells of a call to AWS.
func (a *awsCalls) tell(ctx context.Context, function, host, how string) {
	text := fmt.Sprintf("function %s called %s, which is AWS and not this machine%s%s", function, host, how, a.another(host))
	inspector.Log(ctx, "wirepost: "+text)
	if a.first(function + " " + host + how) {
		a.c.Report.Hint(text)
	}
}

// inRegion tells of calls to a service that answers here by the name that it has in
// another region than the app's.
func (a *awsCalls) inRegion(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if call, ok := intercept.CallOf(r); ok && call.Host.Region != a.c.Region {
			text := fmt.Sprintf("function %s called %s, which is in %s; the app is in %s", call.Client.Name, call.Host.Name, call.Host.Region, a.c.Region)
			inspector.Log(call.Client.Context(), "wirepost: "+text)
			if a.first(call.Client.Name + " in " + call.Host.Name) {
				a.c.Report.Hint(text)
			}
		}
		h.ServeHTTP(w, r)
	})
}

// awsHost is the first host of AWS in a text, or empty.
func awsHost(text string) string {
	for _, at := range hostOfAWS.FindAllStringIndex(text, -1) {
		rest := text[at[1]:]
		if longer := len(rest) > 1 && (rest[0] == '-' || rest[0] == '.' && rest[1] != ' '); !longer {
			return strings.ToLower(text[at[0]:at[1]])
		}
	}
	return ""
}

// another says of the host of another API which one is here.
func (a *awsCalls) another(host string) string {
	id := a.anotherID(host)
	if id == "" {
		return ""
	}
	return fmt.Sprintf("; that is the API %s, and the one that runs here is %s at %s: if it is this one on AWS, give --deployed-api %s", id, a.api.id, a.listener.endpoint(), id)
}

// anotherID is the ID of the first API in a text, if calls to it do not come here.
func (a *awsCalls) anotherID(text string) string {
	m := deployedAPI.FindStringSubmatch(text[:min(len(text), maxScanned)])
	if m == nil {
		return ""
	}
	id := strings.ToLower(m[1])
	if id == a.api.id || slices.Contains(a.c.Deployed, id) {
		return ""
	}
	return id
}

// variables looks for addresses of deployed APIs in variables: where is what has them,
// such as --env-file. The value may be a secret but for the host.
func (a *awsCalls) variables(where string, env Environment) {
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		id := a.anotherID(value)
		if id == "" || !a.first("variable "+where+" "+name) {
			continue
		}
		a.c.Report.Hint(fmt.Sprintf("variable %s of %s is an address of the API %s on AWS, and the one that runs here is %s at %s: what is sent there does not come to the clients here; if it is this one on AWS, give --deployed-api %s",
			name, where, id, a.api.id, a.listener.endpoint(), id))
	}
}

// first reports whether something is said for the first time.
func (a *awsCalls) first(what string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.said == nil {
		a.said = map[string]bool{}
	}
	if a.said[what] || len(a.said) >= maxSaid {
		return false
	}
	a.said[what] = true
	return true
}

// maxSaid bounds the lines about calls to AWS: a function may make hosts up.
const maxSaid = 100
