package cloudformation

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// integrate reads what a route invokes, or why that cannot be run here. It is false
// for a route that invokes nothing, which is left out.
func (r *reader) integrate(x *resource, route *app.Route) bool {
	target := x.props.Get("Target")
	if target.Empty() {
		r.Note(x.pos, app.Warning, "route %s has no Target and is left out", document.Clip(route.Key))
		return false
	}
	pos, why := target.Pos, ""
	integration, why := r.target(target)
	if why == "" {
		pos = integration.pos
		route.Integration, why = r.integration(integration, route.Key)
	}
	if why != "" {
		route.Unrunnable = app.UnrunnableRoute(route.Key, pos, "%s", why)
		r.Add(route.Unrunnable.Note(true))
	}
	return true
}

// target is the integration that a route names, or why there is none.
func (r *reader) target(target *value) (*resource, string) {
	s, why := r.must(target, "target")
	if why != "" {
		return nil, why
	}
	id, ok := strings.CutPrefix(s, "integrations/")
	x, why := r.resource(id)
	switch {
	case !ok:
		return nil, "its target " + document.Clip(s) + " is not integrations/ID"
	case x == nil:
		return nil, "its integration cannot be used: " + why
	case x.typ != "AWS::ApiGatewayV2::Integration":
		return nil, "its target " + document.Clip(id) + " is of type " + document.Clip(x.typ) + " and not an integration"
	case !r.ofAPI(x):
		return nil, "its integration " + document.Clip(id) + " belongs to another API"
	}
	return x, ""
}

// integration reads an integration for the route of that key, or why it cannot be
// run here.
func (r *reader) integration(x *resource, key string) (i app.Integration, why string) {
	p, what := x.props, "integration "+document.Clip(x.id)
	i = app.Integration{Timeout: r.integrationTimeout(x, what), Position: x.pos}
	kind, why := r.must(p.Get("IntegrationType"), "IntegrationType")
	if why != "" {
		return i, why
	}
	i.Kind = app.IntegrationKind(kind)
	r.checkIntegration(x, i.Kind, what)
	if i.Kind == app.AWS || i.Kind == app.HTTP || i.Kind == app.Mock {
		if why := r.mappingTemplates(x, &i, what); why != "" {
			return i, why
		}
	}
	switch i.Kind {
	case app.Mock:
	case app.HTTPProxy, app.HTTP:
		i.Parameters = r.requestParameters(x, key, what)
		i.Method = r.text(p.Get("IntegrationMethod"), "IntegrationMethod of "+what)
		if i.URL, why = r.must(p.Get("IntegrationUri"), "IntegrationUri"); why != "" {
			return i, why
		}
		i.URL = r.withStageVariables(i.URL)
	case app.AWSProxy:
		i.Function, why = r.integratedFunction(x, key)
	case app.AWS:
		i.Parameters = r.requestParameters(x, key, what)
		if service := r.service(p.Get("IntegrationUri")); service == services["lambda"] {
			i.Function, why = r.integratedFunction(x, key)
		} else {
			why = r.serviceAction(x, &i)
		}
	default:
		why = "its integration has the type " + document.Clip(kind) + ", which a WebSocket API does not have"
	}
	return i, why
}

var calledURI = regexp.MustCompile(`^arn:aws[a-z-]*:apigateway:([a-z0-9-]+):([A-Za-z0-9.-]+):((?:action|path)/.+)$`)

// serviceAction reads what an integration calls that invokes no function. (AWS docs, API
// Gateway's API reference, version 2: IntegrationUri.)
func (r *reader) serviceAction(x *resource, i *app.Integration) (why string) {
	var uri string
	r.byName(func() { uri, why = r.must(x.props.Get("IntegrationUri"), "IntegrationUri") })
	if why != "" {
		return why
	}
	m := calledURI.FindStringSubmatch(r.withStageVariables(uri))
	if m == nil {
		return "its URI " + document.Clip(uri) + " is not arn:aws:apigateway:REGION:SERVICE:action/NAME or :path/PATH"
	}
	i.Region, i.Service, i.Action = m[1], m[2], m[3]
	if v := x.props.Get("CredentialsArn"); !v.Empty() {
		r.Note(v.Where(), app.Info, "the role of integration %s is not used: here its calls are signed as those of functions are", document.Clip(x.id))
	}
	i.Method = r.text(x.props.Get("IntegrationMethod"), "IntegrationMethod of integration "+document.Clip(x.id))
	return ""
}

func (r *reader) integrationTimeout(x *resource, what string) time.Duration {
	v := x.props.Get("TimeoutInMillis")
	ms := r.text(v, "TimeoutInMillis of "+what)
	if ms == "" {
		return 0
	}
	n, err := strconv.Atoi(ms)
	if err != nil || n < 50 || n > 29000 {
		r.Note(v.Pos, app.Warning, "TimeoutInMillis of %s is not between 50 and 29000 and is left out", what)
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

// checkIntegration notes what is different on AWS, and what is not supported here.
func (r *reader) checkIntegration(x *resource, kind app.IntegrationKind, what string) {
	p := x.props
	if v := r.text(p.Get("PayloadFormatVersion"), "PayloadFormatVersion of "+what); v != "" && v != "1.0" {
		r.Note(p.Get("PayloadFormatVersion").Pos, app.Warning, "%s has payload format %s: AWS refuses anything but 1.0 for a WebSocket API", what, document.Clip(v))
	}
	for _, name := range []string{"RequestTemplates", "TemplateSelectionExpression"} {
		if v := p.Get(name); !v.Empty() && kind == app.HTTPProxy {
			r.Note(v.Pos, app.Warning, "%s of %s is left out: a proxy integration passes messages as they are", name, what)
		}
	}
	if v := p.Get("RequestParameters"); !v.Empty() && kind == app.AWSProxy {
		r.Note(v.Pos, app.Warning, "RequestParameters of %s are left out: a function of type AWS_PROXY gets the event as it is", what)
	}
	if r.text(p.Get("ConnectionType"), "ConnectionType of "+what) == "VPC_LINK" {
		r.Note(x.pos, app.Warning, "%s is reached through a VPC link on AWS: here its address must be reachable from this machine", what)
	}
}

// integratedFunction is the logical ID of the function that an integration of type
// AWS_PROXY invokes, or why there is none.
func (r *reader) integratedFunction(x *resource, key string) (function, why string) {
	v := x.props.Get("IntegrationUri")
	uri, why := r.must(v, "IntegrationUri")
	if why == "" {
		function, why = r.functionOf(uri)
	}
	if why != "" {
		return "", why
	}
	if !strings.Contains(uri, "/functions/arn:") || !strings.HasSuffix(uri, "/invocations") {
		r.Note(v.Where(), app.Warning, "route %s has a URI that AWS refuses for a WebSocket API: it is arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations", document.Clip(key))
	}
	r.invokedBy(function, "route "+document.Clip(key))
	r.called(call{function, r.stage + "/" + key, "route " + document.Clip(key), x.pos}, x.made, x.props.Get("CredentialsArn"))
	return function, ""
}

var actionURI = regexp.MustCompile(`:apigateway:.*:([a-z0-9.-]+):(?:path|action)/`)

// services are the names of services of AWS as their integrations have them.
var services = map[string]string{
	"dynamodb": "DynamoDB", "events": "EventBridge", "firehose": "Data Firehose", "kinesis": "Kinesis", "lambda": "a function",
	"runtime.sagemaker": "SageMaker", "s3": "S3", "sns": "SNS", "sqs": "SQS", "states": "Step Functions",
}

// service is what an integration of type AWS calls, also where its URI is not known
// as a whole.
func (r *reader) service(v *value) string {
	text := strings.ReplaceAll(asWritten(v, 0), "\n", "") // also the parts of Fn::Join
	if e := r.final(v); e.Kind == document.Scalar {
		text = e.Text
	}
	m := actionURI.FindStringSubmatch(text)
	switch {
	case m == nil:
		return "a service of AWS"
	case services[m[1]] != "":
		return services[m[1]]
	}
	return "the service " + document.Clip(m[1])
}

// withStageVariables replaces the stage variables in the URI of an integration.
func (r *reader) withStageVariables(uri string) string {
	return stageVariable.ReplaceAllStringFunc(uri, func(m string) string {
		return r.stageVariables[stageVariable.FindStringSubmatch(m)[1]]
	})
}
