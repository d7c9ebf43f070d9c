package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/wirepost/wirepost"
)

// probeBody is what nobody receives.
const probeBody = `{"wirepost":"doctor"}`

// faultRules is the cure of what a gateway on this machine answers only because it was
// told to: it has no policies, no control plane and, unless it is told, no rate.
const faultRules = "a fault rule of the gateway on this machine may answer so: 'wirepost fault' lists them, 'wirepost fault --clear' ends them"

// otherPair is the cure of a signature that a gateway on this machine does not take.
const otherPair = "run this in the folder of the gateway that answers: a 'wirepost dev' that listens for other machines has a pair of its own, in .wirepost/credentials.json"

// send posts to a made-up connection ID, which can reach nobody, and reads what API
// Gateway says in its own words. POST comes first and decides: policies often
// allow nothing else. 410 and 400 are both as it should be: which of them an ID that
// was never issued gets is UNCERTAIN, since reports differ.
func (d *run) send(ctx context.Context) {
	names := []string{"account", "send", "get", "delete"}
	skip := func(reason string, names ...string) {
		for _, n := range names {
			d.skip(n, reason)
		}
	}
	switch {
	case d.gone != "":
		skip(d.gone, names...)
		return
	case !d.mayBeSigned(d.url.Hostname(), d.url.Host):
		d.gone = "a signed request goes to execute-api hosts and to this machine only; if this host is yours, add --trust-host " + d.url.Hostname()
		if d.o.InFunction {
			d.gone = "a signed request goes to execute-api hosts only; if this host is yours, name it in the function's doctor.Options.TrustHosts"
		}
		skip(d.gone, names...)
		return
	}
	d.trusted = true
	verdict, err := d.call(ctx, http.MethodPost, probeID)
	if err != nil {
		d.skip("account", "nobody answered")
		d.add(explained("send", Fail, d.unanswered(err)))
		d.gone = "nobody answered"
		skip(d.gone, "get", "delete")
		return
	}
	if verdict != nil && verdict.Problem == wirepost.ProblemForbidden && d.realOneAnswers(ctx) {
		// That API Gateway answers 403 for an ID that it never issued was reported once
		// (awsdocs/amazon-api-gateway-developer-guide issue 27); a real one decides.
		verdict = nil
	}
	if verdict != nil && verdict.Problem == wirepost.ProblemCredentialsAccount {
		d.add(explained("account", Fail, verdict))
		d.gone = "the credentials are of another account"
		skip(d.gone, "send", "get", "delete")
		return
	}
	if d.account == "" {
		d.skip("account", "the account of the credentials is not known")
	} else {
		d.ok("account", "nothing says that the API is of another account than "+d.account)
	}
	if p := d.noGateway(verdict); p != nil {
		d.add(*p)
		d.gone = "it is not a gateway that answers"
		skip(d.gone, "get", "delete")
		return
	}
	if verdict == nil {
		d.ok("send", "endpoint, stage, signature and permission to send are right: API Gateway knows no such connection, as it should")
		if c := d.report.check("endpoint"); c.Problem == wirepost.ProblemEndpointStageOnDomain {
			*c = Check{Name: c.Name, Status: OK, Sentence: d.endpoint.URL + " (a mapping key that is called like the stage)"}
		}
		d.verb(ctx, http.MethodGet, "get", wirepost.ProblemGetDenied)
		d.verb(ctx, http.MethodDelete, "delete", wirepost.ProblemDeleteDenied)
		return
	}
	d.add(d.refusal(verdict))
	d.gone = "sending does not work"
	skip(d.gone, "get", "delete")
}

// call makes one signed call. The verdict is nil if API Gateway did as it should for
// a connection that is not there.
func (d *run) call(ctx context.Context, method, id string) (*wirepost.Error, error) {
	return d.callAt(ctx, d.endpoint.Region, method, d.callURL(id))
}

// callAt makes one signed call to any endpoint that may get one.
func (d *run) callAt(ctx context.Context, region, method, callURL string) (*wirepost.Error, error) {
	var body []byte
	if method == http.MethodPost {
		body = []byte(probeBody)
	}
	step, cancel := d.step(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(step, method, callURL, nil)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	resp, err := d.doIn(region, req, "execute-api", body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // as much as there is
	e := wirepost.ExplainResponse(resp, said)
	if d.unmarked && marked(resp.Header) {
		d.unmarked = false
	}
	switch {
	case e == nil && strings.HasSuffix(callURL, escapeID(probeID)):
		return &wirepost.Error{Problem: wirepost.ProblemNotAPIGateway, Status: resp.StatusCode, Body: string(said),
			Detail: fmt.Sprintf("%s of a connection that nobody has was answered with %d, and API Gateway answers 410", method, resp.StatusCode), FixText: d.another()}, nil
	case e == nil, e.Problem == wirepost.ProblemConnectionGone, e.Problem == wirepost.ProblemConnectionID:
		return nil, nil
	}
	return e, nil
}

// noGateway says of what answered a send on this machine, and never said what it is,
// that it is no gateway: any other server has such an answer for a path that it does
// not know.
func (d *run) noGateway(verdict *wirepost.Error) *Check {
	if !d.loopback || !d.unmarked || verdict == nil {
		return nil
	}
	switch verdict.Problem {
	case wirepost.ProblemUnexpected, wirepost.ProblemForbidden, wirepost.ProblemServerError, wirepost.ProblemNotAPIGateway:
	default:
		return nil // in API Gateway's own words
	}
	c := found("send", Fail, wirepost.ProblemNotAPIGateway, fmt.Sprintf("%s answers a send with %d, as no gateway does: it is another program", d.url.Host, verdict.Status), d.another())
	c.Answer = &Answer{verdict.Status, verdict.Body}
	return &c
}

func (d *run) unanswered(err error) *wirepost.Error {
	var ue *url.Error
	if errors.As(err, &ue) && ue.Timeout() {
		return &wirepost.Error{Problem: wirepost.ProblemNoAnswer, Detail: fmt.Sprintf("the signed request got no answer within %s", d.o.Step), FixText: "check what stands between here and the endpoint"}
	}
	e := explain(err)
	if e.Problem == wirepost.ProblemNoAnswer { // the catalogue's words are about a message
		return &wirepost.Error{Problem: e.Problem, Detail: "the signed request got no answer, while one without a signature did: " + cause(err), FixText: "check what stands between here and the endpoint: a firewall may end what it does not know"}
	}
	return e
}

// realOneAnswers asks about a connection of the store, by GET, if it has one of this
// API.
func (d *run) realOneAnswers(ctx context.Context) bool {
	if d.o.Store == nil || d.record == nil {
		return false
	}
	step, cancel := d.step(ctx)
	defer cancel()
	looked := 0
	for l, err := range d.o.Store.Connections(step, wirepost.Everyone(), wirepost.ListOptions{}) {
		if looked++; err != nil || looked > 1000 {
			return false
		}
		if l.Endpoint == d.record.Identity {
			verdict, err := d.call(ctx, http.MethodGet, l.ID)
			return err == nil && (verdict == nil || verdict.Problem == wirepost.ProblemGetDenied)
		}
	}
	return false
}

// verb probes a call that is not needed to send.
func (d *run) verb(ctx context.Context, method, name string, denied wirepost.Problem) {
	verdict, err := d.call(ctx, method, probeID)
	switch {
	case err != nil:
		d.add(explained(name, Warn, d.unanswered(err)))
	case verdict == nil:
		d.ok(name, method+" is allowed")
	case verdict.Problem == denied || verdict.Problem == wirepost.ProblemSendDenied:
		c := explained(name, Warn, verdict)
		c.Problem, c.Sentence = denied, denied.Sentence()
		c.Fix = "allow " + d.policy()
		d.add(c)
	default:
		d.add(explained(name, Warn, verdict))
	}
}

// policy is the statement that allows all three calls.
func (d *run) policy() string {
	account := orElse(d.account, "<account>")
	return fmt.Sprintf(`{"Effect":"Allow","Action":"execute-api:ManageConnections","Resource":"arn:%s:execute-api:%s:%s:%s/%s/*/@connections/*"}`,
		partition(d.endpoint.Region), d.endpoint.Region, account, orElse(d.endpoint.APIID, "<api-id>"), orElse(d.endpoint.Stage, "<stage>"))
}

func partition(region string) string {
	for prefix, name := range map[string]string{"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b", "us-isof-": "aws-iso-f", "eu-isoe-": "aws-iso-e"} {
		if strings.HasPrefix(region, prefix) {
			return name
		}
	}
	return "aws"
}

// refusal says of an answer to the probe what is known here besides.
func (d *run) refusal(e *wirepost.Error) Check {
	c := explained("send", Fail, e)
	host := d.url.Hostname()
	switch e.Problem {
	case wirepost.ProblemSendDenied:
		c.Sentence = orElse(d.report.Identity, "this identity") + " may not send: it lacks execute-api:ManageConnections"
		c.Fix = "allow " + d.policy()
		if e.FixText != "" && d.account == "" {
			c.Fix = e.FixText
		}
		if d.loopback {
			c.Fix = faultRules
		}
	case wirepost.ProblemSigningRegion:
		c.Sentence = fmt.Sprintf("API Gateway wants another region than %s in the signature: the API is not in that region", d.endpoint.Region)
		c.Fix = "set AWS_REGION, or --region, to the region of the API"
	case wirepost.ProblemSignatureMismatch:
		if seen := canonicalPath(e.Body); seen != "" {
			if ours := d.signedPath(); seen != ours {
				c.Sentence = fmt.Sprintf("the signature does not match: signed was the path %s, and API Gateway saw %s", ours, seen)
				c.Fix = "look for a proxy that changes the path between here and " + host
				break
			}
		}
		c.Sentence = "the signature does not match: most often the secret key does not belong to the access key"
		c.Fix = "set AWS_SECRET_ACCESS_KEY to the secret of key " + d.credentials.AccessKeyID
		if d.loopback {
			c.Fix = otherPair
		}
	case wirepost.ProblemCredentialsInvalid:
		if d.loopback {
			c.Sentence = fmt.Sprintf("the gateway on this machine does not know the key %s", d.credentials.AccessKeyID)
			c.Fix = otherPair
		}
	case wirepost.ProblemThrottled:
		c.Sentence = "a single request was answered with 429"
		c.Fix = "run with --control-plane, which shows the stage's limits; a rate of 0 refuses everybody"
		if d.loopback {
			c.Fix = faultRules
		}
		c.Candidates = []wirepost.Problem{wirepost.ProblemThrottleZero, wirepost.ProblemThrottled}
	case wirepost.ProblemServerError:
		c.Sentence = fmt.Sprintf("API Gateway answered %d to a send", e.Status)
		c.Fix = "try again; if it stays, look at the health of API Gateway in " + d.endpoint.Region
		if d.loopback {
			c.Sentence, c.Fix = fmt.Sprintf("the gateway on this machine answered %d to a send", e.Status), faultRules
		}
	case wirepost.ProblemForbidden:
		c.Fix = "run with --control-plane, which tells them apart"
		if d.loopback {
			c.Fix = faultRules
		}
	case wirepost.ProblemPathNotSend:
		if c.Sentence == e.Problem.Sentence() && e.FixText == "" && !isExecuteAPI(host) {
			c.Fix = "use https://" + host + " with its mapping key only"
		}
	}
	return c
}

// signedPath is the path of the probe as its signature has it: what goes over the
// wire, escaped once more.
func (d *run) signedPath() string {
	u, err := url.Parse(d.callURL(probeID))
	if err != nil {
		return ""
	}
	// PathEscape leaves '@' and '$' as they are, which a signature does not.
	return strings.NewReplacer("%2F", "/", "@", "%40", "$", "%24").Replace(url.PathEscape(u.EscapedPath()))
}

// canonicalPath is the path in the canonical request that API Gateway shows when a
// signature does not match: the line after the method.
func canonicalPath(body string) string {
	_, rest, ok := strings.Cut(body, "Canonical String for this request should have been")
	if !ok {
		return ""
	}
	// It is in a string of JSON.
	rest = strings.NewReplacer(`\n`, "\n", `\u0027`, "'").Replace(rest)
	lines := strings.Split(rest, "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasSuffix(strings.TrimSpace(l), http.MethodPost) })
	if i < 0 || i+1 >= len(lines) || !strings.HasPrefix(lines[i+1], "/") {
		return ""
	}
	return strings.TrimSpace(lines[i+1])
}
