package wirepost

import (
	"slices"
	"strings"
)

// Names are checked by hand and not by regular expressions: to compile five of them
// takes a third of a millisecond, for which each cold start of a function would wait.

// executeAPISuffixes are what follows the region in the default host of an API, in
// AWS's partitions and in their dual-stack form (the endpoint tables of AWS's SDK).
var executeAPISuffixes = []string{
	"amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "c2s.ic.gov", "sc2s.sgov.gov", "cloud.adc-e.uk", "csp.hci.ic.gov",
	"api.aws", "api.amazonwebservices.com.cn", "api.amazonwebservices.eu",
}

// parseExecuteAPIHost reads {apiId}.execute-api.{region}.{suffix}, the default host of
// an API, or its FIPS form, execute-api-fips. ok is false for any other host.
func parseExecuteAPIHost(host string) (apiID, region string, ok bool) {
	apiID, rest, _ := strings.Cut(host, ".")
	service, rest, _ := strings.Cut(rest, ".")
	region, suffix, _ := strings.Cut(rest, ".")
	if service != "execute-api" && service != "execute-api-fips" || !slices.Contains(executeAPISuffixes, suffix) ||
		!consistsOf(apiID, lowerOrDigit) || !consistsOf(region, lowerDigitOrHyphen) {
		return "", "", false
	}
	return apiID, region, true
}

func isExecuteAPIHost(host string) bool {
	_, _, ok := parseExecuteAPIHost(host)
	return ok
}

// otherAWSSuffixes are the domains of AWS's services.
var otherAWSSuffixes = []string{".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".on.aws", ".api.aws", ".cloudfront.net", ".awsapprunner.com"}

// isOtherAWSHost reports whether a host is that of a service of AWS which is not API
// Gateway: a queue, a function's own URL, a load balancer.
func isOtherAWSHost(host string) bool {
	return !strings.Contains(host, ".execute-api") && slices.ContainsFunc(otherAWSSuffixes, func(s string) bool { return strings.HasSuffix(host, s) })
}

// isBareService reports whether a host is the service without an API, such as
// execute-api.eu-west-1.amazonaws.com.
func isBareService(host string) bool {
	_, _, ok := parseExecuteAPIHost("api." + host)
	return ok
}

// isHostLabel reports whether a part of a host is one: lower case, digits, and hyphens
// inside.
func isHostLabel(s string) bool {
	return consistsOf(s, lowerDigitOrHyphen) && s[0] != '-' && s[len(s)-1] != '-'
}

// isRegion reports whether a name looks like a region: words with hyphens between them.
func isRegion(s string) bool {
	words := 0
	for word := range strings.SplitSeq(s, "-") {
		if words++; !consistsOf(word, lowerOrDigit) {
			return false
		}
	}
	return words > 1
}

// isAWSRegion reports whether a name has the form of AWS's regions: words, and a number
// (the patterns of partitions in the endpoint tables of AWS's SDK).
func isAWSRegion(s string) bool {
	words, number := s, ""
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		words, number = s[:i], s[i+1:]
	}
	return isRegion(words) && 'a' <= words[0] && words[0] <= 'z' && consistsOf(number, func(c byte) bool { return '0' <= c && c <= '9' })
}

// validStage reports whether a name is one that a stage can have: up to 128 letters,
// digits, hyphens and underscores, or $default.
func validStage(name string) bool {
	return name == "$default" || len(name) <= 128 && consistsOf(name, func(c byte) bool {
		return lowerDigitOrHyphen(c) || 'A' <= c && c <= 'Z' || c == '_'
	})
}

// consistsOf reports whether all bytes of a name are of a kind, and there are any.
func consistsOf(s string, kind func(byte) bool) bool {
	for i := range len(s) {
		if !kind(s[i]) {
			return false
		}
	}
	return s != ""
}

func lowerOrDigit(c byte) bool       { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
func lowerDigitOrHyphen(c byte) bool { return lowerOrDigit(c) || c == '-' }
