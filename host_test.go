package wirepost

import (
	"regexp"
	"testing"
)

// What the names are, as regular expressions, which are easier to read than code and
// slower to begin.
var (
	stagePattern          = regexp.MustCompile(`^(\$default|[A-Za-z0-9_-]{1,128})$`)
	regionPattern         = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	executeAPIHostPattern = regexp.MustCompile(`^([a-z0-9]+)\.execute-api(?:-fips)?\.([a-z0-9-]+)\.(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|api\.aws|api\.amazonwebservices\.com\.cn|api\.amazonwebservices\.eu)$`)
	bareServicePattern    = regexp.MustCompile(`^execute-api(?:-fips)?\.([a-z0-9-]+)\.(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|api\.aws|api\.amazonwebservices\.com\.cn|api\.amazonwebservices\.eu)$`)
	hostLabelPattern      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
)

func FuzzNames(f *testing.F) {
	for _, s := range []string{"", "-", "a", "a-", "-a", "a--b", "$default", "$defaul", "prod_1", "eu-west-1", "eu-west-1-", "EU", "é",
		"abc123.execute-api.eu-west-1.amazonaws.com", "abc123.execute-api-fips.us-gov-west-1.amazonaws.com", "abc.execute-api.cn-north-1.amazonaws.com.cn", "abc.execute-api.eu-west-1.api.aws",
		"abc.execute-api.eu-west-1.amazonaws.com.evil.example", "abc.execute-api..amazonaws.com", ".execute-api.eu-west-1.amazonaws.com", "a.b.execute-api.eu-west-1.amazonaws.com", "abc.execute-api.eu-west-1.amazonaws.com\n",
		"execute-api.eu-west-1.amazonaws.com", "execute-api.eu-west-1.amazonaws.", "execute-api..amazonaws.com", "execute-api.eu-west-1.amazonaws"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, is := range map[string][2]bool{
			"stage":        {validStage(s), stagePattern.MatchString(s)},
			"region":       {isRegion(s), regionPattern.MatchString(s)},
			"host label":   {isHostLabel(s), hostLabelPattern.MatchString(s)},
			"bare service": {isBareService(s), bareServicePattern.MatchString(s)},
			"API's host":   {isExecuteAPIHost(s), executeAPIHostPattern.MatchString(s)},
		} {
			if is[0] != is[1] {
				t.Errorf("%q is taken for a %s: %v, want %v", s, name, is[0], is[1])
			}
		}
		if m := executeAPIHostPattern.FindStringSubmatch(s); m != nil {
			if id, region, _ := parseExecuteAPIHost(s); id != m[1] || region != m[2] {
				t.Errorf("%q is the API %q in %q, want %q in %q", s, id, region, m[1], m[2])
			}
		}
	})
}
