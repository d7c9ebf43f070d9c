package dev

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/wirepost/wirepost/internal/inspector"
)

// awsCalls tells which functions call AWS itself, where nothing of the dev answers them:
// each function and host once on the terminal, and in the record of each invocation. It
// knows of a call that failed, from what the function says; one that AWS has answered
// goes unseen. With inherited credentials calls to AWS are meant, and nothing is said.
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
		`Could not connect to the endpoint URL|Connect timeout on endpoint URL|Failed to resolve|Name or service not known|Temporary failure in name resolution|dial tcp|no such host`)

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
	how := "cannot be reached from here"
	switch {
	case unreached.MatchString(line):
	case refused.MatchString(line):
		how = "refused the development pair of keys"
	default:
		return
	}
	text := fmt.Sprintf("function %s called %s, which is AWS and not this machine, and %s%s", function, host, how, a.another(host))
	inspector.Log(ctx, "wirepost: "+text)
	if a.first(function + " " + host) {
		a.c.Report.Hint(text)
	}
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
	m := deployedAPI.FindStringSubmatch(host)
	if m == nil || strings.EqualFold(m[1], a.api.id) {
		return ""
	}
	return fmt.Sprintf("; that is the API %s, and the one that runs here is %s at %s", strings.ToLower(m[1]), a.api.id, a.listener.endpoint())
}

// variables looks for addresses of deployed APIs in variables: where is what has them,
// such as --env-file. The value may be a secret but for the host.
func (a *awsCalls) variables(where string, env Environment) {
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		m := deployedAPI.FindStringSubmatch(value[:min(len(value), maxScanned)])
		if m == nil || strings.EqualFold(m[1], a.api.id) || !a.first("variable "+where+" "+name) {
			continue
		}
		a.c.Report.Hint(fmt.Sprintf("variable %s of %s is an address of the API %s on AWS, and the one that runs here is %s at %s: what is sent there does not come to the clients here",
			name, where, strings.ToLower(m[1]), a.api.id, a.listener.endpoint()))
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
