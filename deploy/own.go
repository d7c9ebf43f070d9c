package deploy

import (
	"bytes"
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/template"
)

// program is the function that [Own] copies, with its test, README and Makefile.
//
//go:embed function/*.go function/*.tmpl
var program embed.FS

// Stacks are the names of the stacks that there are.
var Stacks = []string{"sam", "terraform", "cdk"}

// edit is a change of a stack that makes it fit the program of package function, where
// the stack of this module is that of the ready-made function.
type edit struct {
	file string
	old  string // it is there once
	// to, if not empty, begins what comes after the text that is replaced: that goes from
	// old up to it.
	to  string
	new string
}

// The publish function of the program takes publishes and is a doctor; SNS and
// EventBridge have other events, and it keeps no presence, so that it needs no schedule.
const handlers = "invoke,sns,eventbridge,doctor,presence"

// edits are the changes, by stack. The program answers pings itself, as it answers each
// action that has no route, by $default; and it has the route track.
var edits = map[string][]edit{
	"sam": {
		{file: "template.yaml", old: handlers, new: "invoke,doctor"},
		{file: "template.yaml", old: "  # Who vanished without", to: "  WebSocketLogGroup:", new: ""},
		{file: "template.yaml", old: "      - PingRoute\n", new: "      - TrackRoute\n"},
		{file: "template.yaml", old: "      - PingIntegrationResponse\n      - PingRouteResponse\n", new: "      - TrackRouteResponse\n"},
		{file: "template.yaml", old: "  # A client's ping keeps", to: "  # One for each route that invokes", new: `  # A route of your own, for mux.Handle("track", ...) of the program. It consists of this
  # route, its response, the permission below, and two lines in DependsOn of Stage. A
  # handler without a route works, too: its frames arrive by $default.
  TrackRoute:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: track
      RouteResponseSelectionExpression: $default
      Target: !Sub "integrations/${WebSocketIntegration}"

  TrackRouteResponse:
    Type: AWS::ApiGatewayV2::RouteResponse
    Properties:
      ApiId: !Ref Api
      RouteId: !Ref TrackRoute
      RouteResponseKey: $default

`},
		{file: "template.yaml", old: "  # Four functions of one zip", new: `  # Of the route of your own.
  TrackPermission:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !Ref WebSocketFunction
      Action: lambda:InvokeFunction
      Principal: apigateway.amazonaws.com
      SourceArn: !Sub "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/${StageName}/track"

  # Four functions of one zip`},
	},
	"terraform": {
		{file: "functions.tf", old: handlers, new: "invoke,doctor"},
		{file: "functions.tf", old: "# Who vanished without", to: "resource \"aws_cloudwatch_log_group\"", new: ""},
		{file: "api.tf", old: "    default     = \"$default\"\n", new: `    default     = "$default"
    # A route of your own, for mux.Handle("track", ...) of the program: this line, and its
    # name in two_way, which gives it a response. Each route here has a permission. A
    # handler without a route works, too: its frames arrive by $default.
    track = "track"
`},
		{file: "api.tf", old: `"send", "default"])`, new: `"send", "default", "track"])`},
		{file: "api.tf", old: "    aws_apigatewayv2_route.ping_route,\n", new: ""},
		{file: "api.tf", old: "    aws_apigatewayv2_integration_response.ping_integration_response,\n    aws_apigatewayv2_route_response.ping_route_response,\n", new: ""},
		{file: "api.tf", old: "# A client's ping keeps", to: "# Posting to, asking about", new: ""},
	},
	"cdk": {
		{file: "stack.ts", old: handlers, new: "invoke,doctor"},
		{file: "stack.ts", old: "import * as events from \"aws-cdk-lib/aws-events\";\n", new: ""},
		{file: "stack.ts", old: "    // Who vanished without", to: "    // Routes whose events go", new: ""},
		{file: "stack.ts", old: "The last four are the client's frames", new: "The last five are the client's frames"},
		{file: "stack.ts", old: "      [\"Default\", \"$default\", true],\n", new: `      ["Default", "$default", true],
      // A route of your own, for mux.Handle("track", ...) of the program. With true it has a
      // response, and each route here has a permission. A handler without a route works,
      // too: its frames arrive by $default.
      ["Track", "track", true],
`},
		{file: "stack.ts", old: "    // A client's ping keeps", to: "    // It is deployed again", new: ""},
	},
}

// words of the stacks that are of this module's folders and of the ready-made function.
var words = strings.NewReplacer(
	"wirepost's ready-made function", "the function of this folder",
	"function.zip github.com/wirepost/wirepost/cmd/wirepost-function", "function.zip .",
	"docs/operations.md", "https://github.com/wirepost/wirepost/blob/main/docs/operations.md",
	"deploy/terraform and deploy/cdk are the same stack", "'wirepost init --stack terraform' and '--stack cdk' have the same stack",
	"deploy/sam and deploy/cdk are the same stack", "'wirepost init --stack sam' and '--stack cdk' have the same stack",
	"The stack of 'deploy/cdk'", "The stack of '--stack cdk'",
	"The stack of deploy/sam", "The stack of 'wirepost init --stack sam'",
	`source       = "./deploy/terraform"`, `source       = "./push"`,
)

// Own is a program of one's own with the stack that fits it, by the names of the files:
// main.go and the others of its package, with a test, README.md, Makefile, and the files
// of one of [Stacks]. It has no go.mod. The function name is what README.md calls the
// program.
func Own(stack, name string) (map[string][]byte, error) {
	if !slices.Contains(Stacks, stack) {
		return nil, fmt.Errorf("there is no stack %q; there are %s", stack, strings.Join(Stacks, ", "))
	}
	files, err := filesOf(Files, stack)
	if err != nil {
		return nil, err
	}
	for _, e := range edits[stack] {
		if files[e.file], err = e.apply(files[e.file]); err != nil {
			return nil, fmt.Errorf("the stack %s: %s: %w", stack, e.file, err)
		}
	}
	for name, text := range files {
		files[name] = []byte(words.Replace(string(text)))
	}
	own, err := filesOf(program, "function")
	if err != nil {
		return nil, err
	}
	for file, text := range own {
		file, isTemplate := strings.CutSuffix(file, ".tmpl")
		if isTemplate {
			t, err := template.New(file).Parse(string(text))
			if err != nil {
				return nil, err
			}
			var b bytes.Buffer
			if err := t.Execute(&b, map[string]any{"Name": name, stack: true}); err != nil {
				return nil, err
			}
			text = b.Bytes()
		}
		files[file] = text
	}
	return files, nil
}

// filesOf are the files of a folder, by their names in it.
func filesOf(from embed.FS, folder string) (map[string][]byte, error) {
	entries, err := from.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = from.ReadFile(path.Join(folder, e.Name())); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func (e edit) apply(text []byte) ([]byte, error) {
	if n := bytes.Count(text, []byte(e.old)); n != 1 {
		return nil, fmt.Errorf("%q is there %d times, not once", e.old, n)
	}
	before, after, _ := bytes.Cut(text, []byte(e.old))
	if e.to != "" {
		i := bytes.Index(after, []byte(e.to))
		if i < 0 {
			return nil, fmt.Errorf("%q is not after %q", e.to, e.old)
		}
		after = after[i:]
	}
	return []byte(string(before) + e.new + string(after)), nil
}
