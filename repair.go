package wirepost

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// cure is what to do about an endpoint that is refused: the endpoint that was meant, if
// that is plain and the parser takes it; otherwise what the mistake says, or the
// catalogue.
func cure(raw string, o *EndpointOptions, e *Error) string {
	switch e.Problem {
	case ProblemSigningRegion, ProblemEndpointStageMissing, ProblemEndpointStageOnDomain:
		return e.FixText // which is exact
	}
	meant := repairEndpoint(raw, o)
	if meant == "" || meant == raw {
		return e.FixText
	}
	_, err := parseEndpoint(meant, o)
	then := ""
	switch p := ProblemOf(err); {
	case p == ProblemEndpointStageMissing && validStage(o.Stage):
		meant += "/" + o.Stage
	case p == ProblemEndpointStageMissing:
		meant += "/<stage>"
	case p == ProblemSigningRegion && o.Region == "" && !strings.HasPrefix(meant, "http:"):
		then = ", and set AWS_REGION to the region of the API"
	case p == ProblemSigningRegion && o.Region != "":
		then = ", and " + err.(*Error).Fix()
	case p != "" && p != ProblemSigningRegion:
		return e.FixText
	}
	if e.FixText == "" || strings.HasPrefix(e.FixText, "use ") || strings.HasPrefix(e.FixText, "leave https://") {
		return "use " + meant + then
	}
	return e.FixText + ": use " + meant + then
}

// repairEndpoint takes every mistake out of an endpoint behind which it is plain what was
// meant. It never keeps a user, a query or a fragment, which may hold secrets. Whether
// what is left is an endpoint, the parser says; it is empty if nothing can be said.
func repairEndpoint(raw string, o *EndpointOptions) string {
	s := strings.Trim(strings.Map(plainRune, raw), " \t\r\n\"'`<>()[],;")
	if endpoint := endpointOfName(s, o.Region); endpoint != "" {
		return endpoint
	}
	s = onlyURL(s)
	scheme, rest := cutScheme(strings.ReplaceAll(s, `\`, "/"))
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	if plain, err := url.PathUnescape(authority); err == nil {
		within, more, _ := strings.Cut(plain, "/")
		authority, path = within, strings.TrimPrefix(more+"/"+path, "/")
	}
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	if scheme == "" && authority != strings.ToLower(authority) && !strings.Contains(authority, ".execute-api.") {
		return "" // the name of a resource, perhaps, and hardly a host
	}
	if authority = repairHost(authority); authority == "" || scheme == "http" && isLocalName(authority) {
		return ""
	}
	path = repairPath(path, isLoopback(authority) || strings.Contains(authority, ".execute-api"))
	if scheme == "https" && isLoopback(authority) { // a gateway behind TLS
		return "https://" + authority + path
	}
	return schemeFor(authority) + authority + path
}

// plainRune drops what nobody sees, and gives back the hyphens that word processors took.
func plainRune(r rune) rune {
	switch {
	case r == '\ufeff' || unicode.Is(unicode.Cf, r):
		return -1
	case '\u2010' <= r && r <= '\u2013' || r == '\u2212':
		return '-'
	case unicode.IsSpace(r):
		return ' '
	}
	return r
}

// onlyURL is the URL of a text that contains exactly one, such as JSON, an assignment or a
// request line; of others it is the text.
func onlyURL(s string) string {
	at := strings.Index(s, "://")
	if at < 0 {
		return s
	}
	from := at
	for from > 0 && isLetter(s[from-1]) {
		from--
	}
	end := len(s)
	if i := strings.IndexAny(s[at:], " \"'`<>{}|^,;()"); i >= 0 {
		end = at + i
	}
	behind := s[end:]
	if from == at || strings.Contains(behind, "://") || strings.HasPrefix(behind, " ") && strings.ContainsFunc(behind, unicode.IsLetter) {
		return s
	}
	found := s[from:end]
	if !strings.Contains(found, "[") {
		found = strings.TrimRight(found, "]")
	}
	return found
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// cutScheme takes off a scheme, however it is written, and another one behind it. The
// scheme is the last, in lower case.
func cutScheme(s string) (scheme, rest string) {
	for {
		n := 0
		for n < len(s) && isLetter(s[n]) {
			n++
		}
		word, after := strings.ToLower(s[:n]), s[n:]
		known := slices.Contains([]string{"https", "http", "wss", "ws"}, word)
		switch {
		case n > 0 && strings.HasPrefix(after, "://"):
		case known && strings.HasPrefix(after, "//"):
		case known && len(after) > 1 && after[0] == ':' && (after[1] < '0' || after[1] > '9'):
		default:
			return scheme, strings.TrimLeft(s, "/")
		}
		scheme, s = word, strings.TrimPrefix(after, ":")
		if colons := strings.TrimLeft(s, ":"); strings.HasPrefix(colons, "/") { // or IPv6
			s = colons
		}
		s = strings.TrimLeft(s, "/")
	}
}

// repairHost repairs a host with or without a port.
func repairHost(authority string) string {
	authority = strings.ToLower(authority)
	if i := strings.LastIndexByte(authority, ':'); i > 0 && authority[0] != '[' && strings.Contains(authority[:i], ":") {
		if a, err := netip.ParseAddr(authority[:i]); err == nil { // IPv6 without its brackets
			authority = "[" + a.String() + "]" + authority[i:]
		}
	}
	host, port := authority, ""
	if h, p, err := net.SplitHostPort(authority); err == nil {
		host, port = h, p
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	switch {
	case host == "" && port == "", isLoopback(host) && strings.HasSuffix(authority, ":"):
		return ""
	case host == "", host == "0.0.0.0", host == "::": // where a server listens
		host = "localhost"
	case repairAWSHost(host) != host || isExecuteAPIHost(host):
		host, port = repairAWSHost(host), ""
	case port == "443" || port == "80":
		if !isLoopback(host) {
			port = ""
		}
	}
	if port != "" {
		return net.JoinHostPort(host, port)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// repairAWSHost repairs the default host of an API, which is made of
// {apiId}.execute-api.{region}.{suffix}.
func repairAWSHost(host string) string {
	label := strings.Split(host, ".")
	if len(label) < 4 {
		return host
	}
	switch letters := strings.NewReplacer("-", "", "_", "").Replace(label[1]); letters {
	case "executeapi":
		label[1] = "execute-api"
	case "executeapifips":
		label[1] = "execute-api-fips"
	default:
		return host
	}
	if id, _, found := strings.Cut(label[0], "-vpce-"); found {
		label[0] = id
	}
	if zone := zoneRegion(label[2]); zone != "" {
		label[2] = zone
	}
	if suffix := strings.Join(label[3:], "."); misplacedSuffix(label[2], suffix) {
		label = append(label[:3], dnsSuffix(label[2]))
	}
	return strings.Join(label, ".")
}

// repairPath is the path without what is added for each call, escapes and slashes too
// many. byStage: it can be a stage only.
func repairPath(path string, byStage bool) string {
	for range 3 { // escaped twice, and once more by a client
		plain, err := url.PathUnescape(path)
		if err != nil {
			break
		}
		path = plain
	}
	if i := strings.Index(strings.ToLower(path), "@connections"); i >= 0 {
		path = path[:i]
	}
	segment := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	if n := len(segment); n > 0 {
		segment[n-1] = strings.TrimRight(segment[n-1], ".,;:'\"`>)]} ")
	}
	if n := len(segment); byStage && n > 1 {
		switch last := segment[n-1]; {
		case last == "connections" || isRouteKey(last):
			segment = segment[:n-1]
		case n == 2 && segment[0] == last:
			segment = segment[:1]
		}
	}
	if len(segment) == 0 || segment[0] == "" {
		return ""
	}
	return "/" + strings.Join(segment, "/")
}

// isRouteKey reports whether a name is that of a route, which is often taken for a stage.
func isRouteKey(name string) bool { return name == "$connect" || name == "$disconnect" }

// zoneRegion is the region of an Availability Zone, such as eu-west-1a; empty for others.
func zoneRegion(name string) string {
	region := strings.TrimRight(name, "abcdefghijklmnopqrstuvwxyz")
	if isAWSRegion(region) && len(name) == len(region)+1 {
		return region
	}
	return ""
}

// misplacedSuffix reports whether what follows the region in a host is meant as a domain
// of AWS's, and is not one of that region: another partition's, or a slip of the pen.
func misplacedSuffix(region, suffix string) bool {
	if !isAWSRegion(region) {
		return false
	}
	switch own := dnsSuffix(region); suffix {
	case own:
		return false
	case "api.aws":
		return own != "amazonaws.com"
	case "api.amazonwebservices.com.cn":
		return own != "amazonaws.com.cn"
	case "api.amazonwebservices.eu":
		return own != "amazonaws.eu"
	}
	return slices.Contains(executeAPISuffixes, suffix) || strings.HasPrefix(suffix, "amazon") || strings.HasPrefix(suffix, "aws.")
}

// endpointOfName is the endpoint of an API that is named by its ARN or, with or without a
// stage, by its ID; empty for other texts.
func endpointOfName(s, region string) string {
	id, ok := identityOfARN(s)
	if !ok {
		id, ok = identityOfPage(s)
	}
	if !ok {
		id.Region = region
		id.APIID, id.Stage, _ = strings.Cut(s, "/")
		ok = isAPIID(id.APIID)
	}
	if !ok || !isAWSRegion(id.Region) {
		return ""
	}
	return strings.TrimSuffix(DefaultEndpointURL(id), "/")
}

// identityOfARN is the API, and the stage if there is one, that an ARN of execute-api or
// of apigateway names: arn:aws:execute-api:{region}:{account}:{api}/{stage}/… and
// arn:aws:apigateway:{region}::/apis/{api}/stages/{stage}.
func identityOfARN(s string) (id Identity, ok bool) {
	field := strings.SplitN(s, ":", 6)
	if len(field) < 6 || field[0] != "arn" {
		return id, false
	}
	part := strings.Split(strings.TrimPrefix(field[5], "/"), "/")
	switch id.Region = field[3]; {
	case field[2] == "execute-api":
	case field[2] == "apigateway" && len(part) > 1 && part[0] == "apis":
		if part = part[1:]; len(part) > 2 && part[1] == "stages" {
			part = []string{part[0], part[2]}
		} else {
			part = part[:1]
		}
	default:
		return id, false
	}
	if id.APIID = part[0]; len(part) > 1 && validStage(part[1]) {
		id.Stage = part[1]
	}
	return id, consistsOf(id.APIID, lowerOrDigit)
}

// identityOfPage is the API that a page of AWS's console is about:
// https://{region}.console.aws.amazon.com/apigateway/main/apis/{api}/routes?…
func identityOfPage(s string) (id Identity, ok bool) {
	_, s, _ = strings.Cut(s, "://")
	host, path, _ := strings.Cut(s, "/")
	id.Region, _, ok = strings.Cut(host, ".console.")
	_, path, in := strings.Cut(path, "/apis/")
	id.APIID = path[:word(path)]
	return id, ok && in && isAPIID(id.APIID)
}

// isLocalName reports whether a host, with or without a port, is one of a local network.
func isLocalName(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return a.IsPrivate() || a.IsLinkLocalUnicast()
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return !isLoopback(host) && (last == host || last == "internal" || last == "local")
}

// isAPIID reports whether a name has the form of the API IDs in recorded events: ten
// lower-case letters and digits, of both. AWS documents no form: UNCERTAIN.
func isAPIID(s string) bool {
	return len(s) == 10 && consistsOf(s, lowerOrDigit) && strings.ContainsAny(s, "0123456789") && strings.ContainsFunc(s, unicode.IsLetter)
}
