package httpapi

import (
	"encoding/json"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
)

// event1 is payload 1.0 (AWS docs, "Create AWS Lambda proxy integrations for HTTP APIs"),
// and the event of a REST API (AWS docs, "Lambda proxy integrations in API Gateway";
// LocalStack's snapshots of real ones), which has no version. What there is nothing of is
// null in both.
type event1 struct {
	Version            string              `json:"version,omitempty"`
	Type               string              `json:"type,omitempty"`               // of an authorizer's event
	MethodARN          string              `json:"methodArn,omitempty"`          // of an authorizer's event
	IdentitySource     string              `json:"identitySource,omitempty"`     // of an HTTP API's authorizer
	AuthorizationToken string              `json:"authorizationToken,omitempty"` // of an HTTP API's authorizer
	Resource           string              `json:"resource"`
	Path               string              `json:"path"`
	HTTPMethod         string              `json:"httpMethod"`
	Headers            map[string]string   `json:"headers"`
	MultiHeaders       map[string][]string `json:"multiValueHeaders"`
	Query              map[string]string   `json:"queryStringParameters"`
	MultiQuery         map[string][]string `json:"multiValueQueryStringParameters"`
	RequestContext     context1            `json:"requestContext"`
	PathParameters     map[string]string   `json:"pathParameters"`
	StageVariables     map[string]string   `json:"stageVariables"`
	Body               *string             `json:"body"`
	IsBase64           *bool               `json:"isBase64Encoded,omitempty"` // absent for an authorizer
}

type context1 struct {
	AccountID         string          `json:"accountId"`
	APIID             string          `json:"apiId"`
	Authorizer        json.RawMessage `json:"authorizer,omitempty"`
	DeploymentID      string          `json:"deploymentId,omitempty"` // of a REST API
	DomainName        string          `json:"domainName"`
	DomainPrefix      string          `json:"domainPrefix"`
	ExtendedRequestID string          `json:"extendedRequestId"`
	HTTPMethod        string          `json:"httpMethod"`
	Identity          identity1       `json:"identity"`
	Path              string          `json:"path"`
	Protocol          string          `json:"protocol"`
	RequestID         string          `json:"requestId"`
	RequestTime       string          `json:"requestTime"`
	RequestTimeEpoch  int64           `json:"requestTimeEpoch"`
	ResourceID        *string         `json:"resourceId"`
	ResourcePath      string          `json:"resourcePath"`
	Stage             string          `json:"stage"`
}

// identity1 is who calls. Nobody signs here, so but for two of them they are null.
type identity1 struct {
	AccessKey                     *string `json:"accessKey"`
	AccountID                     *string `json:"accountId"`
	Caller                        *string `json:"caller"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	SourceIP                      string  `json:"sourceIp"`
	User                          *string `json:"user"`
	UserAgent                     string  `json:"userAgent"`
	UserARN                       *string `json:"userArn"`
}

// newEvent1 is the event without a body and without what an authorizer said.
func (x *exchange) newEvent1() *event1 {
	h := x.h
	rest := h.c.API.Kind == app.RESTAPI
	resource := x.route.Path
	if resource == "" {
		resource = x.route.key // $default; UNCERTAIN
	}
	e := &event1{
		Version: "1.0", Resource: resource, Path: x.location.event, HTTPMethod: x.r.Method,
		PathParameters: x.parameters, StageVariables: h.c.API.StageVariables,
		RequestContext: context1{
			AccountID: h.c.Account, APIID: h.c.ID, DomainName: h.c.Domain, DomainPrefix: h.c.ID,
			ExtendedRequestID: x.extendedID, HTTPMethod: x.r.Method, Path: x.location.context, Protocol: x.r.Proto,
			RequestID: x.requestID, RequestTime: x.at.UTC().Format(requestTimeLayout), RequestTimeEpoch: x.at.UnixMilli(),
			ResourcePath: resource, Stage: h.c.API.Stage,
			Identity: identity1{SourceIP: x.sourceIP, UserAgent: text(x.r.UserAgent())},
		},
	}
	if rest {
		e.Version = ""
		e.RequestContext.DeploymentID = h.derivedID("deployment", 6)
		id := h.derivedID(resource, 6)
		e.RequestContext.ResourceID = &id
	}
	if len(e.StageVariables) == 0 {
		e.StageVariables = nil
	}
	// Of several values the last one is in the plain map: validated for REST APIs
	// (LocalStack's snapshots), UNCERTAIN for HTTP APIs.
	e.Headers, e.MultiHeaders = map[string]string{}, map[string][]string{}
	for name, values := range x.headers() {
		if !rest {
			name = strings.ToLower(name) // AWS docs: all header names are lower-cased
		}
		e.Headers[name], e.MultiHeaders[name] = values[len(values)-1], values
	}
	for _, p := range x.query {
		if e.Query == nil {
			e.Query, e.MultiQuery = map[string]string{}, map[string][]string{}
		}
		e.Query[p.name] = p.value
		e.MultiQuery[p.name] = append(e.MultiQuery[p.name], p.value)
	}
	return e
}
