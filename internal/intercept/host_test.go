package intercept

import (
	"encoding/json"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// names are names of AWS's, by what they are taken for.
var names = map[string]Host{
	"dynamodb.us-east-1.amazonaws.com":                         {Service: "dynamodb", Region: "us-east-1"},
	"DynamoDB.EU-West-1.amazonaws.com.":                        {Service: "dynamodb", Region: "eu-west-1"},
	"dynamodb-fips.us-gov-west-1.amazonaws.com:443":            {Service: "dynamodb", Region: "us-gov-west-1"},
	"dynamodb.cn-north-1.amazonaws.com.cn":                     {Service: "dynamodb", Region: "cn-north-1"},
	"dynamodb.ap-southeast-2.api.aws":                          {Service: "dynamodb", Region: "ap-southeast-2"},
	"111122223333.ddb.us-east-1.amazonaws.com":                 {Service: "dynamodb", Prefix: "111122223333", Region: "us-east-1"},
	"111122223333.ddb.us-east-1.api.aws":                       {Service: "dynamodb", Prefix: "111122223333", Region: "us-east-1"},
	"streams.dynamodb.us-east-1.amazonaws.com":                 {Service: "streams.dynamodb", Region: "us-east-1"},
	"streams-dynamodb.us-east-1.api.aws":                       {Service: "streams.dynamodb", Region: "us-east-1"},
	"sqs.us-east-1.amazonaws.com":                              {Service: "sqs", Region: "us-east-1"},
	"sqs-fips.us-east-1.api.aws":                               {Service: "sqs", Region: "us-east-1"},
	"queue.amazonaws.com":                                      {Service: "sqs", Region: "us-east-1"},
	"eu-central-1.queue.amazonaws.com":                         {Service: "sqs", Region: "eu-central-1"},
	"sns.us-east-1.amazonaws.com":                              {Service: "sns", Region: "us-east-1"},
	"lambda.us-east-1.api.aws":                                 {Service: "lambda", Region: "us-east-1"},
	"abcdefghij.execute-api.us-east-1.amazonaws.com":           {Service: "execute-api", Prefix: "abcdefghij", Region: "us-east-1"},
	"abcdefghij.execute-api.us-east-1.api.aws":                 {Service: "execute-api", Prefix: "abcdefghij", Region: "us-east-1"},
	"abcdefghij.execute-api-fips.us-gov-west-1.amazonaws.com":  {Service: "execute-api", Prefix: "abcdefghij", Region: "us-gov-west-1"},
	"bedrock-runtime.us-east-1.amazonaws.com":                  {Service: "bedrock-runtime", Region: "us-east-1"},
	"s3.amazonaws.com":                                         {},
	"bucket.s3.us-east-1.amazonaws.com":                        {},
	"dynamodb.s3.us-east-1.amazonaws.com":                      {},
	"dynamodb.us-east-1.s3.us-east-1.amazonaws.com":            {},
	"abc-vpce-1.execute-api.us-east-1.amazonaws.com":           {},
	"vpce-1-2.dynamodb.us-east-1.vpce.amazonaws.com":           {},
	"vpce-1.execute-api.us-east-1.vpce.amazonaws.com":          {},
	"1.ddb.us-east-1.amazonaws.com":                            {},
	"execute-api.us-east-1.amazonaws.com":                      {},
	"ddb.us-east-1.amazonaws.com":                              {},
	"dynamodb.us_east.amazonaws.com":                           {},
	"abcdefghij.execute-api.us-east-1.us-east-1.amazonaws.com": {},
	"cognito-idp.us-east-1.amazonaws.com":                      {Service: "cognito-idp", Region: "us-east-1"},
	"x.y.z.execute-api.us-east-1.amazonaws.com":                {},
	"oidc.eks.us-east-1.amazonaws.com":                         {},
	"streams.kinesis.us-east-1.amazonaws.com":                  {},
	"123456789012.dynamodb.us-east-1.amazonaws.com":            {},
	"abcdefghij.execute-api.us-east-1.amazonaws.com:8443":      {Service: "execute-api", Prefix: "abcdefghij", Region: "us-east-1"},
	"my_bucket.s3.dualstack.eu-west-1.amazonaws.com":           {},
	"ec2.eu-west-1.api.aws":                                    {Service: "ec2", Region: "eu-west-1"},
	"sts.amazonaws.com":                                        {},
	"queue.us-east-1.amazonaws.com":                            {Service: "sqs", Region: "us-east-1"},
}

var services = []string{"dynamodb", "streams.dynamodb", "sqs", "sns", "lambda", "execute-api"}

func TestANameOfAWSIsTakenApart(t *testing.T) {
	for name, want := range names {
		got, ok := ParseHost(name)
		clean, _, _ := strings.Cut(strings.ToLower(name), ":")
		want.Name = strings.TrimSuffix(clean, ".")
		if !ok || got != want {
			t.Errorf("ParseHost(%s) = %+v, %v, want %+v", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "example.com", "amazonaws.com", "amazonaws.com.evil.test", "dynamodb.us-east-1.amazonaws.com.evil.test", "xamazonaws.com", "evil-amazonaws.com",
		"localhost", "127.0.0.1:443", "[::1]:443", "a b.amazonaws.com", "a..amazonaws.com", ".amazonaws.com", "dynamodb.us-east-1.amazonaws.com/x", "x@dynamodb.us-east-1.amazonaws.com",
		"dynamodb.us-east-1.amazonaws.com.de", "api.aws", "é.amazonaws.com", strings.Repeat("a.", 200) + "amazonaws.com"} {
		if got, ok := ParseHost(name); ok {
			t.Errorf("ParseHost(%q) = %+v", name, got)
		}
	}
}

// Node.js decides by the pattern what it brings here, and the server by ParseHost.
func TestThePatternForNodeJSHasTheNamesThatAreTakenOver(t *testing.T) {
	for _, some := range [][]string{services, {"dynamodb"}, {"execute-api"}, {"sqs", "sns"}, {"bedrock-runtime"}, {"a.b*"}, nil} {
		pattern := regexp.MustCompile(Pattern(some))
		for name := range names {
			h, _ := ParseHost(name)
			want := slices.Contains(some, h.Service)
			if got := pattern.MatchString(h.Name); got != want {
				t.Errorf("%s with %q: %v, want %v", h.Name, some, got, want)
			}
		}
	}
	if exec.Command("node", "--version").Run() != nil {
		t.Skip("skipped in part: Node.js is not installed")
	}
	list, _ := json.Marshal(slices.Sorted(maps.Keys(names)))
	out, err := exec.Command("node", "-e", `const [p, a, l] = process.argv.slice(1); const [r, s] = [new RegExp(p), new RegExp(a)];
		console.log(JSON.parse(l).map((n) => n.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')).filter((n) => r.test(n) && s.test(n)).join(' '))`, Pattern(services), ofAWS.String(), string(list)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var want []string
	pattern := regexp.MustCompile(Pattern(services))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if h, _ := ParseHost(name); pattern.MatchString(h.Name) {
			want = append(want, h.Name)
		}
	}
	if got := strings.Fields(string(out)); !slices.Equal(got, want) {
		t.Errorf("Node.js takes\n%q\nwant\n%q", got, want)
	}
}

func FuzzParseHost(f *testing.F) {
	for name := range names {
		f.Add(name)
	}
	pattern := regexp.MustCompile(Pattern(services))
	f.Fuzz(func(t *testing.T, name string) {
		h, ok := ParseHost(name)
		if !ok {
			if h != (Host{}) {
				t.Errorf("%q: %+v of no host of AWS", name, h)
			}
			return
		}
		if !slices.ContainsFunc(domains, func(d string) bool { return strings.HasSuffix(h.Name, "."+d) }) {
			t.Errorf("%q: %+v is below none of AWS's domains", name, h)
		}
		if (h.Service == "") != (h.Region == "") {
			t.Errorf("%q: %+v", name, h)
		}
		if pattern.MatchString(h.Name) != slices.Contains(services, h.Service) {
			t.Errorf("%q: Node.js and the server differ about %+v", name, h)
		}
		if again, ok := ParseHost(h.Name); !ok || again != h {
			t.Errorf("%q: %+v, then %+v", name, h, again)
		}
	})
}
