package template

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

const socket = `Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  In: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, CredentialsArn: x, IntegrationType: AWS_PROXY, IntegrationUri: !Sub "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${Fn.Arn}/invocations"}}
  Default: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub "integrations/${In}"}}
  Fn: {Type: AWS::Lambda::Function, Properties: {Runtime: nodejs22.x, Handler: a.b, Code: ., Environment: {Variables: {V: VALUE}}}}
`

// written puts files into an empty folder, in which the test goes on.
func written(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func table(id, name string) string {
	return "  " + id + ": {Type: AWS::DynamoDB::Table, Properties: {TableName: " + name + ", AttributeDefinitions: [{AttributeName: a, AttributeType: S}], KeySchema: [{AttributeName: a, KeyType: HASH}]}}\n"
}

// shownParts are the variable V, the tables and the functions of an app.
func shownParts(a *app.App, err error) string {
	if err != nil {
		return err.Error()
	}
	out := ""
	for _, f := range a.Functions {
		if f.LogicalID == "Fn" {
			out = f.Env["V"]
		}
	}
	out += " |"
	for _, t := range a.Tables {
		out += " " + t.LogicalID + "=" + t.Name
	}
	out += " |"
	for _, f := range a.Functions {
		out += " " + f.LogicalID + "=" + f.Code.Path
	}
	return out
}

func TestAStackImportsWhatAnotherExports(t *testing.T) {
	const data = "Parameters: {Stage: {Type: String, Default: dev}, Missing: {Type: String}}\nResources:\n"
	exporting := data + table("T", "!Sub 'people-${Stage}'") + "Outputs: {Name: {Value: !Ref T, Export: {Name: !Sub '${AWS::StackName}:T'}}}\n"
	for _, c := range []struct {
		name, value string
		files       map[string]string
		o           *Options
		want, note  string
	}{
		{"an export next to it", "!ImportValue 'data:T'", map[string]string{"data.template.yaml": exporting}, nil, "people-dev | T=people-dev | Fn=.", "data.template.yaml: is read too, as stack data: app.yaml imports what it exports"},
		{"a name that is worked out", "{'Fn::ImportValue': !Sub '${Net}:T'}", map[string]string{"data.yaml": exporting, "other.yaml": "a: b\n", "broken.yaml": "a: [\n"}, &Options{Parameters: map[string]string{"Net": "data"}}, "people-dev | T=people-dev | Fn=.", ""},
		{"a value that is given", "!ImportValue 'data:T'", map[string]string{"data.yaml": exporting}, &Options{Values: map[string]string{"import:data:T": "given"}}, "given | | Fn=.", ""},
		{"what nobody exports", "!ImportValue 'data:X'", map[string]string{"data.yaml": exporting}, nil, " | | Fn=.", "variable V of Fn is left out: Fn::ImportValue takes it from another stack; give --value import:data:X=VALUE"},
		{"nothing is imported", "x", map[string]string{"data.yaml": exporting}, nil, "x | | Fn=.", ""},
		{"one after the other", "!ImportValue a", map[string]string{"a.yaml": "Resources: {}\nOutputs: {A: {Value: !Sub ['<${B}>', {B: !ImportValue 'data:T'}], Export: {Name: a}}}\n", "data.yaml": exporting}, nil, "<people-dev> | T=people-dev | Fn=.", ""},
		{"the same logical ID", "!Sub ['${A} ${B}', {A: !ImportValue 'data:F', B: !GetAtt Fn.Arn}]", map[string]string{"data.yaml": "Resources:\n  Fn: {Type: AWS::Lambda::Function, Properties: {FunctionName: theirs, Runtime: nodejs22.x, Handler: a.b, Code: ./code}}\nOutputs: {F: {Value: !GetAtt Fn.Arn, Export: {Name: 'data:F'}}}\n"}, nil, "arn:aws:lambda:us-east-1:000000000000:function:theirs arn:aws:lambda:us-east-1:000000000000:function:Fn | | Fn=. dataFn=code", ""},
		{"each other", "!ImportValue a", map[string]string{"a.yaml": "Resources: {}\nOutputs: {A: {Value: !ImportValue b, Export: {Name: a}}}\n", "b.yaml": "Resources: {}\nOutputs: {B: {Value: !ImportValue a, Export: {Name: b}}}\n"}, nil, "b.yaml:2: import a refers to itself: import a → import b → import a", ""},
		{"a parameter without a value", "!ImportValue p", map[string]string{"p.yaml": "Parameters: {P: {Type: String}}\nResources: {}\nOutputs: {A: {Value: !Ref P, Export: {Name: p}}}\n"}, nil, " | | Fn=.", "variable V of Fn is left out: parameter P of another stack has no value; give --parameter P=VALUE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			written(t, c.files)
			text := "Parameters: {Net: {Type: String, Default: x}}\n" + strings.Replace(socket, "VALUE", c.value, 1)
			if err := os.WriteFile("app.yaml", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			a, notes, err := readHere("app.yaml", c.o)
			if got := shownParts(a, err); got != c.want {
				t.Errorf("read %q, want %q; notes %v", got, c.want, notes)
			}
			if !slices.ContainsFunc(notes, func(n app.Note) bool { return strings.Contains(n.String(), c.note) }) && c.note != "" {
				t.Errorf("notes %v, want %s", notes, c.note)
			}
		})
	}
}

func TestAllStacksOfAFolderAreOneApp(t *testing.T) {
	stackArtifact := func(name, file string) string {
		return `"` + name + `": {"type": "aws:cloudformation:stack", "environment": "aws://111122223333/eu-west-1", "properties": {"templateFile": "` + file + `", "stackName": "` + name + `"}}`
	}
	app := strings.Replace(socket, "VALUE", "!Sub ['${AWS::StackName} ${AWS::Region} ${T}', {T: !ImportValue 'Data:T'}]", 1)
	data := "Resources:\n" + table("T", "!Sub '${AWS::StackName}-people'") + table("Api", "second") + "Outputs: {O: {Value: !Ref T, Export: {Name: 'Data:T'}}}\n"
	for _, c := range []struct {
		name, dir string
		files     map[string]string
		want      string
	}{
		{"cdk.out", "cdk.out", map[string]string{"cdk.out/manifest.json": `{"artifacts": {` + stackArtifact("Data", "Data.template.json") + `, ` + stackArtifact("App", "App.template.json") + `, "T": {"type": "cdk:tree"}}}`, "cdk.out/Data.template.json": data, "cdk.out/App.template.json": app, "cdk.out/Other.template.json": "Resources:\n" + table("X", "x")}, "App eu-west-1 Data-people | T=Data-people DataApi=second | Fn=cdk.out"},
		{"an assembly", "cdk.out", map[string]string{"cdk.out/manifest.json": `{"artifacts": {"S": {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-S"}}}}`, "cdk.out/assembly-S/manifest.json": `{"artifacts": {` + stackArtifact("Data", "Data.template.json") + `, ` + stackArtifact("App", "App.template.json") + `}}`, "cdk.out/assembly-S/Data.template.json": data, "cdk.out/assembly-S/App.template.json": app}, "App eu-west-1 Data-people | T=Data-people DataApi=second | Fn=cdk.out/assembly-S"},
		{"a folder", "infra", map[string]string{"infra/Data.yaml": data, "infra/app.yaml": app, "infra/package.json": "{}", "infra/broken.yaml": "a: ["}, "app us-east-1 Data-people | T=Data-people DataApi=second | Fn=infra"},
		{"a manifest that leads out", "cdk.out", map[string]string{"cdk.out/manifest.json": `{"artifacts": {` + stackArtifact("App", "../App.template.json") + `}}`, "App.template.json": app}, "cdk.out: is a folder: name the file of the template in it"},
		{"a stack that is broken", "cdk.out", map[string]string{"cdk.out/manifest.json": `{"artifacts": {` + stackArtifact("App", "App.template.json") + `, ` + stackArtifact("Bad", "Bad.template.json") + `}}`, "cdk.out/App.template.json": strings.Replace(app, "'Data:T'", "x", 1), "cdk.out/Bad.template.json": "{"}, " | | Fn=cdk.out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			written(t, c.files)
			a, notes, err := readHere(c.dir, nil)
			if got := filepath.ToSlash(shownParts(a, err)); got != c.want {
				t.Errorf("read %q, want %q; notes %v", got, c.want, notes)
			}
		})
	}
}

func TestNestedStacksAreRead(t *testing.T) {
	child := "Parameters: {Name: {Type: String}, More: {Type: CommaDelimitedList, Default: 'a,b'}, Twice: {Type: String, Default: d}}\nConditions: {Big: !Equals [!Ref Name, big]}\nMappings: {M: {a: {b: c}}}\nResources:\n" +
		table("T", "!Sub '${AWS::StackName}-${Name}'") + "  Fn: {Type: AWS::Serverless::Function, Condition: Big, Properties: {Handler: a.b, CodeUri: code}}\n" +
		"Globals: {Function: {Runtime: nodejs22.x}}\nTransform: AWS::Serverless-2016-10-31\nOutputs: {Table: {Value: !Ref T}, Mapped: {Value: !FindInMap [M, a, b]}, Last: {Value: !Select [1, !Ref More]}, Cond: {Value: !If [Big, yes, no]}}\n"
	nested := func(more string) string {
		return "  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: sub/child.yaml, " + more + "}}\n"
	}
	for _, c := range []struct {
		name, value, more string
		files             map[string]string
		want, note        string
	}{
		{"outputs and parameters", "!Sub '${N.Outputs.Table} ${N.Outputs.Mapped} ${N.Outputs.Last} ${N.Outputs.Cond}'", nested("Parameters: {Name: big, More: !Join [',', [x, y]]}"), nil, "local-N-big c y yes | T=local-N-big | Fn=. NFn=sub/code", ""},
		{"an application of SAM", "!GetAtt N.Outputs.Table", "  N: {Type: AWS::Serverless::Application, Properties: {Location: ./sub/child.yaml, Parameters: {Name: !Ref P}}}\nTransform: AWS::Serverless-2016-10-31\nParameters: {P: {Type: String, Default: p}}\n", nil, "local-N-p | T=local-N-p | Fn=.", ""},
		{"an asset of CDK", "!GetAtt [N, Outputs.Table]", "  N: {Type: AWS::CloudFormation::Stack, Metadata: {'aws:asset:path': sub/child.yaml}, Properties: {TemplateURL: !Sub 'https://s3.${AWS::URLSuffix}/x', Parameters: {Name: a}}}\n", nil, "local-N-a | T=local-N-a | Fn=.", ""},
		{"a condition that does not hold", "x", "  N: {Type: AWS::CloudFormation::Stack, Condition: No, Properties: {TemplateURL: sub/child.yaml, Parameters: {Name: big}}}\nConditions: {No: !Equals [a, b]}\n", nil, "x | | Fn=.", ""},
		{"a parameter that is another's output", "!GetAtt M.Outputs.Table", nested("Parameters: {Name: a}") + "  M: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: sub/child.yaml, Parameters: {Name: !GetAtt N.Outputs.Table}}}\n", nil, "local-M-local-N-a | T=local-N-a MT=local-M-local-N-a | Fn=.", ""},
		{"a parameter of itself", "!GetAtt N.Outputs.Table", nested("Parameters: {Name: !GetAtt N.Outputs.Table}"), nil, "error", "refers to itself"},
		{"an output that there is not", "!GetAtt N.Outputs.X", nested("Parameters: {Name: a}"), nil, " | T=local-N-a | Fn=.", "variable V of Fn is left out: nested stack N has no output X"},
		{"a file that is not there", "x", "  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: gone.yaml}}\n", nil, "x | | Fn=.", "app.yaml:6: nested stack N cannot be run here: its template gone.yaml is not there"},
		{"a file that is no template", "x", "  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: sub/bad.yaml}}\n", map[string]string{"sub/bad.yaml": "a: b\n"}, "x | | Fn=.", "nested stack N cannot be run here: its template sub/bad.yaml is not a template: it has no Resources"},
		{"a file that is cut off", "x", "  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: sub/bad.yaml}}\n", map[string]string{"sub/bad.yaml": "a: [\n"}, "x | | Fn=.", "nested stack N cannot be run here: its template sub/bad.yaml cannot be understood: line 1 is neither YAML nor JSON"},
		{"a circle", "x", "  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: sub/bad.yaml}}\n", map[string]string{"sub/bad.yaml": "Resources: {N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: ../app.yaml}}}\n"}, "x | | Fn=.", "sub/bad.yaml:1: nested stack N cannot be run here: its template ../app.yaml is one of those that it is nested in"},
		{"one on AWS", "x", "  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: 'https://b.s3.amazonaws.com/t'}}\n", nil, "x | | Fn=.", "N is a template of its own, which is not read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"sub/child.yaml": child, "app.yaml": strings.Replace(socket, "VALUE", c.value, 1) + c.more}
			for name, text := range c.files {
				files[name] = text
			}
			written(t, files)
			a, notes, err := readHere("app.yaml", nil)
			if c.want == "error" {
				if err == nil || !strings.Contains(err.Error(), c.note) {
					t.Errorf("error %v, want %s", err, c.note)
				}
				return
			}
			if got := filepath.ToSlash(shownParts(a, err)); got != c.want {
				t.Errorf("read %q, want %q; notes %v", got, c.want, notes)
			}
			if !slices.ContainsFunc(notes, func(n app.Note) bool { return strings.Contains(filepath.ToSlash(n.String()), c.note) }) && c.note != "" {
				t.Errorf("notes %v, want %s", notes, c.note)
			}
		})
	}
}

func TestTheAPIMayBeInANestedStack(t *testing.T) {
	written(t, map[string]string{
		"app.yaml":   "Resources:\n  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: api.yaml, Parameters: {V: !Ref T}}}\n" + table("T", "t"),
		"api.yaml":   "Parameters: {V: {Type: String}}\n" + strings.Replace(socket, "VALUE", "!Ref V", 1),
		"other.yaml": "a: b\n",
	})
	a, notes, err := readHere("app.yaml", nil)
	if got := shownParts(a, err); got != "t | T=t | Fn=." || len(a.APIs) != 1 || a.APIs[0].Position.File != "api.yaml" {
		t.Errorf("read %q, notes %v", got, notes)
	}
}

func TestAWSIncludeIsReadFromAFile(t *testing.T) {
	for _, c := range []struct {
		name, more string
		files      map[string]string
		want, note string
	}{
		{"resources", "  Fn::Transform: {Name: AWS::Include, Parameters: {Location: ./more.yaml}}\n", map[string]string{"more.yaml": strings.TrimSpace(table("T", "t")) + "\n"}, "x | T=t | Fn=.", ""},
		{"at the top", "Transform: {Name: AWS::Include, Parameters: {Location: more.yaml}}\n", map[string]string{"more.yaml": "Resources:\n" + table("T", "t")}, "x | T=t | Fn=.", ""},
		{"no file", "  Fn::Transform: {Name: AWS::Include, Parameters: {Location: gone.yaml}}\n", nil, "x | | Fn=.", "app.yaml:6: AWS::Include cannot be run here: its file gone.yaml is not there"},
		{"a circle", "  Fn::Transform: {Name: AWS::Include, Parameters: {Location: more.yaml}}\n", map[string]string{"more.yaml": "Fn::Transform: {Name: AWS::Include, Parameters: {Location: more.yaml}}\n"}, "x | | Fn=.", "more.yaml:1: AWS::Include cannot be run here: its file more.yaml includes itself"},
		{"a folder", "  Fn::Transform: {Name: AWS::Include, Parameters: {Location: .}}\n", nil, "x | | Fn=.", "AWS::Include cannot be run here: its file . is a folder: name the file of the template in it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"app.yaml": strings.Replace(socket, "VALUE", "x", 1) + c.more}
			for name, text := range c.files {
				files[name] = text
			}
			written(t, files)
			a, notes, err := readHere("app.yaml", nil)
			if got := shownParts(a, err); got != c.want {
				t.Errorf("read %q, want %q; notes %v", got, c.want, notes)
			}
			if !slices.ContainsFunc(notes, func(n app.Note) bool { return strings.Contains(n.String(), c.note) }) && c.note != "" {
				t.Errorf("notes %v, want %s", notes, c.note)
			}
		})
	}
}
