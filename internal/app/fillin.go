package app

import (
	"regexp"
	"strings"
	"unicode"
)

// IsFillIn reports whether a value of a variable is what its author left for others to
// fill in, such as <insert endpoint>, REPLACE_ME, your-api-id, or an address of an API
// whose ID is none. It knows common forms and no others: a value that might be meant is
// not one.
func IsFillIn(value string) bool {
	if value == "" || len(value) > maxFillIn || strings.ContainsAny(value, "\r\n") {
		return false
	}
	if fillInWhole.MatchString(value) || fillInWords.MatchString(value) || brackets.FindString(value) == value {
		return true
	}
	if !addressLike.MatchString(value) {
		return false
	}
	address := value
	if _, after, ok := strings.Cut(value, "://"); ok {
		address = after
	}
	label, rest, _ := strings.Cut(address, ".")
	executeAPI := strings.HasPrefix(rest, "execute-api.")
	if brackets.MatchString(value) || executeAPI && (!isAPIID(label) || braces.MatchString(address)) {
		return true
	}
	for _, part := range strings.FieldsFunc(address, func(r rune) bool { return r == '.' || r == '/' || r == ':' }) {
		if fillInWhole.MatchString(part) || fillInWords.MatchString(part) {
			return true
		}
	}
	return false
}

// maxFillIn is how long a value may be that is looked at.
const maxFillIn = 300

var (
	// fillInWhole are values that are nothing else: crosses, and words that are written
	// in capitals only for this.
	fillInWhole = regexp.MustCompile(`^(?:[xX]{3,}(?:[-_.]?[xX]+)*|TODO|TBD|FIXME|\.{3}|(?i:placeholder|replace[-_ ]?me|replace[-_ ]?this|change[-_ ]?me|change[-_ ]?this|fill[-_ ]?me(?:[-_ ]?in)?|insert[-_ ]?here))$`)

	// fillInWords are values that tell their reader what to do, or whose something is.
	// A sentence with spaces may be a text for people.
	fillInWords = regexp.MustCompile(`^(?:(?i:your[-_][a-z0-9_-]+|my[-_]?api[-_]?id|(?:insert|enter|put|paste|add)[-_](?:your|the)[-_][a-z0-9_-]+|(?:insert|enter|put|paste|add|replace)[-_][a-z0-9_-]+[-_]here|replace[-_]with[-_][a-z0-9_-]+|[a-z0-9_-]+[-_]placeholder)|your[A-Z][A-Za-z0-9]*)$`)

	// brackets are words between < and >, and braces those between { and } of an address.
	// What has a / behind its < or an = in it is a tag.
	brackets = regexp.MustCompile(`<[A-Za-z][A-Za-z0-9 _.:'-]*>`)
	braces   = regexp.MustCompile(`\{[A-Za-z][A-Za-z0-9 _-]*\}`)

	// addressLike is an address of the network or an ARN.
	addressLike = regexp.MustCompile(`^(?:(?:https?|wss?)://|arn:aws|[^\s/:]+\.execute-api\.)\S*$`)

	apiIDForm = regexp.MustCompile(`^[a-z0-9]{10}$`)

	// sampleIDs are API IDs that only documentation has.
	sampleIDs = regexp.MustCompile(`^(?:1234567890|0123456789|abcdefghij|abcdef1234|abcde12345)$`)
)

// isAPIID reports whether the first label of an execute-api host may be that of an API,
// also behind a VPC endpoint.
func isAPIID(label string) bool {
	id, _, _ := strings.Cut(label, "-vpce-")
	switch {
	case strings.HasPrefix(label, "vpce-"):
		return true
	case !apiIDForm.MatchString(id) || sampleIDs.MatchString(id):
		return false
	}
	return strings.Count(id, id[:1]) < len(id)
}

// A Place is what of the API that runs a variable plainly has, by its name.
type Place uint8

// The places: none that is plain, the address of the API's stage, its host, its ID, its
// region.
const (
	NoPlace Place = iota
	EndpointPlace
	HostPlace
	APIIDPlace
	RegionPlace
)

// PlaceOf is what a variable of that name has. All words of the name have to be of
// such an API: SLACK_API_URL is none of its places. Next to APIs of other kinds it has
// to name sockets or connections' management, too.
func PlaceOf(name string, others bool) Place {
	var of bool // an API that clients connect to
	place := NoPlace
	for _, word := range nameWords(name) {
		switch word {
		case "ws", "wss", "socket", "sockets", "websocket", "websockets", "management", "mgmt":
			of = true
		case "api", "gateway", "apigateway", "apigw", "apig", "callback":
			of = of || !others
		case "connection", "connections", "gw", "web", "aws", "v2", "execute", "base", "post", "https", "http", "stage", "invoke", "the", "my", "default":
		case "endpoint", "endpoints", "url", "uri", "address":
			place = max(place, EndpointPlace)
		case "host", "hostname", "domain":
			place = max(place, HostPlace)
		case "id":
			place = APIIDPlace
		case "region":
			of, place = true, RegionPlace
		default:
			return NoPlace
		}
	}
	if !of {
		return NoPlace
	}
	return place
}

// nameWords are the words of a name, in lower case: WS_URL, wsUrl and ws-url are alike.
func nameWords(name string) []string {
	var words []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			words = append(words, strings.ToLower(word.String()))
			word.Reset()
		}
	}
	var before rune
	for _, r := range name {
		switch {
		case r == '_' || r == '-' || r == '.':
			end()
			before = 0
			continue
		case unicode.IsUpper(r) && unicode.IsLower(before):
			end()
		}
		word.WriteRune(r)
		before = r
	}
	end()
	return words
}
