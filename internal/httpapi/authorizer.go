package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// authorizerTimeout is how long an HTTP API waits for an authorizer (AWS docs, quotas of
// HTTP APIs: 10,000 ms).
const authorizerTimeout = 10 * time.Second

// authorize asks who the route wants to be asked. It returns the answer to a request
// that is refused, else nil.
//
// No result is kept: each request is authorized anew, as with a TTL of 0.
func (x *exchange) authorize() *reply {
	switch x.route.AuthorizerKind {
	case "":
		return nil
	case "AWS_IAM":
		x.h.notice("IAM "+x.route.key, "%s wants requests that are signed with AWS credentials; here it takes any, and its events have no IAM identity", x.h.routeName(x.route))
		return nil
	case "JWT", "COGNITO":
		return x.authorizeToken()
	case "REQUEST", "TOKEN":
		return x.askFunction()
	}
	return x.h.cannotRun(x.route, fmt.Sprintf("its authorizer is of the kind %.40q, which is not known here", x.route.AuthorizerKind))
}

// askFunction asks a function that is an authorizer.
func (x *exchange) askFunction() *reply {
	h := x.h
	sources, err := x.route.sources()
	if err != nil {
		return h.cannotRun(x.route, err.Error())
	}
	var values []string
	for i, s := range sources {
		v := x.value(s)
		if v == "" {
			return h.fail(unauthorized, fmt.Sprintf("the authorizer was not asked: the request has no %s", x.route.sourceTexts()[i]))
		}
		values = append(values, v)
	}
	f := h.c.Function(x.route.Authorizer)
	if f == nil {
		return h.cannotRun(x.route, fmt.Sprintf("its authorizer is the function %q, which is not run here", app.Clip(x.route.Authorizer)))
	}
	limit := authorizerTimeout
	if h.c.API.Kind == app.RESTAPI {
		limit = restTimeout
	}
	began := time.Now()
	result, err := h.invoke(x.r.Context(), f, x.authorizerEvent(values), limit, &origin{"the authorizer of " + x.cause(), x.requestID})
	latency := time.Since(began)
	switch {
	case errors.Is(err, errTooMany):
		return h.fail(tooMany, err.Error())
	case errors.Is(err, ErrUnavailable):
		return h.cannotRun(x.route, "its authorizer: "+err.Error())
	case err != nil && saysUnauthorized(err):
		// AWS docs' samples of authorizers of REST APIs; UNCERTAIN for HTTP APIs.
		return h.fail(unauthorized, "the authorizer failed with Unauthorized")
	case err != nil:
		return h.fail(authorizerFailed, fmt.Sprintf("the authorizer failed: %v", err))
	}
	return x.judge(result, latency)
}

// sourceTexts are the identity sources of a route, or those that hold where it names none.
func (r *route) sourceTexts() []string {
	if len(r.IdentitySources) == 0 && r.AuthorizerKind != "REQUEST" {
		return []string{"$request.header.Authorization"}
	}
	return r.IdentitySources
}

func (r *route) sources() (all []identitySource, err error) {
	for _, text := range r.sourceTexts() {
		s, err := parseIdentitySource(text)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func saysUnauthorized(err error) bool {
	const word = "Unauthorized"
	return err.Error() == word || strings.HasSuffix(err.Error(), ": "+word)
}

// authorizerEvent is what the authorizer is asked with: for a TOKEN authorizer the token
// alone, else the request without its body (AWS docs, as for identity sources).
func (x *exchange) authorizerEvent(identity []string) []byte {
	arn := x.routeARN()
	switch {
	case x.route.AuthorizerKind == "TOKEN":
		return encoded(struct {
			Type      string `json:"type"`
			MethodARN string `json:"methodArn"`
			Token     string `json:"authorizationToken"`
		}{"TOKEN", arn, identity[0]})
	case x.h.c.API.Kind == app.RESTAPI || x.route.AuthorizerPayload == "1.0":
		e := x.newEvent1()
		e.Type, e.MethodARN = "REQUEST", arn
		if x.h.c.API.Kind == app.HTTPOfAPI {
			e.IdentitySource = strings.Join(identity, ",")
			e.AuthorizationToken = e.IdentitySource
		}
		return encoded(e)
	}
	e := x.newEvent2()
	e.Type, e.RouteARN, e.IdentitySource = "REQUEST", arn, identity
	return encoded(e)
}

// routeARN is what policies name: the method and the path of the request, as in AWS
// docs' example …/test/GET/request. That of the route $default is UNCERTAIN.
func (x *exchange) routeARN() string {
	path := "/" + x.r.Method + x.location.match
	if x.route.Path == "" {
		path = "/" + x.route.key
	}
	return "arn:" + partitionOf(x.h.c.Region) + ":execute-api:" + x.h.c.Region + ":" + x.h.c.Account + ":" + x.h.c.ID + "/" + x.h.c.API.Stage + path
}

// partitionOf is the partition of a region (AWS's SDK, endpoint tables).
func partitionOf(region string) string {
	for prefix, partition := range map[string]string{
		"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b", "eu-isoe-": "aws-iso-e", "us-isof-": "aws-iso-f",
	} {
		if strings.HasPrefix(region, prefix) {
			return partition
		}
	}
	return "aws"
}

// authorization is an authorizer's result, in either form.
type authorization struct {
	IsAuthorized   *bool                      `json:"isAuthorized"`
	PrincipalID    *string                    `json:"principalId"`
	PolicyDocument *policy                    `json:"policyDocument"`
	Context        map[string]json.RawMessage `json:"context"`
}

// judge reads the result of an authorizer: the answer to a request that it does not
// allow, or nil and what it says of the caller.
func (x *exchange) judge(result []byte, latency time.Duration) *reply {
	var a authorization
	said, err := unmentioned, json.Unmarshal(result, &a)
	switch {
	case err != nil:
		err = fmt.Errorf("it cannot be read: %w", err)
	case x.h.c.API.Kind == app.HTTPOfAPI && x.route.SimpleAnswers && x.route.AuthorizerPayload != "1.0":
		if a.IsAuthorized == nil {
			err = errors.New("it has no isAuthorized, which the simple form of this authorizer needs")
		} else if *a.IsAuthorized {
			said = allowed
		}
	case a.PolicyDocument == nil:
		err = errors.New("it has no policyDocument")
		if a.IsAuthorized != nil {
			err = errors.New("it has isAuthorized and no policyDocument; that form is for authorizers of HTTP APIs with simple responses")
		}
	case a.PrincipalID == nil && x.h.c.API.Kind == app.RESTAPI:
		err = errors.New("it has no principalId")
	default:
		said, err = a.PolicyDocument.judge("execute-api:Invoke", x.routeARN())
	}
	if err == nil && said == allowed {
		x.authorized, err = x.authorizerContext(&a, latency)
	}
	switch {
	case err != nil:
		return x.h.fail(authorizerFailed, fmt.Sprintf("the authorizer's result is malformed: %v", err))
	case said == deniedByPolicy:
		return x.h.fail(deniedExplicitly, "the authorizer's policy denies "+x.routeARN())
	case said != allowed:
		return x.h.fail(denied, "the authorizer does not allow "+x.routeARN())
	}
	return nil
}

// authorizerContext is requestContext.authorizer of the function's event. Payload 2.0 has
// the context as it is in lambda; 1.0 and a REST API have its members as strings (AWS docs,
// "Input to a Lambda authorizer", for REST APIs: no objects and lists; UNCERTAIN for 1.0).
func (x *exchange) authorizerContext(a *authorization, latency time.Duration) (json.RawMessage, error) {
	if x.payload() == "2.0" {
		return encoded(map[string]any{"lambda": a.Context}), nil
	}
	all := map[string]any{"integrationLatency": latency.Milliseconds()}
	for name, raw := range a.Context {
		var value any
		json.Unmarshal(raw, &value) // it has been read
		switch v := value.(type) {
		case nil:
		case string:
			all[name] = v
		case bool, float64:
			all[name] = strings.TrimSpace(string(raw))
		default:
			if x.h.c.API.Kind == app.RESTAPI {
				return nil, fmt.Errorf("the context's %.40q is an object or a list; only strings, numbers and booleans are allowed", name)
			}
			all[name] = v
		}
	}
	if a.PrincipalID != nil {
		all["principalId"] = *a.PrincipalID
	}
	return encoded(all), nil
}
