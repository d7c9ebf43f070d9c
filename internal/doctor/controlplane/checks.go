package controlplane

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/doctor"
	"github.com/wirepost/wirepost/internal/terminal"
)

// What is read of AWS's answers. The names are those of the API Gateway V2 reference's
// JSON; none of it was run against AWS.
type (
	api struct {
		DisableExecuteAPIEndpoint bool   `json:"disableExecuteApiEndpoint"`
		ProtocolType              string `json:"protocolType"`
	}
	settings struct {
		Rate  *float64 `json:"throttlingRateLimit"`
		Burst *int     `json:"throttlingBurstLimit"`
	}
	stage struct {
		StageName            string              `json:"stageName"`
		DeploymentID         string              `json:"deploymentId"`
		AutoDeploy           bool                `json:"autoDeploy"`
		DefaultRouteSettings settings            `json:"defaultRouteSettings"`
		RouteSettings        map[string]settings `json:"routeSettings"`
	}
	route struct {
		RouteID           string `json:"routeId"`
		RouteKey          string `json:"routeKey"`
		Target            string `json:"target"`
		AuthorizationType string `json:"authorizationType"`
		ResponseSelection string `json:"routeResponseSelectionExpression"`
	}
	integration struct {
		IntegrationID   string `json:"integrationId"`
		IntegrationURI  string `json:"integrationUri"`
		IntegrationType string `json:"integrationType"`
		CredentialsARN  string `json:"credentialsArn"`
	}
	apiMapping struct {
		APIID string `json:"apiId"`
		Stage string `json:"stage"`
		Key   string `json:"apiMappingKey"`
	}
)

// api does the checks of the API, its stage and its routes, and returns how many of
// the nine it has done.
func (a *asking) api() int {
	var about api
	err := a.get("apigateway", a.path(""), "apigateway:GET", &about)
	switch {
	case errors.Is(err, errAbsent):
		a.problem("api", doctor.Fail, wirepost.ProblemAPIUnknown, fmt.Sprintf("there is no API %s in this account in %s", a.target.APIID, a.target.Region), "")
		return 1
	case err != nil:
		a.skip("api", reason(err))
		return 1
	case about.ProtocolType != "" && about.ProtocolType != "WEBSOCKET":
		a.problem("api", doctor.Fail, wirepost.ProblemAPIUnknown, fmt.Sprintf("the API %s is of the kind %s, and not a WebSocket API", a.target.APIID, about.ProtocolType), "")
		return 1
	}
	a.ok("api", a.target.APIID+" is a WebSocket API of this account")

	if about.DisableExecuteAPIEndpoint && !a.target.Domain {
		a.problem("execute-api", doctor.Fail, wirepost.ProblemAPIDisabled, "the execute-api endpoint of "+a.target.APIID+" is disabled", "")
	} else {
		a.ok("execute-api", "the endpoint may be used")
	}

	names := []string{"deployed", "changes", "throttle"}
	var s stage
	err = a.get("apigateway", a.path("/stages/"+url.PathEscape(a.target.Stage)), "apigateway:GET", &s)
	switch {
	case errors.Is(err, errAbsent):
		a.stageUnknown()
		a.skipAll(names, "there is no such stage")
	case err != nil:
		a.skip("stage", reason(err))
		a.skipAll(names, "the stage cannot be read")
	default:
		a.ok("stage", a.target.Stage+" exists")
		a.stage(s)
	}
	a.routes()
	return 9
}

func (a *asking) stageUnknown() {
	sentence := fmt.Sprintf("the API %s has no stage %q", a.target.APIID, a.target.Stage)
	if all, err := pages[stage](a, a.path("/stages")); err == nil {
		var names []string
		for _, s := range all {
			names = append(names, s.StageName)
		}
		sentence += " (there are: " + strings.Join(names, ", ") + ")"
	}
	a.problem("stage", doctor.Fail, wirepost.ProblemStageUnknown, sentence, "")
}

func (a *asking) stage(s stage) {
	if s.DeploymentID == "" {
		a.problem("deployed", doctor.Fail, wirepost.ProblemStageNotDeployed, "the stage "+a.target.Stage+" has no deployment", "")
		a.skip("changes", "nothing is deployed")
	} else {
		a.ok("deployed", "deployment "+s.DeploymentID)
		a.changes(s)
	}
	zero := func(s settings) bool { return s.Rate != nil && *s.Rate == 0 || s.Burst != nil && *s.Burst == 0 }
	what := ""
	if zero(s.DefaultRouteSettings) {
		what = "every route"
	}
	var keys []string
	for key, own := range s.RouteSettings {
		if zero(own) {
			keys = append(keys, key)
		}
	}
	if slices.Sort(keys); what == "" && len(keys) > 0 {
		what = strings.Join(keys, ", ")
	}
	if what != "" {
		a.problem("throttle", doctor.Fail, wirepost.ProblemThrottleZero, fmt.Sprintf("the stage %s throttles %s at 0, so clients get 429", a.target.Stage, what), "")
		return
	}
	a.ok("throttle", "no limit is 0")
}

// changes asks whether anything but the stage was changed after it was deployed. An
// API does not tell when; what CloudTrail has of its changes does. That an event's
// parameters name the API by its ID is UNCERTAIN.
func (a *asking) changes(s stage) {
	if s.AutoDeploy {
		a.ok("changes", "the stage deploys by itself")
		return
	}
	var deployment struct {
		CreatedDate time.Time `json:"createdDate"`
	}
	if err := a.get("apigateway", a.path("/deployments/"+url.PathEscape(s.DeploymentID)), "apigateway:GET", &deployment); err != nil {
		a.skip("changes", reason(err))
		return
	}
	ask, _ := json.Marshal(map[string]any{
		"LookupAttributes": []map[string]string{{"AttributeKey": "EventSource", "AttributeValue": "apigateway.amazonaws.com"}},
		"StartTime":        deployment.CreatedDate.Unix(),
		"MaxResults":       50,
	})
	var trail struct {
		Events []struct {
			EventName       string
			EventTime       float64
			CloudTrailEvent string
		}
	}
	err := a.call("cloudtrail", http.MethodPost, "/", "cloudtrail:LookupEvents", http.Header{
		"Content-Type": {"application/x-amz-json-1.1"},
		"X-Amz-Target": {"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"},
	}, ask, &trail)
	if err != nil {
		a.skip("changes", reason(err))
		return
	}
	for _, e := range trail.Events {
		at := time.Unix(int64(e.EventTime), 0).UTC()
		if !needsDeployment(e.EventName) || !strings.Contains(e.CloudTrailEvent, `"`+a.target.APIID+`"`) || !at.After(deployment.CreatedDate) {
			continue
		}
		a.problem("changes", doctor.Warn, wirepost.ProblemDeploymentStale,
			fmt.Sprintf("the API was changed (%s) at %s, the stage %s was deployed at %s and does not deploy by itself", e.EventName, at.Format(time.RFC3339), a.target.Stage, deployment.CreatedDate.UTC().Format(time.RFC3339)), "")
		return
	}
	a.ok("changes", "none is known since the deployment")
}

// needsDeployment: everything but a stage's own settings does (AWS, developer guide,
// "Deploy a WebSocket API").
func needsDeployment(event string) bool {
	for _, verb := range []string{"Create", "Update", "Delete"} {
		if what, ok := strings.CutPrefix(event, verb); ok {
			switch what {
			case "Route", "Integration", "IntegrationResponse", "RouteResponse", "Authorizer", "Model", "Api":
				return true
			}
		}
	}
	return false
}

func (a *asking) routes() {
	all, err := pages[route](a, a.path("/routes"))
	if err != nil {
		a.skipAll([]string{"default-route", "route-responses", "invoke", "connect-auth"}, reason(err))
		return
	}
	find := func(key string) *route {
		i := slices.IndexFunc(all, func(r route) bool { return r.RouteKey == key })
		if i < 0 {
			return nil
		}
		return &all[i]
	}
	if find("$default") == nil {
		a.problem("default-route", doctor.Warn, wirepost.ProblemDefaultRoute, "", "")
	} else {
		a.ok("default-route", "there is one")
	}
	a.routeResponses(all)
	a.invoke(all)
	switch connect := find("$connect"); {
	case connect == nil:
		a.problem("connect-auth", doctor.Warn, wirepost.ProblemConnectOpen, "the API has no $connect route, so everybody may connect and nobody is told", "add a $connect route with an authorizer, or whose function checks the token and the Origin header")
	case connect.AuthorizationType == "" || connect.AuthorizationType == "NONE":
		a.problem("connect-auth", doctor.Warn, wirepost.ProblemConnectOpen, "", "")
	default:
		a.ok("connect-auth", "$connect is authorized by "+connect.AuthorizationType)
	}
}

// routeResponses looks for routes that were half made two-way.
func (a *asking) routeResponses(all []route) {
	var half, oneWay []string
	for _, r := range all {
		if r.RouteKey == "$connect" || r.RouteKey == "$disconnect" {
			continue
		}
		if r.ResponseSelection == "" {
			oneWay = append(oneWay, r.RouteKey)
			continue
		}
		responses, err := pages[struct{}](a, a.path("/routes/"+url.PathEscape(r.RouteID)+"/routeresponses"))
		if err != nil {
			a.skip("route-responses", reason(err))
			return
		}
		if len(responses) == 0 {
			half = append(half, r.RouteKey)
			if len(half) == 1 {
				defer func(id string) {
					c := &a.checks[slices.IndexFunc(a.checks, func(c doctor.Check) bool { return c.Name == "route-responses" })]
					c.Fix = strings.ReplaceAll(c.Fix, "<route-id>", terminal.Word(id))
				}(r.RouteID)
			}
		}
	}
	switch {
	case len(half) > 0:
		a.problem("route-responses", doctor.Warn, wirepost.ProblemRouteResponse, fmt.Sprintf("the route %s means to answer and has no route response; what its function returns never reaches the client", strings.Join(half, ", ")), "")
	case len(oneWay) > 0:
		a.ok("route-responses", "what functions return is dropped on: "+strings.Join(oneWay, ", "))
	default:
		a.ok("route-responses", "every route answers")
	}
}

// invoke asks each function whether API Gateway may invoke it for its routes.
func (a *asking) invoke(all []route) {
	integrations, err := pages[integration](a, a.path("/integrations"))
	if err != nil {
		a.skip("invoke", reason(err))
		return
	}
	by := map[string][]string{} // route keys of each function
	var functions []string
	for _, r := range all {
		i := slices.IndexFunc(integrations, func(i integration) bool { return "integrations/"+i.IntegrationID == r.Target })
		if i < 0 || integrations[i].CredentialsARN != "" {
			continue
		}
		if arn := functionARN(integrations[i].IntegrationURI); arn != "" {
			if by[arn] == nil {
				functions = append(functions, arn)
			}
			by[arn] = append(by[arn], r.RouteKey)
		}
	}
	if len(functions) == 0 {
		a.ok("invoke", "no route has a function that needs a permission")
		return
	}
	for _, arn := range functions {
		allowed, err := a.permissions(arn)
		if err != nil {
			a.skip("invoke", reason(err))
			return
		}
		var denied []string
		for _, key := range by[arn] {
			if !slices.ContainsFunc(allowed, func(pattern string) bool { return matches(pattern, a.routeARN(arn, key)) }) {
				denied = append(denied, key)
			}
		}
		if len(denied) > 0 {
			name := functionName(arn)
			a.problem("invoke", doctor.Fail, wirepost.ProblemInvokePermission,
				fmt.Sprintf("the function %s has no permission for the routes %s", name, strings.Join(denied, ", ")),
				fmt.Sprintf("aws lambda add-permission --function-name %s --statement-id wirepost --action lambda:InvokeFunction --principal apigateway.amazonaws.com --source-arn %s",
					terminal.Word(name), terminal.Word(strings.TrimSuffix(a.routeARN(arn, "*"), a.target.Stage+"/*")+"*")))
			return
		}
	}
	a.ok("invoke", "API Gateway may invoke the function of each route")
}

// functionARN takes the function out of an integration's URI:
// arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations.
func functionARN(uri string) string {
	_, rest, ok := strings.Cut(uri, "/functions/")
	if !ok {
		return ""
	}
	arn, _, ok := strings.Cut(rest, "/invocations")
	if !ok || strings.Contains(arn, "${") {
		return "" // a stage variable chooses the function
	}
	return arn
}

func functionName(arn string) string {
	if part := strings.Split(arn, ":"); len(part) >= 7 {
		return part[6]
	}
	return arn
}

// routeARN is what API Gateway invokes a function as.
func (a *asking) routeARN(function, key string) string {
	part := strings.Split(function, ":")
	partition, account := "aws", "*"
	if len(part) > 4 {
		partition, account = part[1], part[4]
	}
	return fmt.Sprintf("arn:%s:execute-api:%s:%s:%s/%s/%s", partition, a.target.Region, account, a.target.APIID, a.target.Stage, key)
}

// permissions are the ARNs as which API Gateway may invoke a function.
func (a *asking) permissions(arn string) ([]string, error) {
	var said struct{ Policy string }
	where := "/2015-03-31/functions/" + url.PathEscape(functionName(arn)) + "/policy"
	if part := strings.Split(arn, ":"); len(part) == 8 {
		where += "?Qualifier=" + url.QueryEscape(part[7])
	}
	err := a.get("lambda", where, "lambda:GetPolicy", &said)
	if errors.Is(err, errAbsent) {
		return nil, nil // a function without a policy: nobody may
	}
	if err != nil {
		return nil, err
	}
	var policy struct {
		Statement []struct {
			Effect    string
			Principal any
			Action    any
			Condition map[string]map[string]any
		}
	}
	if err := json.Unmarshal([]byte(said.Policy), &policy); err != nil {
		return nil, fmt.Errorf("the policy of the function %s is not JSON: %w", functionName(arn), err)
	}
	var allowed []string
	for _, s := range policy.Statement {
		principal := texts(s.Principal)
		if m, ok := s.Principal.(map[string]any); ok {
			principal = texts(m["Service"])
		}
		action := texts(s.Action)
		if s.Effect != "Allow" || !slices.Contains(principal, "apigateway.amazonaws.com") && !slices.Contains(principal, "*") ||
			!slices.ContainsFunc(action, func(a string) bool { return matches(a, "lambda:InvokeFunction") }) {
			continue
		}
		sources := []string{}
		for _, condition := range s.Condition {
			for key, value := range condition {
				if strings.EqualFold(key, "aws:SourceArn") {
					sources = append(sources, texts(value)...)
				}
			}
		}
		if len(sources) == 0 {
			sources = []string{"*"}
		}
		allowed = append(allowed, sources...)
	}
	return allowed, nil
}

// texts is a string or a list of strings of a policy.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, one := range v {
			if s, ok := one.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

// matches compares as IAM does in ArnLike: '*' and '?' are any characters. path.Match
// stops at a slash and IAM does not, so there is none.
func matches(pattern, arn string) bool {
	hide := strings.NewReplacer("/", "\x00", "[", "\x01", "\\", "\x02")
	ok, err := path.Match(hide.Replace(pattern), hide.Replace(arn))
	return err == nil && ok
}

// logRole asks for the setting that stages' logging needs.
func (a *asking) logRole() {
	var account struct {
		CloudwatchRoleARN string `json:"cloudwatchRoleArn"`
	}
	if err := a.get("apigatewayv1", "/account", "apigateway:GET", &account); err != nil {
		a.skip("log-role", reason(err))
		return
	}
	if account.CloudwatchRoleARN == "" {
		a.problem("log-role", doctor.Warn, wirepost.ProblemLogRole, "", "")
		return
	}
	a.ok("log-role", "it is set")
}

// mapping asks where a custom domain leads, and learns which API is meant.
func (a *asking) mapping() doctor.Check {
	t := &a.target
	if !t.Domain {
		return doctor.Check{Name: "mapping", Status: doctor.Skip, Sentence: "the endpoint is not a custom domain"}
	}
	all, err := pages[apiMapping](a, "/v2/domainnames/"+url.PathEscape(t.Host)+"/apimappings")
	switch {
	case errors.Is(err, errAbsent):
		return a.found("mapping", doctor.Fail, wirepost.ProblemMappingMissing, t.Host+" is not a custom domain of this account in "+t.Region, "")
	case err != nil:
		return doctor.Check{Name: "mapping", Status: doctor.Skip, Sentence: reason(err)}
	}
	var to []string
	for _, m := range all {
		to = append(to, fmt.Sprintf("/%s to %s/%s", m.Key, m.APIID, m.Stage))
		if m.Key != t.Mapping || t.APIID != "" && t.APIID != m.APIID {
			continue
		}
		t.APIID, t.Stage = m.APIID, m.Stage
		return doctor.Check{Name: "mapping", Status: doctor.OK, Sentence: to[len(to)-1]}
	}
	there := "it has none"
	if len(to) > 0 {
		there = "it maps " + strings.Join(to, ", ")
	}
	what := "/" + t.Mapping
	if t.APIID != "" {
		what += " to " + t.APIID
	}
	return a.found("mapping", doctor.Fail, wirepost.ProblemMappingMissing, fmt.Sprintf("%s has no mapping of %s; %s", t.Host, what, there), "")
}
