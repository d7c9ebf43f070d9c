package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
)

const (
	// probeID has the form of a connection ID and is none that anybody has.
	probeID = "AAAAAAAAAAAAAAA="
	// maxBody is what is read of an answer.
	maxBody = 8 << 10

	clockWarn = time.Minute
	clockFail = 5 * time.Minute
)

// callURL is the URL of a call about a connection, escaped as AWS's SDK does.
func (d *run) callURL(id string) string {
	return d.endpoint.URL + "/@connections/" + strings.NewReplacer("=", "%3D", "/", "%2F", "+", "%2B").Replace(id)
}

// request makes a request and reads its answer.
func (d *run) request(ctx context.Context, req *http.Request) (*http.Response, []byte, error) {
	step, cancel := d.step(ctx)
	defer cancel()
	req.Header.Set("User-Agent", "wirepost-doctor/"+wirepost.Version)
	resp, err := d.client.Do(req.WithContext(step))
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil && resp.StatusCode/100 == 2 {
		return nil, nil, err
	}
	return resp, body, nil
}

// answers asks, unsigned, who answers at the endpoint: a signature is for API
// Gateway's eyes only.
func (d *run) answers(ctx context.Context) {
	if d.gone != "" {
		d.skip("answers", d.gone)
		d.skip("clock", d.gone)
		return
	}
	req, err := http.NewRequest(http.MethodGet, d.callURL(probeID), nil)
	if err != nil {
		d.gone = err.Error()
		d.skip("answers", d.gone)
		return
	}
	resp, body, err := d.request(ctx, req)
	if err != nil {
		d.gone = "nobody answers"
		e := explain(err)
		if e.Problem == wirepost.ProblemNoAnswer {
			e = &wirepost.Error{Problem: wirepost.ProblemNoAnswer, Detail: fmt.Sprintf("%s took the request and did not answer within %s", d.url.Host, d.o.Step),
				FixText: "check what the name points to, and what stands between"}
		}
		if d.proxy != nil && e.Problem == wirepost.ProblemEndpointUnreachable {
			e = &wirepost.Error{Problem: e.Problem, Detail: fmt.Sprintf("the proxy %s, which HTTPS_PROXY names, cannot be reached, or does not reach %s", d.proxy.Host, d.url.Host),
				FixText: "correct HTTPS_PROXY, start the proxy, or put the host into NO_PROXY"}
		}
		d.add(explained("answers", Fail, e))
		d.skip("clock", d.gone)
		return
	}
	if p, sentence, fix := d.impostor(resp); p != "" {
		d.gone = "it is not this API's gateway that answers"
		c := found("answers", Fail, p, sentence, fix)
		c.Answer = &Answer{Status: resp.StatusCode}
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			c.Answer.Body = string(body)
		}
		d.add(c)
		d.skip("clock", d.gone)
		return
	}
	d.answering = true
	who := "API Gateway"
	if d.loopback {
		who = "a gateway on this machine"
		if !marked(resp.Header) {
			who = "something on this machine that does not say what it is"
		}
		if api := resp.Header.Get("X-Wirepost-Api"); api != "" {
			who = "wirepost's gateway of " + api
		}
	}
	d.ok("answers", who)
	d.clock(resp)
}

// impostor says why what answers is not the gateway that was meant. That API Gateway
// puts one of its headers on the answer to an unsigned request too is UNCERTAIN;
// recorded answers to signed ones have them.
func (d *run) impostor(resp *http.Response) (p wirepost.Problem, sentence, fix string) {
	h := resp.Header
	where := d.url.Scheme + "://" + d.url.Host
	server := h.Get("Server")
	cloudFront := server == "CloudFront" || h.Get("X-Amz-Cf-Id") != "" || strings.Contains(strings.ToLower(h.Get("Via")), "cloudfront")
	gateway := marked(h)
	html := strings.HasPrefix(h.Get("Content-Type"), "text/html")
	use := "use the execute-api endpoint: https://<api-id>.execute-api." + d.endpoint.Region + dnsSuffix(d.endpoint.Region) + "/<stage>"
	switch {
	case cloudFront && !isExecuteAPI(d.url.Hostname()):
		// A signature is for the Host that API Gateway sees, which is not this one
		// (aws/aws-sdk-js-v3 issue 1830).
		return wirepost.ProblemNotAPIGateway, where + " is answered by CloudFront, so @connections cannot work there", use
	case resp.StatusCode/100 == 3:
		return wirepost.ProblemNotAPIGateway, fmt.Sprintf("%s redirects to %s, and API Gateway does not redirect", where, shownURL(h.Get("Location"))), use
	case !gateway && d.loopback && !html && resp.StatusCode/100 != 2:
		return "", "", "" // another gateway for laptops, which does not say what it is
	case !gateway:
		if server == "" {
			server = "something that does not say what it is"
		}
		if d.loopback {
			use = "start the gateway with 'wirepost dev', or correct the port"
		}
		return wirepost.ProblemNotAPIGateway, fmt.Sprintf("%s is answered by %s, not by API Gateway", where, server), use
	}
	api, stage, ok := strings.Cut(h.Get("X-Wirepost-Api"), "/")
	if !ok || !d.loopback {
		return "", "", ""
	}
	if d.endpoint.APIID != "" && d.endpoint.APIID != api {
		return wirepost.ProblemEndpointAnotherAPI, fmt.Sprintf("the gateway that answers is that of %s/%s, and the endpoint is that of %s/%s", api, stage, d.endpoint.APIID, d.endpoint.Stage), ""
	}
	if d.endpoint.Stage != stage {
		return wirepost.ProblemStageUnknown, fmt.Sprintf("the gateway of %s has the stage %q and not %q", api, stage, d.endpoint.Stage), "use " + strings.TrimSuffix(d.endpoint.URL, d.endpoint.Stage) + stage
	}
	d.endpoint.APIID = api
	d.report.API = api + "/" + stage
	return "", "", ""
}

// marked reports whether an answer has one of API Gateway's headers.
func marked(h http.Header) bool {
	return h.Get("X-Amzn-Errortype") != "" || h.Get("X-Amzn-Requestid") != "" || h.Get("X-Amz-Apigw-Id") != "" || h.Get("Apigw-Requestid") != ""
}

// clock compares this machine's clock with the Date of an answer.
func (d *run) clock(resp *http.Response) {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		d.skip("clock", "the answer has no date")
		return
	}
	off := d.o.Now().Sub(date).Round(time.Second)
	way := "ahead of"
	if off < 0 {
		off, way = -off, "behind"
	}
	sentence := fmt.Sprintf("this machine's clock is %s %s that of the endpoint", off, way)
	switch {
	case off >= clockFail:
		d.fail("clock", wirepost.ProblemClockSkew, sentence, "")
		d.gone = "no signature would be valid by the endpoint's clock"
	case off > clockWarn:
		d.warn("clock", wirepost.ProblemClockSkew, sentence, "")
	default:
		d.ok("clock", "within a minute of the endpoint's")
	}
}

// mayBeSigned reports whether a signed request may go to a host: to API Gateway's
// own hosts, to this machine, and to what the caller named.
func (d *run) mayBeSigned(host, hostPort string) bool {
	return isLoopback(host) || isExecuteAPI(host) || slices.Contains(d.o.TrustHosts, host) || slices.Contains(d.o.TrustHosts, hostPort)
}
