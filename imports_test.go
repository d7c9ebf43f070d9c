package wirepost_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/wirepost/wirepost"

// importRules says which packages of this module a package may import, and which
// modules of others it may link, with the reason. A package that has no row may
// not exist. Test files are free, except that the root's and the gateway's never
// import each other either.
var importRules = []struct {
	pkg  string
	ours []string
	link []string
	why  string
}{
	{"", []string{"internal/management", "internal/awsconfig"}, []string{"github.com/aws/aws-lambda-go/events", "github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/smithy-go"}, "the library is what every function links: AWS's core with its signer, for one call of Lambda's Invoke, the errors that core links itself, and the event types, and nothing that costs a cold start"},
	{"internal/management", []string{"internal/awsconfig"}, []string{"github.com/aws/aws-sdk-go-v2/aws"}, "the signed client of one endpoint: it knows nothing of audiences, stores or results, and explains nothing"},
	{"internal/awsconfig", nil, []string{"github.com/aws/aws-sdk-go-v2/aws"}, "the environment's credentials and region, for programs that link the library; AWS's chain is registered from outside"},
	{"awschain", []string{"internal/awsconfig"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/config", "github.com/aws/smithy-go"}, "AWS's chain is linked only by those who want it: a Lambda does not, and its clients of STS and single sign-on are made before main"},
	{"sqlitestore", []string{""}, []string{"modernc.org/sqlite"}, "a driver is linked only by those who import it"},
	{"internal/dynamodb", nil, []string{"github.com/aws/aws-sdk-go-v2/aws"}, "eleven operations of DynamoDB's, signed by AWS's signer; AWS's own client makes a cold start a third longer"},
	{"dynamostore", []string{"", "internal/awsconfig", "internal/dynamodb"}, []string{"github.com/aws/aws-sdk-go-v2/aws"}, "a driver is linked only by those who import it"},
	{"internal/v01", []string{"", "internal/dynamodb"}, []string{"github.com/aws/aws-sdk-go-v2/aws"}, "what version 0.1 reads and writes, frozen, for tests alone: functions of two versions share a table while one replaces the other"},
	{"httpstore", []string{""}, nil, "a driver is linked only by those who import it, and both ends of its protocol are net/http"},
	{"jobs", []string{"", "internal/awsconfig"}, []string{"github.com/aws/aws-lambda-go/events", "github.com/aws/aws-sdk-go-v2/aws"}, "a queue's function is linked only by those who have one; AWS's signer for its one call to SQS"},
	{"jwtauth", []string{""}, []string{"github.com/golang-jwt/jwt/v5", "github.com/MicahParks/jwkset"}, "tokens are linked only by those who check them"},
	{"sdkclient", []string{""}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi", "github.com/aws/smithy-go"}, "AWS's client, and the steps that it is made of, are linked only by those who want it"},
	{"internal/accept", nil, nil, "what every listener here needs where net/http gives up: patience while descriptors are short, and who a Host header means"},
	{"internal/httphead", nil, nil, "requests in their ordinary form, for servers whose round trips count; it knows neither what they ask for nor who answers"},
	{"gateway", []string{"internal/accept", "internal/jsontext"}, []string{"github.com/gobwas/", "golang.org/x/sys"}, "the gateway cannot know the library's secrets, so neither can agree with the other's mistake"},
	{"wireposttest", []string{"", "gateway"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/gobwas/ws"}, "the one place where library and gateway meet for tests"},
	{"internal/terminal", nil, nil, "makes text from outside harmless before it is printed; every package that prints may import it"},
	{"internal/memlisten", nil, nil, "a listener in memory, for tests in fake time; only tests import it"},
	{"internal/dynamolocal", []string{"internal/engine"}, nil, "starts the DynamoDB servers that tests speak to; Amazon's own as users get it"},
	{"internal/hint", nil, nil, "an error with what to do about it, for all that people start"},
	{"internal/awslocal", nil, nil, "answers in the protocols of DynamoDB, SQS and SNS, and knows neither apps nor engines; AWS's clients are not linked, because it serves"},
	{"internal/engine", []string{"internal/atomicfile", "internal/hint"}, nil, "runs the servers that stand in for AWS's, and knows neither apps nor flags; atomicfile for the process ID of each"},
	{"internal/atomicfile", nil, nil, "small files that a full disk leaves whole or as they were, for the command and the functions that it runs"},
	{"internal/intercept", []string{"internal/accept"}, []string{"golang.org/x/net/"}, "brings a program's calls to AWS to handlers: it knows no dev, no template and no gateway; x/net reads HTTPS_PROXY and NO_PROXY as Go's own clients do, and dials by SOCKS"},
	{"internal/lambdart", []string{"internal/accept", "internal/atomicfile", "internal/httphead", "internal/terminal"}, nil, "runs any program that speaks the Runtime API, and knows nothing of what it is for; terminal quotes the paths in its hints"},
	{"examples/notify", []string{""}, nil, "an example uses the library as a user would"},
	{"examples/notify/function", []string{"", "examples/notify", "sqlitestore", "dynamostore", "httpstore"}, []string{"github.com/aws/aws-lambda-go/lambda"}, "the example as a Lambda"},
	{"examples/ask", []string{""}, nil, "an example uses the library as a user would"},
	{"examples/ask/function", []string{"", "examples/ask", "dynamostore", "httpstore"}, []string{"github.com/aws/aws-lambda-go/lambda"}, "the example as a Lambda"},
	{"examples/elsewhere", []string{"", "awschain", "sqlitestore", "dynamostore"}, nil, "the program that never saw a connection"},
	{"examples/fanout", []string{"", "jobs"}, []string{"github.com/aws/aws-lambda-go/events"}, "a queue's function uses the library as a user would"},
	{"examples/chat", nil, nil, "a page is files"},
	{"client", []string{""}, []string{"github.com/coder/websocket"}, "a client of the protocol, linked by those who listen: a WebSocket library that many use, and of ours the names and positions"},
	{"site/check", nil, []string{"github.com/chromedp/"}, "a browser that reads the site; no program of wirepost links it"},
	{"release/check", []string{""}, nil, "reads and starts the files of a release; of wirepost it knows the version"},
	{"images/check", []string{"", "wireposttest"}, nil, "starts the container images, with a client for what they serve"},
	{"clients/js", nil, nil, "the browser client is a file"},
	{"internal/httpapi", []string{"internal/accept", "internal/app"}, []string{"github.com/golang-jwt/jwt/v5"}, "API Gateway's and Lambda's HTTP side on one machine: it knows functions as things that can be invoked, and reads the tokens of JWT authorizers with the library that jwtauth has"},
	{"internal/control", []string{"gateway", "internal/accept"}, []string{"github.com/prometheus/client_golang/prometheus"}, "what only this machine may do to a gateway that runs, and its counts in Prometheus's own words: the gateway links no metrics library"},
	{"internal/inspector", []string{"", "gateway", "internal/accept"}, []string{"github.com/gobwas/"}, "records and shows traffic: posts through the library as anybody would, and connects clients of its own"},
	{"internal/doctor", []string{"", "internal/awsconfig", "internal/terminal"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/gobwas/ws"}, "diagnosis: AWS's own signer, so that it does not share a mistake with the library's, and a WebSocket client"},
	{"internal/doctor/controlplane", []string{"", "internal/doctor", "internal/terminal"}, nil, "what only somebody with rights on the API's configuration may ask; the command alone links it"},
	{"internal/doctor/sharedconfig", nil, []string{"github.com/aws/aws-sdk-go-v2/config"}, "AWS's configuration file, which no Lambda has; the command alone links it"},
	{"doctor", []string{"", "internal/doctor"}, []string{"github.com/aws/aws-sdk-go-v2/aws"}, "the doctor inside a function of one's own; linked by those who want it"},
	{"internal/app", []string{"internal/terminal"}, nil, "what an app is, in nouns that no template language owns, and flags as words of a shell; it runs nothing"},
	{"internal/app/document", []string{"internal/app"}, []string{"go.yaml.in/yaml"}, "YAML with the line of each value, so that a mistake is named where it is"},
	{"internal/app/cloudformation", []string{"internal/app", "internal/app/document"}, nil, "one language, and no other: what a template says is decided by its language alone"},
	{"internal/app/serverless", []string{"internal/app", "internal/app/document"}, nil, "one language, and no other: it ends with a document of CloudFormation's shape, and does not know who reads it"},
	{"internal/app/terraform", []string{"internal/app", "internal/app/document"}, []string{"github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty/cty", "go.yaml.in/yaml"}, "one language, and no other: its own parser and values, and YAML for its functions; it ends with a document of CloudFormation's shape, and does not know who reads it"},
	{"internal/app/template", []string{"internal/app", "internal/app/document", "internal/app/cloudformation", "internal/app/serverless", "internal/app/terraform"}, []string{"github.com/BurntSushi/toml"}, "the one place that knows every language: it recognises a file's and calls it, and reads what the files next to it say of a deployment"},
	{"internal/eventsource/eventpattern", nil, nil, "AWS's language of patterns for events: it knows no source"},
	{"internal/eventsource", []string{"internal/app", "internal/atomicfile", "internal/eventsource/eventpattern"}, []string{"github.com/aws/aws-sdk-go-v2/aws"}, "queues, streams and schedules that invoke functions, which it knows by Invoke alone; AWS's signer for eight operations of SQS and DynamoDB, and no client of theirs"},
	{"internal/bundle", []string{"internal/app", "internal/atomicfile"}, []string{"github.com/evanw/esbuild/pkg/api"}, "esbuild adds several MB to a program: only the command links it"},
	{"internal/configprogram", nil, nil, "runs a program that describes an app, bounded; it knows neither what bundles it nor what it describes"},
	{"deploy", nil, nil, "the stacks for AWS as files; only its tests read them"},
	{"deploy/function", []string{"", "doctor", "dynamostore", "httpstore", "jobs", "jwtauth"}, []string{"github.com/aws/aws-lambda-go/"}, "what wirepost init copies: it uses the library as a user would"},
	{"cmd/wirepost-function", []string{"", "doctor", "jobs", "jwtauth", "dynamostore", "httpstore"}, []string{"github.com/aws/aws-lambda-go/"}, "wiring"},
	{"internal/dev", []string{"", "gateway", "sqlitestore", "clients/js", "httpstore", "internal/accept", "internal/app", "internal/atomicfile", "internal/awslocal", "internal/control", "internal/engine", "internal/hint", "internal/httpapi", "internal/inspector", "internal/lambdart", "internal/terminal", "internal/eventsource", "internal/invokeapi", "internal/mapping", "internal/intercept"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/config", "github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue", "github.com/aws/aws-sdk-go-v2/service/dynamodb", "github.com/aws/smithy-go"}, "an app that runs: it puts the parts together, and knows no template language, no flag and no terminal; of internal/terminal it has the words of commands in hints"},
	{"internal/invokeapi", []string{"internal/accept"}, nil, "Lambda's Invoke API for functions behind an interface: it knows neither how they run nor who signs"},
	{"internal/jsontext", nil, nil, "whether bytes are JSON, faster than the standard library says it: for messages of 128 KB that are looked at several times"},
	{"internal/vtl", nil, nil, "the language of Velocity 1.7: it knows nothing of gateways, and its variables are given to it"},
	{"internal/mapping", []string{"internal/vtl", "internal/jsontext"}, []string{"github.com/santhosh-tekuri/jsonschema/v6"}, "mapping templates and models, bytes and context in, bytes out; JSON Schema of draft 4 by a library"},
	{"cmd/wirepost", []string{"", "awschain", "deploy", "gateway", "sqlitestore", "dynamostore", "examples/notify", "examples/chat", "internal/control", "internal/dev", "internal/hint", "internal/inspector", "internal/lambdart", "internal/terminal", "httpstore", "internal/app", "internal/app/template", "internal/doctor", "internal/doctor/controlplane", "internal/doctor/sharedconfig", "internal/dynamodb", "internal/atomicfile", "internal/bundle", "internal/configprogram", "client"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/spf13/cobra", "github.com/spf13/pflag"}, "flags, by the library that everybody knows, words on the terminal and exit codes; each command's own wiring"},
}

func TestPackagesImportOnlyWhatTheirRowAllows(t *testing.T) {
	rows := map[string]int{}
	for i, r := range importRules {
		rows[r.pkg] = i
	}
	seen := map[string]bool{}
	for file, imports := range parseImports(t) {
		pkg := path.Dir(file)
		if pkg == "." {
			pkg = ""
		}
		i, ok := rows[pkg]
		if !ok {
			t.Errorf("%s: package %q has no row in importRules: say what it may import, and why", file, pkg)
			continue
		}
		seen[pkg] = true
		rule := importRules[i]
		isTest := strings.HasSuffix(file, "_test.go")
		for _, imported := range imports {
			own, isOurs := strings.CutPrefix(imported, module)
			own = strings.TrimPrefix(own, "/")
			switch {
			case isOurs && (pkg == "" && own == "gateway" || pkg == "gateway" && own == ""):
				t.Errorf("%s imports %s: the gateway and the library never import each other, in tests neither", file, imported)
			case isTest:
			case isOurs && !slices.Contains(rule.ours, own):
				t.Errorf("%s imports %s, which its row does not allow (%s)", file, imported, rule.why)
			case !isOurs && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") && !slices.ContainsFunc(rule.link, func(p string) bool { return strings.HasPrefix(imported, p) }):
				t.Errorf("%s links %s, which its row does not allow (%s)", file, imported, rule.why)
			}
		}
	}
	for _, r := range importRules {
		if !seen[r.pkg] {
			t.Errorf("importRules has a row for package %q, which does not exist", r.pkg)
		}
	}
}

// parseImports reads the files themselves, so that a cached test result cannot
// hide a new import.
func parseImports(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && p != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		imports := []string{}
		for _, s := range f.Imports {
			v, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, v)
		}
		all[filepath.ToSlash(p)] = imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
