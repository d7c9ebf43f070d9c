//lint:file-ignore SA1019 a deprecated resolver is what people have left over

package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
)

// lookalike is one way in which a post fails, once for the doctor, once for a
// Publisher and once for AWS's own client.
type lookalike struct {
	name string
	make func(w *world)
	raw  string // the endpoint; empty: apiURL
	// doctor is what the doctor finds; nil: nothing is wrong with the endpoint.
	doctor []wirepost.Problem
	// explain is what there is to find in an error at best.
	explain wirepost.Problem
	// Where an error cannot show that, what Explain says instead, and why.
	ours, theirs wirepost.Problem
	why          string
}

func (l *lookalike) endpoint() string {
	if l.raw == "" {
		return apiURL
	}
	return l.raw
}

const nothing wirepost.Problem = "nothing"

func lookalikes() []lookalike {
	invoke := func(rest string) func(*world) { return post403("AccessDeniedException", denied("Invoke", rest)) }
	return []lookalike{
		{name: "NXDOMAIN, the service's own host", raw: "https://execute-api.eu-west-1.amazonaws.com", doctor: problems(wirepost.ProblemEndpointUnset), explain: wirepost.ProblemEndpointUnset},
		{name: "NXDOMAIN, a stage for a host", raw: "https://dev", doctor: problems(wirepost.ProblemEndpointHost), explain: wirepost.ProblemEndpointHost},
		{name: "NXDOMAIN, an API", make: func(w *world) { delete(w.names, apiHost) }, doctor: problems(wirepost.ProblemEndpointUnresolved), explain: wirepost.ProblemEndpointUnresolved},
		{name: "a private address, 403", make: func(w *world) {
			w.names[apiHost] = []string{"10.0.1.23"}
			w.serveTLS("10.0.1.23", certificate(w.t, apiHost), http.HandlerFunc(forbidden))
		}, doctor: problems(wirepost.ProblemEndpointPrivate), explain: wirepost.ProblemEndpointPrivate,
			ours: wirepost.ProblemForbidden, theirs: wirepost.ProblemForbidden, why: "an error does not have the address that was dialled"},
		{name: "a public address, TCP never connects", make: func(w *world) { w.at[publicIP] = full(w.t) }, doctor: problems(wirepost.ProblemEndpointUnreachable), explain: wirepost.ProblemEndpointUnreachable,
			theirs: wirepost.ProblemNoAnswer, why: "AWS's client says the same of a silent server"},
		{name: "403, no stage", raw: "https://" + apiHost, doctor: problems(wirepost.ProblemEndpointStageMissing), explain: wirepost.ProblemEndpointStageMissing},
		{name: "403, a stage that does not exist", make: notThere, doctor: problems(wirepost.ProblemForbidden), explain: wirepost.ProblemForbidden},
		{name: "403, everything looks right", make: func(w *world) { w.fault = answer(gateway.CallPost, gateway.Fault{Status: 403}) }, doctor: problems(wirepost.ProblemForbidden), explain: wirepost.ProblemForbidden},
		{name: "403, Invoke with the stage twice", raw: "https://" + customHost + "/prod", make: invoke("prod/POST/prod/@connections/AAAA"), doctor: problems(wirepost.ProblemEndpointStageOnDomain), explain: wirepost.ProblemEndpointStageOnDomain},
		{name: "403, Invoke with @connections twice", raw: apiURL + "/@connections", make: invoke("prod/POST/@connections/@connections/AAAA"), doctor: problems(wirepost.ProblemEndpointSuffix), explain: wirepost.ProblemEndpointSuffix},
		{name: "403, ManageConnections", make: post403("AccessDeniedException", ""), doctor: problems(wirepost.ProblemSendDenied), explain: wirepost.ProblemSendDenied},
		{name: "403, the signature does not match", make: func(w *world) {
			w.options.Credentials = given(aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: "wrong"})
		}, doctor: problems(wirepost.ProblemSignatureMismatch), explain: wirepost.ProblemSignatureMismatch},
		{name: "403, another region", raw: "https://" + customHost + "/prod", make: func(w *world) { w.env["AWS_REGION"] = "us-east-1" }, doctor: problems(wirepost.ProblemSigningRegion), explain: wirepost.ProblemSigningRegion},
		{name: "403, no credentials", make: func(w *world) { w.options.Credentials = nobody{} }, doctor: problems(wirepost.ProblemCredentialsMissing), explain: wirepost.ProblemCredentialsMissing},
		{name: "403, Missing Authentication Token although signed", raw: "https://" + customHost + "/prod", make: post403("MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`), doctor: problems(wirepost.ProblemPathNotSend), explain: wirepost.ProblemPathNotSend},
		{name: "403, an unknown key", make: func(w *world) {
			w.options.Credentials = given(aws.Credentials{AccessKeyID: "AKIDOTHER", SecretAccessKey: "x"})
		}, doctor: problems(wirepost.ProblemCredentialsInvalid), explain: wirepost.ProblemCredentialsInvalid},
		{name: "404, no method found", raw: "https://" + customHost + "/prod", make: func(w *world) {
			w.fault = answer(gateway.CallPost, gateway.Fault{Status: 404, ErrorType: "NotFoundException", Body: `{"message":"No method found matching route x/@connections/AAAA for http method POST."}`})
		}, doctor: problems(wirepost.ProblemPathNotSend), explain: wirepost.ProblemPathNotSend},
		{name: "400, an ID that was never issued", make: func(w *world) {
			w.fault = answer(gateway.CallPost, gateway.Fault{Status: 400, Body: `{"message":"Invalid connectionId: AAAA"}`})
		}, explain: wirepost.ProblemConnectionID},
		{name: "410", explain: wirepost.ProblemConnectionGone},
		{name: "429", make: func(w *world) { w.fault = answer(gateway.CallPost, gateway.Fault{Status: 429}) }, doctor: problems(wirepost.ProblemThrottled), explain: wirepost.ProblemThrottled},
		{name: "200, a page", raw: "https://" + customHost + "/prod", make: func(w *world) {
			w.serveTLS(customIP, certificate(w.t, customHost), http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "<html>hello</html>") }))
		}, doctor: problems(wirepost.ProblemNotAPIGateway), explain: wirepost.ProblemNotAPIGateway, theirs: nothing, why: "AWS's client takes it for a success"},

		// What is not in that table and people meet as well.
		{name: "wss", raw: "wss://" + apiHost + "/prod", doctor: problems(wirepost.ProblemEndpointScheme), explain: wirepost.ProblemEndpointScheme},
		{name: "no scheme", raw: apiHost + "/prod", doctor: problems(wirepost.ProblemEndpointScheme), explain: wirepost.ProblemEndpointScheme},
		{name: "no host", raw: "https:///prod", doctor: problems(wirepost.ProblemEndpointHost), explain: wirepost.ProblemEndpointHost},
		{name: "a line break", raw: apiURL + "\n", doctor: problems(wirepost.ProblemEndpointScheme), explain: wirepost.ProblemEndpointScheme},
		{name: "refused", make: func(w *world) { w.at[publicIP] = closed(w.t) }, doctor: problems(wirepost.ProblemEndpointRefused), explain: wirepost.ProblemEndpointRefused},
		{name: "a certificate of another name", raw: "https://" + customHost, make: func(w *world) {
			w.serveTLS(customIP, certificate(w.t, "*.execute-api.eu-west-1.amazonaws.com"), http.HandlerFunc(forbidden))
		}, doctor: problems(wirepost.ProblemEndpointCertificate), explain: wirepost.ProblemEndpointCertificate},
		{name: "plain HTTP", make: func(w *world) { w.at[publicIP] = strings.TrimPrefix(w.serve(http.NotFoundHandler()), "http://") }, doctor: problems(wirepost.ProblemNotAPIGateway), explain: wirepost.ProblemNotAPIGateway},
		{name: "the signature is too old", make: post403("InvalidSignatureException", `{"message":"Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z"}`), doctor: problems(wirepost.ProblemClockSkew), explain: wirepost.ProblemClockSkew},
		{name: "another account", make: post403("AccessDeniedException", strings.Replace(denied("ManageConnections", "prod/POST/@connections/{connectionId}"), "********3333", "********6604", 1)), doctor: problems(wirepost.ProblemCredentialsAccount), explain: wirepost.ProblemCredentialsAccount},
		{name: "500", make: func(w *world) { w.fault = answer(gateway.CallPost, gateway.Fault{Status: 500}) }, doctor: problems(wirepost.ProblemServerError), explain: wirepost.ProblemServerError},
		{name: "413", make: func(w *world) { w.fault = answer(gateway.CallPost, gateway.Fault{Status: 413}) }, doctor: problems(wirepost.ProblemMessageSize), explain: wirepost.ProblemMessageSize},
		{name: "a server that is none", raw: "https://" + customHost + "/prod", make: func(w *world) {
			w.serveTLS(customIP, certificate(w.t, customHost), answers(404, "no such file"))
		}, doctor: problems(wirepost.ProblemNotAPIGateway), explain: wirepost.ProblemNotAPIGateway},
		{name: "another protocol behind TLS's port", make: func(w *world) {
			w.at[publicIP] = each(w.t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n"); once(c) })
		}, doctor: problems(wirepost.ProblemNotAPIGateway), explain: wirepost.ProblemNotAPIGateway},
		{name: "TLS is reset", make: func(w *world) { w.at[publicIP] = each(w.t, func(c net.Conn) { once(c); resets(c) }) },
			doctor: problems(wirepost.ProblemEndpointUnreachable), explain: wirepost.ProblemEndpointUnreachable,
			theirs: wirepost.ProblemNoAnswer, why: "the error of AWS's client does not tell whether the handshake was over"},
		{name: "no way to the address", make: func(w *world) { w.fail[publicIP] = syscall.ENETUNREACH }, doctor: problems(wirepost.ProblemEndpointUnreachable), explain: wirepost.ProblemEndpointUnreachable},
		{name: "the answer is cut off", make: func(w *world) { w.fault = answer(gateway.CallPost, gateway.Fault{ResetAfter: true}) }, doctor: problems(wirepost.ProblemNoAnswer), explain: wirepost.ProblemNoAnswer},
	}
}

// nobody has no credentials.
type nobody struct{}

func (nobody) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, errors.New("no role")
}

const absentID = "L0SM9cOFvHcCIhw="

// postOurs posts by a Publisher that is told the endpoint.
func (w *world) postOurs(raw string) error {
	p := wirepost.NewPublisher(wirepost.NewMemStore(nil), &wirepost.PublisherOptions{
		Endpoint: raw, Region: w.env["AWS_REGION"], Credentials: w.options.Credentials, Transport: w.transport(), PostTimeout: 1500 * time.Millisecond,
	})
	defer p.CloseIdleConnections()
	return p.Post(w.t.Context(), absentID, []byte("x"))
}

// postTheirs posts by AWS's client as people set it up.
func (w *world) postTheirs(raw string) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 1500*time.Millisecond)
	defer cancel()
	cfg := aws.Config{Region: w.env["AWS_REGION"], Credentials: w.options.Credentials, HTTPClient: &http.Client{Transport: w.transport()}, Retryer: func() aws.Retryer { return aws.NopRetryer{} }}
	if w.options.Credentials == (nobody{}) {
		cfg.Credentials = nil // it sends an unsigned request
	}
	client := apigatewaymanagementapi.NewFromConfig(cfg, func(o *apigatewaymanagementapi.Options) {
		if raw != "https://execute-api.eu-west-1.amazonaws.com" { // which it makes up by itself
			o.BaseEndpoint = aws.String(raw)
		}
	})
	_, err := client.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: aws.String(absentID), Data: []byte("x")})
	return err
}

func problemOf(e *wirepost.Error) wirepost.Problem {
	if e == nil {
		return nothing
	}
	return e.Problem
}

func TestExplainTellsLookalikesApart(t *testing.T) {
	all := lookalikes()
	tells := [2]int{}
	for _, l := range all {
		t.Run(l.name, func(t *testing.T) {
			w := newWorld(t)
			w.options.Endpoint = l.endpoint()
			if strings.HasPrefix(l.raw, "wss:") || strings.HasSuffix(l.raw, "\n") {
				environment("WIREPOST_ENDPOINT", l.raw)(w)
			}
			w.options.TrustHosts = []string{customHost}
			w.options.Step = time.Second
			if l.make != nil {
				l.make(w)
			}
			w.start()
			if got := w.run().Problems(); !slices.Equal(got, l.doctor) {
				t.Errorf("the doctor finds %v, want %v", got, l.doctor)
			}
			for i, side := range []struct {
				name string
				err  error
				want wirepost.Problem
			}{
				{"ours", w.postOurs(l.endpoint()), l.ours}, {"AWS's", w.postTheirs(l.endpoint()), l.theirs},
			} {
				got := problemOf(wirepost.Explain(side.err))
				want := side.want
				if want == "" {
					want = l.explain
				}
				if got != want {
					t.Errorf("of %s error Explain says %q, want %q: %v", side.name, got, want, side.err)
				}
				if got == l.explain {
					tells[i]++
				} else {
					t.Logf("of %s error Explain cannot say %s, it says %s: %s", side.name, l.explain, got, l.why)
				}
			}
		})
	}
	t.Logf("of %d ways to fail, Explain tells %d apart in our errors and %d in those of AWS's client", len(all), tells[0], tells[1])
	if tells[0] < tells[1] {
		t.Errorf("AWS's errors show more than ours")
	}
}

// The deprecated resolver is the code of many a blog: it drops the stage and signs
// for another service.
func TestExplainSeesADeprecatedResolverInTheRequest(t *testing.T) {
	w := newWorld(t)
	w.start()
	cfg := aws.Config{Region: "eu-west-1", Credentials: given(keys), HTTPClient: &http.Client{Transport: w.transport()},
		EndpointResolverWithOptions: aws.EndpointResolverWithOptionsFunc(func(string, string, ...any) (aws.Endpoint, error) {
			return aws.Endpoint{URL: apiURL}, nil
		})}
	_, err := apigatewaymanagementapi.NewFromConfig(cfg).PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: aws.String(absentID), Data: []byte("x")})
	if e := wirepost.Explain(err); e == nil || e.Problem != wirepost.ProblemEndpointResolver {
		t.Errorf("Explain says %v of %v", e, err)
	}
}

func TestExplainKnowsWhatAWSClientRefuses(t *testing.T) {
	w := newWorld(t)
	w.start()
	post := func(cfg aws.Config, set func(*apigatewaymanagementapi.Options)) error {
		cfg.HTTPClient = &http.Client{Transport: w.transport()}
		_, err := apigatewaymanagementapi.NewFromConfig(cfg, set).PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: aws.String(absentID), Data: []byte("x")})
		return err
	}
	base := func(o *apigatewaymanagementapi.Options) { o.BaseEndpoint = aws.String(apiURL) }
	for _, tt := range []struct {
		name string
		err  error
		want wirepost.Problem
	}{
		{"FIPS", post(aws.Config{Region: "eu-west-1", Credentials: given(keys)}, func(o *apigatewaymanagementapi.Options) {
			base(o)
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
		}), wirepost.ProblemEndpointVariant},
		{"no region and no endpoint", post(aws.Config{Credentials: given(keys)}, func(*apigatewaymanagementapi.Options) {}), wirepost.ProblemSigningRegion},
		{"an empty region", post(aws.Config{Credentials: given(keys)}, base), wirepost.ProblemSigningRegion},
		{"no credentials in the chain", post(aws.Config{Region: "eu-west-1", Credentials: nobody{}}, base), wirepost.ProblemCredentialsMissing},
	} {
		if got := problemOf(wirepost.Explain(tt.err)); got != tt.want {
			t.Errorf("%s: Explain says %s, want %s: %v", tt.name, got, tt.want, tt.err)
		}
	}
}
