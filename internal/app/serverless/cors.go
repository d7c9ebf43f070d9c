package serverless

import (
	"regexp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app/document"
)

// A preflight is what a path of the REST API answers to browsers that ask what they may
// send: what the events with cors say, together.
type preflight struct {
	first       trigger
	at          *value // ID of the path's resource
	methods     []string
	origins     []string
	headers     []string
	credentials bool
	age, cache  string
	own         bool // an event has the method OPTIONS
}

// corsHeaders are what the framework allows if an event does not say it. (Serverless
// Framework docs, "AWS - API Gateway (REST API)", "Enabling CORS".)
var corsHeaders = []string{"Content-Type", "X-Amz-Date", "Authorization", "X-Api-Key", "X-Amz-Security-Token", "X-Amz-User-Agent", "X-Amzn-Trace-Id"}

// preflight keeps what an event says about pages of other origins.
func (s *service) preflight(t trigger, path, method string, at *value) {
	cors := t.get("cors")
	on := t.isMap() && !cors.Empty() && cors.ScalarText() != "false"
	p := s.paths[path]
	if p == nil {
		if !on && method != "OPTIONS" {
			return
		}
		p = &preflight{first: t, at: at, methods: []string{"OPTIONS"}}
		s.paths[path] = p
	}
	p.own = p.own || method == "OPTIONS"
	if !on {
		return
	}
	methods := []string{method}
	if method == "ANY" {
		methods = []string{"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"}
	}
	add := func(to *[]string, words ...string) {
		for _, word := range words {
			if word != "" && !slices.Contains(*to, word) {
				*to = append(*to, word)
			}
		}
	}
	add(&p.methods, methods...)
	add(&p.origins, words(cors.Get("origin"))...)
	add(&p.origins, words(cors.Get("origins"))...)
	add(&p.methods, words(cors.Get("methods"))...)
	if headers := words(cors.Get("headers")); len(headers) > 0 {
		add(&p.headers, headers...)
	} else {
		add(&p.headers, corsHeaders...)
	}
	p.credentials = p.credentials || cors.Get("allowCredentials").ScalarText() == "true"
	if age := cors.Get("maxAge").ScalarText(); age != "" {
		p.age = age
	}
	if cache := cors.Get("cacheControl").ScalarText(); cache != "" {
		p.cache = cache
	}
}

// words are those of a list, or of a text with commas.
func words(v *value) (all []string) {
	if v != nil && v.Kind == document.List {
		for _, item := range v.Items {
			all = append(all, item.ScalarText())
		}
		return all
	}
	for word := range strings.SplitSeq(v.ScalarText(), ",") {
		if word = strings.TrimSpace(word); word != "" {
			all = append(all, word)
		}
	}
	return all
}

// preflights make the OPTIONS methods, one for each path: of type MOCK, as the framework
// does.
func (s *service) preflights() {
	var paths []string
	for path := range s.paths {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		if p := s.paths[path]; !p.own && len(p.methods) > 1 {
			s.addPreflight(path, p)
		}
	}
}

func (s *service) addPreflight(path string, p *preflight) {
	t := p.first
	if len(p.origins) == 0 {
		p.origins = []string{"*"}
	}
	header := func(name, said string) field {
		if said == "" {
			return field{}
		}
		return field{Key: "method.response.header." + name, Value: t.text("'" + said + "'")}
	}
	credentials := ""
	if p.credentials {
		credentials = "true"
	}
	response := []field{{Key: "StatusCode", Value: t.text("200")}, {Key: "ResponseParameters", Value: document.NewMap(t.pos,
		header("Access-Control-Allow-Origin", p.origins[0]), header("Access-Control-Allow-Headers", strings.Join(p.headers, ",")), header("Access-Control-Allow-Methods", strings.Join(p.methods, ",")),
		header("Access-Control-Allow-Credentials", credentials), header("Access-Control-Max-Age", p.age), header("Cache-Control", p.cache))}}
	if len(p.origins) > 1 || p.origins[0] != "*" && strings.Contains(p.origins[0], "*") {
		response = append(response, field{Key: "ResponseTemplates", Value: document.NewMap(t.pos, field{Key: "application/json", Value: t.text(originTemplate(p.origins))})})
	}
	s.makeFor(t, "ApiGatewayMethod"+pathID(path)+"Options", "AWS::ApiGateway::Method", field{Key: "RestApiId", Value: document.Ref(t.pos, restID)}, field{Key: "ResourceId", Value: p.at},
		field{Key: "HttpMethod", Value: t.text("OPTIONS")}, field{Key: "Integration", Value: document.NewMap(t.pos, field{Key: "Type", Value: t.text("MOCK")},
			field{Key: "IntegrationResponses", Value: document.NewList(t.pos, document.NewMap(t.pos, response...))})})
}

// originTemplate names the origin that asks if it is one of several. A * in one stands for
// any text.
func originTemplate(origins []string) string {
	conditions := make([]string, len(origins))
	for i, origin := range origins {
		conditions[i] = `$origin.matches("` + strings.ReplaceAll(regexp.QuoteMeta(origin), `\*`, ".*") + `")`
	}
	return `#set($origin = $input.params("Origin"))` + "\n#if(" + strings.Join(conditions, " || ") + ") #set($context.responseOverride.header.Access-Control-Allow-Origin = $origin) #end"
}
