package doctor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/doctor"
	"github.com/wirepost/wirepost/wireposttest"
)

// row is one way in which things are wrong, made for real, and what the doctor has to
// call it.
type row struct {
	name string
	make func(w *world)
	want []wirepost.Problem
	// candidates are those of the first problem.
	candidates []wirepost.Problem
	// says is in the sentence or the fix of the first problem.
	says []string
	// fine tells that there are warnings only.
	fine bool
}

func endpoint(raw string) func(*world) { return func(w *world) { w.options.Endpoint = raw } }

func environment(name, value string) func(*world) {
	return func(w *world) {
		w.options.Endpoint = ""
		w.env[name] = value
	}
}

// trusted is the custom domain as the endpoint, with signed requests allowed.
func trusted(path string) func(*world) {
	return func(w *world) {
		w.options.Endpoint = "https://" + customHost + path
		w.options.TrustHosts = []string{customHost}
	}
}

func problems(p ...wirepost.Problem) []wirepost.Problem { return p }

func configurationRows() []row {
	return []row{
		{name: "nothing is wrong"},
		{name: "a deprecated resolver", make: func(w *world) {
			//lint:ignore SA1019 this is what people have left over
			w.options.ClientConfig = &aws.Config{EndpointResolverWithOptions: aws.EndpointResolverWithOptionsFunc(func(string, string, ...any) (aws.Endpoint, error) { return aws.Endpoint{}, nil })}
		}, want: problems(wirepost.ProblemEndpointResolver), fine: true},
		{name: "no endpoint at all", make: endpoint(""), want: problems(wirepost.ProblemEndpointUnset), says: []string{"https://execute-api.eu-west-1.amazonaws.com", "WIREPOST_ENDPOINT="}},
		{name: "the service's own host", make: endpoint("https://execute-api.eu-west-1.amazonaws.com"), want: problems(wirepost.ProblemEndpointUnset)},
		{name: "wss in the environment", make: environment("WIREPOST_ENDPOINT", "wss://"+apiHost+"/prod"), want: problems(wirepost.ProblemEndpointScheme), says: []string{"use " + apiURL, "in WIREPOST_ENDPOINT"}},
		{name: "wss in the environment, and the store knows better", make: both(environment("WIREPOST_ENDPOINT", "wss://"+apiHost+"/prod"), func(w *world) {
			w.options.Store = w.store
			w.learn(identity, apiURL)
		}), want: problems(wirepost.ProblemEndpointScheme)},
		{name: "http to another machine", make: endpoint("http://" + apiHost + "/prod"), want: problems(wirepost.ProblemEndpointScheme)},
		{name: "no scheme", make: endpoint(apiHost + "/prod"), want: problems(wirepost.ProblemEndpointScheme), says: []string{"use " + apiURL}},
		{name: "two schemes", make: endpoint("https://https:" + apiHost), want: problems(wirepost.ProblemEndpointScheme)},
		{name: "a line break at its end", make: environment("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", apiURL+"\n"), want: problems(wirepost.ProblemEndpointScheme)},
		{name: "upper-case letters", make: endpoint("https://ABC123.execute-api.eu-west-1.amazonaws.com/prod"), want: problems(wirepost.ProblemEndpointHost)},
		{name: "the stage took the host's place", make: endpoint("https://dev"), want: problems(wirepost.ProblemEndpointHost), says: []string{`"dev"`}},
		{name: "no host", make: endpoint("https:///prod"), want: problems(wirepost.ProblemEndpointHost)},
		{name: "@connections is in it", make: endpoint(apiURL + "/@connections"), want: problems(wirepost.ProblemEndpointSuffix), says: []string{"use " + apiURL}},
		{name: "a query is in it", make: endpoint(apiURL + "?x=1"), want: problems(wirepost.ProblemEndpointPath)},
		{name: "no stage, and the store knows which", make: func(w *world) {
			w.options.Endpoint, w.options.Store = "https://"+apiHost, w.store
			w.learn(identity, apiURL)
		}, want: problems(wirepost.ProblemEndpointStageMissing), says: []string{"append /prod (stages found: prod)"}},
		{name: "no stage, and the store knows another API's", make: func(w *world) {
			w.options.Endpoint, w.options.Store = "https://other1."+strings.TrimPrefix(apiHost, "abc123."), w.store
			w.learn(identity, apiURL)
		}, want: problems(wirepost.ProblemEndpointStageMissing), says: []string{wirepost.ProblemEndpointStageMissing.Fix()}},
		{name: "the stage on a custom domain", make: func(w *world) {
			w.options.Endpoint, w.options.Store = "https://"+customHost+"/prod", w.store
			w.learn(identity, apiURL)
		}, want: problems(wirepost.ProblemEndpointStageOnDomain), says: []string{"/prod/prod/@connections", "use https://ws.example.com"}},
		{name: "a mapping key that is called like the stage", make: func(w *world) {
			trusted("/prod")(w)
			w.options.Store = w.store
			w.learn(identity, apiURL)
		}},
		{name: "AWS's variable of the management API", make: func(w *world) { w.env["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] = "http://127.0.0.1:4566" },
			want: problems(wirepost.ProblemEndpointOverride), says: []string{"AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI=http://127.0.0.1:4566"}, fine: true},
		{name: "AWS's variable of all services", make: func(w *world) { w.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:4566" },
			want: problems(wirepost.ProblemEndpointOverride), fine: true},
		{name: "AWS's variables are ignored", make: func(w *world) {
			w.env["AWS_ENDPOINT_URL"], w.env["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "http://127.0.0.1:4566", "true"
		}},
		{name: "AWS's configuration file", make: func(w *world) {
			file := filepath.Join(w.t.TempDir(), "config")
			if err := os.WriteFile(file, []byte("[default]\nservices = local\n[services local]\napigatewaymanagementapi =\n  endpoint_url = http://127.0.0.1:4566\n"), 0o600); err != nil {
				w.t.Fatal(err)
			}
			w.env["AWS_CONFIG_FILE"] = file
		}, want: problems(wirepost.ProblemEndpointOverride), says: []string{"endpoint_url in "}, fine: true},
		{name: "the environment has another endpoint than the events", make: func(w *world) {
			environment("WIREPOST_ENDPOINT", apiURL)(w)
			w.options.Store = w.store
			w.learn(identity, "https://"+apiHost+"/live")
		}, want: problems(wirepost.ProblemEndpointOverride), fine: true},
		{name: "FIPS", make: func(w *world) { w.env["AWS_USE_FIPS_ENDPOINT"] = "true" }, want: problems(wirepost.ProblemEndpointVariant), fine: true},
		{name: "an API by its ID", make: func(w *world) { w.options.Endpoint, w.options.APIID, w.options.Stage = "", "abc123", "prod" }},
		{name: "an API by its ID, by the store", make: func(w *world) {
			w.options.Endpoint, w.options.APIID, w.options.Store, w.env["AWS_REGION"] = "", "abc123", w.store, "us-east-1"
			w.learn(identity, apiURL)
		}},
		{name: "an API by its ID without a stage", make: func(w *world) { w.options.Endpoint, w.options.APIID = "", "abc123" }, want: problems(wirepost.ProblemEndpointStageMissing)},
		{name: "an API by its ID without a region", make: func(w *world) {
			w.options.Endpoint, w.options.APIID, w.options.Stage, w.env["AWS_REGION"] = "", "abc123", "prod", ""
		}, want: problems(wirepost.ProblemSigningRegion), says: []string{"--region"}},
		{name: "another region", make: func(w *world) { w.env["AWS_REGION"] = "us-east-1" }, want: problems(wirepost.ProblemSigningRegion), says: []string{"eu-west-1", "us-east-1", "AWS_REGION=eu-west-1"}},
		{name: "no region", make: func(w *world) {
			endpoint("https://" + customHost)(w)
			w.env["AWS_REGION"] = ""
		}, want: problems(wirepost.ProblemSigningRegion), says: []string{"empty region"}},
	}
}

func networkRows() []row {
	return []row{
		{name: "the API is not there", make: func(w *world) { delete(w.names, apiHost) }, want: problems(wirepost.ProblemEndpointUnresolved), says: []string{"while dynamodb.eu-west-1.amazonaws.com does", "get-apis --region eu-west-1"}},
		{name: "the custom domain has no record", make: func(w *world) { trusted("")(w); delete(w.names, customHost) }, want: problems(wirepost.ProblemEndpointUnresolved), says: []string{"DNS record"}},
		{name: "no name resolves", make: func(w *world) { w.names = nil }, want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"no name can be looked up"}},
		{name: "the name server is silent", make: func(w *world) {
			w.options.Step = time.Second
			w.names[apiHost] = []string{"hang"}
		}, want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"no name can be looked up"}},
		{name: "a VPC endpoint with private DNS", make: func(w *world) {
			w.names[apiHost] = []string{"10.0.1.23"}
			w.serveTLS("10.0.1.23", certificate(w.t, apiHost), http.HandlerFunc(forbidden))
		}, want: problems(wirepost.ProblemEndpointPrivate), says: []string{"10.0.1.23"}},
		{name: "a listener that never accepts", make: func(w *world) {
			w.options.Step = time.Second
			w.at[publicIP] = full(w.t)
		}, want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"TCP to " + publicIP + ":443 did not connect", "NAT gateway"}},
		{name: "nothing listens", make: func(w *world) { w.at[publicIP] = closed(w.t) }, want: problems(wirepost.ProblemEndpointRefused)},
		{name: "nothing listens on this machine", make: func(w *world) { endpoint("http://" + closed(w.t) + "/dev")(w) }, want: problems(wirepost.ProblemEndpointRefused), says: []string{"wirepost dev"}},
		{name: "a certificate of another name", make: func(w *world) {
			trusted("")(w)
			w.serveTLS(customIP, certificate(w.t, "*.execute-api.eu-west-1.amazonaws.com"), http.HandlerFunc(forbidden))
		}, want: problems(wirepost.ProblemEndpointCertificate), says: []string{"*.execute-api.eu-west-1.amazonaws.com, not ws.example.com", "d-….execute-api.eu-west-1.amazonaws.com"}},
		{name: "a certificate of an unknown authority", make: func(w *world) { w.roots = nil }, want: problems(wirepost.ProblemEndpointCertificate), says: []string{"does not trust"}},
		{name: "plain HTTP where TLS should be", make: func(w *world) { w.at[publicIP] = strings.TrimPrefix(w.serve(http.NotFoundHandler()), "http://") }, want: problems(wirepost.ProblemNotAPIGateway), says: []string{"plain HTTP"}},
		{name: "TLS gets no answer", make: func(w *world) {
			w.options.Step = time.Second
			w.at[publicIP] = silent(w.t)
		}, want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"TLS handshake"}},
		{name: "the request gets no answer", make: func(w *world) {
			w.options.Step = time.Second
			w.serveTLS(publicIP, certificate(w.t, apiHost), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				panic(http.ErrAbortHandler) // a handler that returns has answered 200
			}))
		}, want: problems(wirepost.ProblemNoAnswer)},
		{name: "CloudFront", make: func(w *world) {
			trusted("")(w)
			w.serveTLS(customIP, certificate(w.t, customHost), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Via", "1.1 x.cloudfront.net (CloudFront)")
				forbidden(rw, r)
			}))
		}, want: problems(wirepost.ProblemNotAPIGateway), says: []string{"CloudFront", "execute-api endpoint"}},
		{name: "a page with 200", make: func(w *world) {
			trusted("")(w)
			w.serveTLS(customIP, certificate(w.t, customHost), http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Server", "nginx")
				fmt.Fprint(rw, "<html>welcome")
			}))
		}, want: problems(wirepost.ProblemNotAPIGateway), says: []string{"nginx"}},
		{name: "a redirect", make: func(w *world) {
			trusted("")(w)
			w.serveTLS(customIP, certificate(w.t, customHost), http.RedirectHandler("https://www.example.com/?token=secret", http.StatusMovedPermanently))
		}, want: problems(wirepost.ProblemNotAPIGateway), says: []string{"redirects"}},
		{name: "the clock is two minutes off", make: func(w *world) {
			w.server = func(s *gateway.Server) { s.Now = func() time.Time { return time.Now().Add(2 * time.Minute) } }
		}, want: problems(wirepost.ProblemClockSkew), says: []string{"behind"}, fine: true},
		{name: "the clock is ten minutes off", make: func(w *world) {
			w.server = func(s *gateway.Server) { s.Now = func() time.Time { return time.Now().Add(-10 * time.Minute) } }
		}, want: problems(wirepost.ProblemClockSkew), says: []string{"ahead of"}},
		{name: "a gateway on this machine of another API", make: func(w *world) {
			w.after = func() {
				w.options.Endpoint, w.options.Store, w.env["AWS_REGION"] = "", w.store, ""
				w.options.Credentials = nil
				w.learn(wirepost.Identity{APIID: "other", Stage: "prod", Region: "us-east-1"}, w.gateway.URL[:0]+"http://"+strings.TrimPrefix(w.gateway.URL, "ws://"))
			}
		}, want: problems(wirepost.ProblemEndpointAnotherAPI)},
		{name: "a gateway on this machine of another stage", make: func(w *world) {
			w.after = func() {
				w.options.Endpoint = "http://" + strings.TrimSuffix(strings.TrimPrefix(w.gateway.URL, "ws://"), "prod") + "dev"
			}
		}, want: problems(wirepost.ProblemStageUnknown), says: []string{`"prod" and not "dev"`}},
	}
}

// forbidden is API Gateway's 403 of a path that it does not know.
func forbidden(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("X-Amzn-Errortype", "ForbiddenException")
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(http.StatusForbidden)
	fmt.Fprint(rw, `{"message":"Forbidden"}`)
}

func post403(errorType, body string) func(*world) {
	return func(w *world) {
		w.fault = answer(gateway.CallPost, gateway.Fault{Status: 403, ErrorType: errorType, Body: body})
	}
}

func both(a, b func(*world)) func(*world) { return func(w *world) { a(w); b(w) } }

func sendRows() []row {
	candidates := problems(wirepost.ProblemStageNotDeployed, wirepost.ProblemAPIDisabled, wirepost.ProblemStageUnknown, wirepost.ProblemDeploymentStale)
	message := func(text string) string { return `{"message":"` + text + `"}` }
	return []row{
		{name: "no credentials", make: func(w *world) { w.options.Credentials = given(aws.Credentials{}) }, want: problems(wirepost.ProblemCredentialsMissing)},
		{name: "credentials that AWS does not know", make: func(w *world) {
			w.env["AWS_ENDPOINT_URL_STS"] = w.serve(stsError("InvalidClientTokenId", "The security token included in the request is invalid."))
		}, want: problems(wirepost.ProblemCredentialsInvalid)},
		{name: "a secret of another key, says STS", make: func(w *world) {
			w.env["AWS_ENDPOINT_URL_STS"] = w.serve(stsError("SignatureDoesNotMatch", "The request signature we calculated does not match"))
		}, want: problems(wirepost.ProblemSignatureMismatch)},
		{name: "STS cannot be reached and nothing is wrong", make: func(w *world) { w.env["AWS_ENDPOINT_URL_STS"] = "http://" + closed(w.t) }},
		{name: "credentials of another account", make: post403("AccessDeniedException", strings.Replace(denied("ManageConnections", "prod/POST/@connections/{connectionId}"), "********3333", "********6604", 1)),
			want: problems(wirepost.ProblemCredentialsAccount), says: []string{"3333", "6604"}},
		{name: "credentials that API Gateway does not know", make: func(w *world) {
			w.options.Credentials = given(aws.Credentials{AccessKeyID: "AKIDOTHER", SecretAccessKey: "other"})
		}, want: problems(wirepost.ProblemCredentialsInvalid)},
		{name: "an expired session", make: post403("ExpiredTokenException", message("The security token included in the request is expired")), want: problems(wirepost.ProblemCredentialsInvalid)},
		{name: "sending is not allowed", make: post403("AccessDeniedException", ""), want: problems(wirepost.ProblemSendDenied),
			says: []string{"arn:aws:sts::111122223333:assumed-role/send/fn may not send", `"Resource":"arn:aws:execute-api:eu-west-1:111122223333:abc123/prod/*/@connections/*"`}},
		{name: "the stage on a custom domain, says API Gateway", make: both(trusted("/prod"), post403("AccessDeniedException", denied("Invoke", "prod/POST/prod/@connections/AAAA"))),
			want: problems(wirepost.ProblemEndpointStageOnDomain), says: []string{"/prod is too much", "use https://ws.example.com"}},
		{name: "@connections twice, says API Gateway", make: post403("AccessDeniedException", denied("Invoke", "prod/POST/@connections/@connections/AAAA")), want: problems(wirepost.ProblemEndpointSuffix)},
		{name: "no such route, with permission", make: both(trusted("/test0"), func(w *world) {
			w.server = func(s *gateway.Server) { s.Stage = "test0" }
			w.fault = answer(gateway.CallPost, gateway.Fault{Status: 404, ErrorType: "NotFoundException", Body: message("No method found matching route test0/@connections/AAAA for http method POST.")})
		}), want: problems(wirepost.ProblemPathNotSend), says: []string{"test0/@connections/AAAA", "use https://ws.example.com"}},
		{name: "a host that knows no such path", make: both(trusted("/prod"), post403("MissingAuthenticationTokenException", message("Missing Authentication Token"))), want: problems(wirepost.ProblemPathNotSend)},
		{name: "a wrong secret", make: func(w *world) {
			w.options.Credentials = given(aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: "wrong"})
		}, want: problems(wirepost.ProblemSignatureMismatch), says: []string{"AWS_SECRET_ACCESS_KEY"}},
		{name: "a proxy that changes the path", make: post403("InvalidSignatureException", message(`The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for this request should have been\n'POST\n/prod/%2540connections/AAAAAAAAAAAAAAA%253D\n\nhost:x'`)),
			want: problems(wirepost.ProblemSignatureMismatch), says: []string{"/prod/%40connections/AAAAAAAAAAAAAAA%253D", "/prod/%2540connections/AAAAAAAAAAAAAAA%253D", "proxy"}},
		{name: "signed for another region", make: both(trusted("/prod"), func(w *world) { w.env["AWS_REGION"] = "us-east-1" }), want: problems(wirepost.ProblemSigningRegion), says: []string{"us-east-1"}},
		{name: "signed for another service", make: post403("InvalidSignatureException", message("Credential should be scoped to correct service: 'execute-api'. ")), want: problems(wirepost.ProblemEndpointResolver)},
		{name: "the signature is too old", make: post403("InvalidSignatureException", message("Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z")), want: problems(wirepost.ProblemClockSkew)},
		{name: "forbidden, and nothing looks wrong", make: func(w *world) { w.server = func(s *gateway.Server) { s.Stage = "live" } }, want: problems(wirepost.ProblemForbidden), candidates: candidates, says: []string{"--control-plane"}},
		{name: "forbidden on a custom domain", make: both(trusted(""), func(w *world) { w.server = func(s *gateway.Server) { s.Stage = "live" } }), want: problems(wirepost.ProblemForbidden),
			candidates: problems(wirepost.ProblemMappingMissing, wirepost.ProblemStageNotDeployed, wirepost.ProblemDeploymentStale)},
		{name: "forbidden for an ID that was never issued, and a real one is not", make: func(w *world) {
			w.fault = func(c gateway.Call) gateway.Fault {
				if c.Kind == gateway.CallPost {
					return gateway.Fault{Status: 403}
				}
				return gateway.Fault{}
			}
			w.options.Store = w.store
			w.learn(identity, apiURL)
			w.connected(identity, 1, time.Minute)
		}},
		{name: "an invalid connection ID is as it should be", make: func(w *world) {
			w.fault = answer(gateway.CallPost, gateway.Fault{Status: 400, Body: message("Invalid connectionId: AAAA")})
		}},
		{name: "throttled", make: func(w *world) { w.fault = answer(gateway.CallPost, gateway.Fault{Status: 429}) }, want: problems(wirepost.ProblemThrottled),
			candidates: problems(wirepost.ProblemThrottleZero, wirepost.ProblemThrottled)},
		{name: "API Gateway fails", make: func(w *world) { w.fault = answer(gateway.CallPost, gateway.Fault{Status: 500}) }, want: problems(wirepost.ProblemServerError)},
		{name: "the send gets no answer", make: func(w *world) {
			w.options.Step = time.Second
			w.fault = answer(gateway.CallPost, gateway.Fault{Hang: true})
		}, want: problems(wirepost.ProblemNoAnswer)},
		{name: "the send is cut", make: func(w *world) { w.fault = answer(gateway.CallPost, gateway.Fault{ResetAfter: true}) }, want: problems(wirepost.ProblemNoAnswer), says: []string{"the signed request got no answer, while one without a signature did: "}},
		{name: "GET is not allowed", make: func(w *world) {
			w.fault = answer(gateway.CallGet, gateway.Fault{Status: 403, ErrorType: "AccessDeniedException"})
		}, want: problems(wirepost.ProblemGetDenied), fine: true},
		{name: "DELETE is not allowed", make: func(w *world) {
			w.fault = answer(gateway.CallDelete, gateway.Fault{Status: 403, ErrorType: "AccessDeniedException"})
		}, want: problems(wirepost.ProblemDeleteDenied), fine: true},
	}
}

func runtimeRows() []row {
	return []row{
		{name: "a function of three seconds", make: func(w *world) {
			ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Second)
			w.t.Cleanup(cancel)
			w.ctx, w.options.InFunction = ctx, true
		}, want: problems(wirepost.ProblemFunctionTimeout), says: []string{"3s"}, fine: true},
		{name: "a function of thirty seconds", make: func(w *world) {
			ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
			w.t.Cleanup(cancel)
			w.ctx, w.options.InFunction = ctx, true
		}},
		{name: "the pool of AWS's client", make: func(w *world) { w.options.ClientConfig, w.options.Concurrency = &aws.Config{}, 64 },
			want: problems(wirepost.ProblemPoolSmall), says: []string{"keeps 10 idle connections, and 64"}, fine: true},
		{name: "a pool that is large enough", make: func(w *world) {
			w.options.ClientConfig, w.options.Concurrency = &aws.Config{HTTPClient: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}, 64
		}},
	}
}

func liveRows() []row {
	live := func(f func(*world)) func(*world) {
		return func(w *world) {
			w.options.Live, w.options.Store = doctor.Live, w.store
			w.learn(identity, apiURL)
			f(w)
		}
	}
	return []row{
		{name: "a message the whole way", make: live(func(w *world) { w.options.Subprotocol = "chat" })},
		{name: "a message the whole way, without a store", make: func(w *world) {
			w.options.Live = doctor.Live
			w.server = func(s *gateway.Server) { s.Routes = map[string]gateway.Route{"$connect": {}} }
		}},
		{name: "the $connect function fails", make: live(func(w *world) { w.fault = answer(gateway.CallConnect, gateway.Fault{Status: 502}) }), want: problems(wirepost.ProblemConnectFailed), says: []string{"502"}},
		{name: "the $connect function may not be invoked", make: live(func(w *world) { w.fault = answer(gateway.CallConnect, gateway.Fault{Status: 500}) }), want: problems(wirepost.ProblemConnectFailed), says: []string{"500"}},
		{name: "$connect refuses", make: live(func(w *world) { w.fault = answer(gateway.CallConnect, gateway.Fault{Status: 401}) }), want: problems(wirepost.ProblemConnectRefused), says: []string{"--header"}},
		{name: "connecting is throttled", make: live(func(w *world) { w.fault = answer(gateway.CallConnect, gateway.Fault{Status: 429}) }), want: problems(wirepost.ProblemConnectThrottled)},
		{name: "the subprotocol is not returned", make: live(func(w *world) { w.options.Subprotocol = "unknown" }), want: problems(wirepost.ProblemSubprotocol), says: []string{`"unknown"`}},
		{name: "the connection is not in the store", make: func(w *world) {
			w.options.Live, w.options.Store = doctor.Live, wirepost.NewMemStore(nil)
			now := time.Now()
			_, err := w.options.Store.PutStage(w.t.Context(), wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: identity, URL: apiURL}, EventTime: now})
			if err = errors.Join(err, w.options.Store.Put(w.t.Context(), wirepost.Connection{ID: "Other=", Endpoint: identity, ConnectedAt: now.Add(-time.Hour), ExpiresAt: now.Add(time.Hour)})); err != nil {
				w.t.Fatal(err)
			}
		}, want: problems(wirepost.ProblemConnectionUnknown), says: []string{"has others of this stage"}},
		{name: "the function keeps its connections elsewhere", make: func(w *world) {
			w.options.Live, w.options.Store = doctor.Live, wirepost.NewMemStore(nil)
		}, want: problems(wirepost.ProblemConnectionUnknown), says: []string{"nor of any other connection of this stage", "keeps its connections elsewhere"}, fine: true},
		{name: "the message is lost", make: live(func(w *world) { w.fault = answer(gateway.CallFrameOut, gateway.Fault{Drop: true}) }), want: problems(wirepost.ProblemMessageLost), says: []string{"accepted (200) and not received"}},
		{name: "the message is lost, and another one comes", make: live(func(w *world) {
			var others atomic.Int64
			w.fault = func(c gateway.Call) gateway.Fault {
				switch {
				case c.Kind == gateway.CallFrameOut && bytes.Contains(c.Payload, []byte("doctor")):
					return gateway.Fault{Drop: true}
				case c.Kind == gateway.CallGet && c.ConnectionID != "AAAAAAAAAAAAAAA=" && others.Add(1) == 1:
					w.post(c.ConnectionID, "another")
				}
				return gateway.Fault{}
			}
		}), want: problems(wirepost.ProblemMessageLost)},
		{name: "somebody else connects at the same time", make: live(func(w *world) {
			w.after = func() {
				for range 3 {
					c, err := wireposttest.Dial(w.t.Context(), w.gateway.URL, nil)
					if err != nil {
						w.t.Fatal(err)
					}
					w.t.Cleanup(func() {
						ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
						defer cancel()
						if text, err := c.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
							w.t.Errorf("somebody else got %q, %v", text, err)
						}
						c.Cut()
					})
				}
			}
		})},
		{name: "the endpoint in the store is not that of the event", make: func(w *world) {
			w.options.Live, w.options.Store, w.options.Endpoint = doctor.Live, w.store, ""
			w.names["abc123.execute-api-fips.eu-west-1.amazonaws.com"] = []string{customIP}
			w.server = func(s *gateway.Server) {
				s.TLS = certificate(w.t, apiHost, "abc123.execute-api-fips.eu-west-1.amazonaws.com")
			}
			w.learn(identity, "https://abc123.execute-api-fips.eu-west-1.amazonaws.com/prod")
		}, want: problems(wirepost.ProblemStoreMoved), says: []string{"→ " + apiURL}, fine: true},
	}
}

func TestEveryWayToBeWrongIsCalledByItsName(t *testing.T) {
	for _, group := range []struct {
		name string
		rows []row
	}{
		{"configuration", configurationRows()}, {"network", networkRows()}, {"send", sendRows()},
		{"store", storeRows()}, {"runtime", runtimeRows()}, {"live", liveRows()}, {"long", longRows()},
	} {
		for _, r := range group.rows {
			t.Run(group.name+"/"+r.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				if r.make != nil {
					r.make(w)
				}
				w.start()
				report := w.run()
				r.check(t, report)
			})
		}
	}
}

func (r *row) check(t *testing.T, report *doctor.Report) {
	t.Helper()
	var text bytes.Buffer
	report.Text(&text)
	if got := report.Problems(); !slices.Equal(got, r.want) {
		t.Fatalf("the doctor found %v, want %v:\n%s", got, r.want, text.String())
	}
	worst := doctor.Fail
	switch {
	case len(r.want) == 0:
		worst = doctor.OK
	case r.fine:
		worst = doctor.Warn
	}
	if report.Worst() != worst {
		t.Errorf("the worst is %s, want %s:\n%s", report.Worst(), worst, text.String())
	}
	var names []string
	for _, c := range report.Checks {
		if c.Name != "control-plane" { // which stands for all of its checks where it cannot be asked
			names = append(names, c.Name)
		}
	}
	if !inOrder(names) || !slices.Contains(names, "send") || !slices.Contains(names, "pool") {
		t.Errorf("the checks are not whole and in their order: %v", names)
	}
	for _, c := range report.Checks {
		if c.Status != doctor.OK && c.Sentence == "" {
			t.Errorf("%s is %s and does not say why", c.Name, c.Status)
		}
		if strings.HasSuffix(c.Sentence, ".") {
			t.Errorf("%s ends with a full stop: %q", c.Name, c.Sentence)
		}
		if (c.Status == doctor.Fail || c.Status == doctor.Warn) && c.Fix == "" {
			t.Errorf("%s has no fix", c.Name)
		}
		if len(r.want) == 0 || c.Problem != r.want[0] {
			continue
		}
		if !slices.Equal(c.Candidates, r.candidates) {
			t.Errorf("%s may be %v, want %v", c.Problem, c.Candidates, r.candidates)
		}
		for _, s := range r.says {
			if !strings.Contains(c.Sentence+"; "+c.Fix, s) {
				t.Errorf("%s does not say %q: %s; %s", c.Problem, s, c.Sentence, c.Fix)
			}
		}
	}
	if strings.Contains(text.String(), "token=secret") || strings.Contains(text.String(), keys.SecretAccessKey+"\n") {
		t.Errorf("the report has a secret in it:\n%s", text.String())
	}
}

// closed is an address where nothing listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// silent accepts and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			held = append(held, c)
		}
		for _, c := range held {
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}
