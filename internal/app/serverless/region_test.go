package serverless

import (
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app/document"
)

func expandWith(file, text string, o Options) (*Service, string, error) {
	reading := document.NewReading(file)
	root, err := document.Parse(file, []byte(text), reading)
	if err != nil {
		return nil, "", err
	}
	s, err := Expand(root, reading, o)
	var notes strings.Builder
	for _, n := range reading.Notes() {
		notes.WriteString(n.String() + "\n")
	}
	return s, notes.String(), err
}

func TestTheRegionOfTheProviderIsThatOfTheService(t *testing.T) {
	for _, c := range []struct {
		name, provider string
		o              Options
		want, variable string
		note           string
	}{
		{"written", "region: eu-central-1", Options{}, "eu-central-1", "eu-central-1", ""},
		{"an option", "region: \"${opt:region, 'eu-north-1'}\"", Options{CLI: map[string]string{"region": "ca-central-1"}}, "ca-central-1", "ca-central-1", ""},
		{"an option that is not given", "region: \"${opt:region, 'eu-north-1'}\"", Options{}, "eu-north-1", "eu-north-1", ""},
		{"custom", "region: ${self:custom.place.${sls:stage}}", Options{}, "sa-east-1", "sa-east-1", ""},
		{"the environment", "region: ${env:AWS_REGION}", Options{Env: func(string) string { return "eu-west-3" }}, "eu-west-3", "eu-west-3", ""},
		{"the environment without it", "region: ${env:AWS_REGION}", Options{}, "us-east-1", "", "serverless.yml:4: provider.region is not known here, and us-east-1 is used: environment variable AWS_REGION is not set; give --region NAME"},
		{"none", "stage: dev", Options{}, "us-east-1", "us-east-1", ""},
		{"a flag over what is written", "region: eu-central-1", Options{Region: "us-west-2"}, "us-west-2", "us-west-2", "provider.region is eu-central-1, but --region us-west-2 is given: it is us-west-2 in all variables here; Serverless keeps what is written in ${self:provider.region}"},
		{"a flag", "stage: dev", Options{Region: "us-west-2"}, "us-west-2", "us-west-2", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "service: a\nprovider:\n  name: aws\n  " + c.provider + "\ncustom: {place: {dev: sa-east-1}}\nfunctions:\n  f:\n    handler: a.b\n    environment: {A: \"${aws:region}\", B: \"${self:provider.region}\"}\n    events: [{websocket: $connect}]\n"
			s, notes, err := expandWith("serverless.yml", text, c.o)
			if err != nil {
				t.Fatal(err)
			}
			variables := s.Template.Get("Resources", "FLambdaFunction", "Properties", "Environment", "Variables")
			a, b := variables.Get("A").ScalarText(), variables.Get("B").ScalarText()
			if s.Region != c.want || a != c.variable || b != c.variable {
				t.Errorf("region %s, ${aws:region} %q, ${self:provider.region} %q, want %s, %q and %q", s.Region, a, b, c.want, c.variable, c.variable)
			}
			if c.note == "" && notes != "" || !strings.Contains(notes, c.note) {
				t.Errorf("notes %s, want %q", notes, c.note)
			}
		})
	}
}

func TestAValueIsGivenForAVariableThatOnlyAWSHas(t *testing.T) {
	for variable, name := range map[string]string{
		"${ssm:/chat/key}":                             "ssm:/chat/key",
		"${ssm(eu-west-1):/chat/key}":                  "ssm:/chat/key",
		"${ssm:/chat/key~true}":                        "ssm:/chat/key",
		"${cf:net-${sls:stage}.Vpc}":                   "cf:net-dev.Vpc",
		"${cf(us-west-2):net.Vpc}":                     "cf:net.Vpc",
		"${s3:bucket/key.txt}":                         "s3:bucket/key.txt",
		"${ssm:/aws/reference/secretsmanager/chat/db}": "secretsmanager:chat/db",
	} {
		text := "service: a\nprovider: aws\nfunctions:\n  f:\n    handler: a.b\n    environment: {A: \"" + variable + "\"}\n    events: [{websocket: $connect}]\n"
		of := func(s *Service) *document.Value {
			return s.Template.Get("Resources", "FLambdaFunction", "Properties", "Environment", "Variables", "A")
		}
		s, _, err := expandWith("serverless.yml", text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if v := of(s); v.Kind != document.Unknown || v.Text != "${"+name+"} is only on AWS; give --value "+name+"=VALUE" || !s.Asked[name] {
			t.Errorf("%s is %q, want that --value %s is asked for", variable, v.Text, name)
		}
		if s, _, err = expandWith("serverless.yml", text, Options{Values: map[string]string{name: "x"}}); err != nil || of(s).ScalarText() != "x" {
			t.Errorf("%s is %q, %v, want x", variable, of(s).Text, err)
		}
	}
}

func TestAParameterOrAnOptionThatIsMistypedIsAnError(t *testing.T) {
	const text = "service: a\nprovider: {name: aws, stage: \"${opt:stage, 'dev'}\"}\nparams: {default: {tableName: t}}\nfunctions:\n  f:\n    handler: a.b\n    environment: {A: \"${param:domain, 'x'}\", B: \"${opt:colour, 'x'}\"}\n    events: [{websocket: $connect}]\n"
	for _, c := range []struct {
		o         Options
		err, note string
	}{
		{Options{Parameters: map[string]string{"domian": "x"}}, "serverless.yml: nothing uses parameter domian: did you mean domain?", ""},
		{Options{Parameters: map[string]string{"tableNam": "x"}}, "serverless.yml: nothing uses parameter tableNam: did you mean tableName?", ""},
		{Options{Parameters: map[string]string{"tableName": "x"}}, "", ""},
		{Options{Parameters: map[string]string{"elsewhere": "x"}}, "", "serverless.yml: parameter elsewhere is given, but nothing that is read asks for it\n"},
		{Options{CLI: map[string]string{"color": "x"}}, "serverless.yml: nothing uses option color: did you mean colour?", ""},
		{Options{CLI: map[string]string{"region": "eu-west-1", "stage": "x"}}, "", ""},
	} {
		_, notes, err := expandWith("serverless.yml", text, c.o)
		if errorText(err) != c.err || notes != c.note {
			t.Errorf("%v %v: %q, notes %q, want %q and %q", c.o.Parameters, c.o.CLI, errorText(err), notes, c.err, c.note)
		}
	}
}
