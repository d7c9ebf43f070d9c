package cloudformation

import (
	"maps"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

// variable is the minimal API whose function has one variable, with more resources.
func variable(value, more string) string {
	return with("Handler: a.b", "Handler: a.b, Environment: {Variables: {V: "+value+"}}") + more
}

func TestAValueIsGivenForWhatOnlyAWSHas(t *testing.T) {
	const queue, pool, url = "  Q: {Type: AWS::SQS::Queue}\n", "  P: {Type: AWS::Cognito::UserPool}\n", "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs"
	type values map[string]string
	for _, c := range []struct {
		name, value, more string
		given             values
		want, missing     string
	}{
		{"a pool", "!Ref P", pool, values{"P": "eu-west-1_AbC"}, "eu-west-1_AbC", "V of F names P, of type AWS::Cognito::UserPool, which is not run here: its logical ID stands for it; give --value P=VALUE"},
		{"a pool's ARN", "!GetAtt P.Arn", pool, values{"P": "eu-west-1_AbC"}, "arn:aws:cognito-idp:eu-west-1:000000000000:userpool/eu-west-1_AbC", "Arn of P, of type AWS::Cognito::UserPool, is made by AWS; give --value P=VALUE"},
		{"a pool's provider", "!Sub '${P.ProviderName} ${P.ProviderURL}'", pool, values{"P": "eu-west-1_AbC"}, "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC", "ProviderName of P, of type AWS::Cognito::UserPool, is made by AWS; give --value P=VALUE"},
		{"a pool's issuer", "!Sub 'https://cognito-idp.${AWS::Region}.amazonaws.com/${P}'", pool, values{"P": "eu-west-1_AbC"}, "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC", "give --value P=VALUE"},
		{"a pool of China", "!GetAtt P.ProviderURL", pool, values{"P": "cn-north-1_AbC"}, "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_AbC", "give --value P=VALUE"},
		{"an attribute itself", "!GetAtt P.Arn", pool, values{"P.Arn": "arn:x"}, "arn:x", "give --value P=VALUE"},
		{"a queue's URL", "!Ref Q", queue, values{"Q": url}, url, "the URL of Q, of type AWS::SQS::Queue, is made by AWS; give --value Q=VALUE"},
		{"a queue's name and ARN", "!Sub '${Q.QueueName} ${Q.Arn} ${Q.QueueUrl}'", queue, values{"Q": url}, "jobs arn:aws:sqs:eu-west-1:111122223333:jobs " + url, "give --value Q=VALUE"},
		{"a bucket without a name", "!Ref B", "  B: {Type: AWS::S3::Bucket}\n", values{"B": "b-1"}, "b-1", "V of F names B, of type AWS::S3::Bucket, which is not run here: its logical ID stands for it; give --value B=VALUE"},
		{"a bucket's addresses", "!Sub '${B.Arn} ${B.RegionalDomainName}'", "  B: {Type: AWS::S3::Bucket}\n", values{"B": "b-1"}, "arn:aws:s3:::b-1 b-1.s3.us-east-1.amazonaws.com", "give --value B=VALUE"},
		{"a topic", "!Sub '${T} ${T.TopicName}'", "  T: {Type: AWS::SNS::Topic}\n", values{"T": "arn:aws:sns:us-east-1:111122223333:news"}, "arn:aws:sns:us-east-1:111122223333:news news", "give --value T=VALUE"},
		{"a stream of a table", "!GetAtt T.StreamArn", "  T: {Type: AWS::DynamoDB::Table, Properties: {AttributeDefinitions: [{AttributeName: a, AttributeType: S}], KeySchema: [{AttributeName: a, KeyType: HASH}]}}\n", values{"T.StreamArn": "arn:s"}, "arn:s", "StreamArn of T, of type AWS::DynamoDB::Table, is made by AWS; give --value T.StreamArn=VALUE"},
		{"a nested stack", "!GetAtt N.Outputs.Key", "  N: {Type: AWS::CloudFormation::Stack}\n", values{"N.Outputs.Key": "k"}, "k", "give --value N.Outputs.Key=VALUE"},
		{"another API", "!Ref H", "  H: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}\n", values{"H": "a1b2c3d4e5"}, "a1b2c3d4e5", ""},
		{"an export", "!ImportValue net-Vpc", "", values{"import:net-Vpc": "vpc-1"}, "vpc-1", "Fn::ImportValue takes it from another stack; give --value import:net-Vpc=VALUE"},
		{"an export whose name is worked out", "!ImportValue {'Fn::Sub': '${AWS::StackName}-Vpc'}", "", values{"import:local-Vpc": "vpc-1"}, "vpc-1", "give --value import:local-Vpc=VALUE"},
		{"a parameter of Systems Manager", "'{{resolve:ssm:/app/a}}'", "", values{"ssm:/app/a": "x"}, "x", "a dynamic reference is resolved by AWS; give --value ssm:/app/a=VALUE"},
		{"a version of it", "'a{{resolve:ssm:/app/a:3}}b'", "", values{"ssm:/app/a": "x"}, "axb", "give --value ssm:/app/a=VALUE"},
		{"that version", "'{{resolve:ssm:/app/a:3}}'", "", values{"ssm:/app/a:3": "y", "ssm:/app/a": "x"}, "y", "give --value ssm:/app/a=VALUE"},
		{"a secure one", "!Sub '{{resolve:ssm-secure:${AWS::StackName}}}'", "", values{"ssm:local": "x"}, "x", "give --value ssm:local=VALUE"},
		{"a secret", "'{{resolve:secretsmanager:app/b}}'", "", values{"secretsmanager:app/b": "x"}, "x", "give --value secretsmanager:app/b=VALUE"},
		{"a key of a secret", "'{{resolve:secretsmanager:app/b:SecretString:password}}'", "", values{"secretsmanager:app/b:SecretString:password": "x"}, "x", "give --value secretsmanager:app/b:SecretString:password=VALUE"},
		{"a key of a secret that is given as a whole", "'{{resolve:secretsmanager:app/b:SecretString:port::}}'", "", values{"secretsmanager:app/b": `{"port": 5432}`}, "5432", "give --value secretsmanager:app/b:SecretString:port=VALUE"},
		{"a secret by its ARN", "'{{resolve:secretsmanager:arn:aws:secretsmanager:us-east-1:111122223333:secret:s-1:SecretString:k}}'", "", values{"secretsmanager:arn:aws:secretsmanager:us-east-1:111122223333:secret:s-1": `{"k": "x"}`}, "x", "give --value secretsmanager:arn:aws:secretsmanager:us-east-1:111122223333:secret:s-1:SecretString:k=VALUE"},
		{"a parameter of the template from Systems Manager", "!Ref L", "Parameters: {L: {Type: \"AWS::SSM::Parameter::Value<String>\", Default: /app/l}}\n", values{"ssm:/app/l": "x"}, "x", "parameter L comes from Systems Manager; give --value ssm:/app/l=VALUE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := variable(c.value, c.more)
			a, notes, err := readText(text, Options{Values: c.given})
			if err != nil || a.Functions[0].Env["V"] != c.want {
				t.Fatalf("V is %q (%v, notes %v), want %q", a.Functions[0].Env["V"], err, notes, c.want)
			}
			if said := strings.Join(texts(notes), "\n"); strings.Contains(said, "--value") {
				t.Errorf("with the value there is still a note: %s", said)
			}
			more := maps.Clone(c.given)
			more["UNRELATED"], more["A"], more["F"] = "x", "of another API", "not its name"
			if a, _, err = readText(text, Options{MoreValues: more}); err != nil || a.Functions[0].Env["V"] != c.want && c.name != "another API" || a.Functions[0].Name != "F" {
				t.Errorf("among an environment of more values V is %q, %v, want %q; the function is %s", a.Functions[0].Env["V"], err, c.want, a.Functions[0].Name)
			}
			if _, notes, err = readText(text, Options{}); err != nil || !strings.Contains(strings.Join(texts(notes), "\n"), c.missing) {
				t.Errorf("without the value: notes %q, %v, want %q", texts(notes), err, c.missing)
			}
		})
	}
}

func TestWhereVersion1OfCDKPutsAnAssetNeedsNoParameter(t *testing.T) {
	bucket, key, sum := "AssetParameters"+strings.Repeat("0a", 32)+"S3Bucket16A1DD15", "AssetParameters"+strings.Repeat("0a", 32)+"S3VersionKey0BAF8210", "AssetParameters"+strings.Repeat("0a", 32)+"ArtifactHash98A7EF01"
	parameters := "Parameters: {" + bucket + ": {Type: String}, " + key + ": {Type: String}, " + sum + ": {Type: String}"
	value := "!Join [' ', [!Ref " + bucket + ", !Select [0, !Split ['||', !Ref " + key + "]], !Select [1, !Split ['||', !Ref " + key + "]], !Ref " + sum + "]]"
	a, _, err := readText(variable(value, parameters+"}\n"), Options{})
	hash := strings.Repeat("0a", 32)
	if want := "cdk-assets assets/ " + hash + ".zip " + hash; err != nil || a.Functions[0].Env["V"] != want {
		t.Errorf("V is %q, %v, want %q", a.Functions[0].Env["V"], err, want)
	}
	if _, _, err := readText(variable("!Ref AssetParameters", "Parameters: {AssetParameters: {Type: String}}\n"), Options{}); err == nil {
		t.Error("another parameter needs no value either")
	}
}

func TestAValueThatNothingAsksForIsTold(t *testing.T) {
	text := variable("!Sub '${UserPool} ${UserPool.Arn}', W: '{{resolve:ssm:/app/secret}}'", "  UserPool: {Type: AWS::Cognito::UserPool}\n  B: {Type: AWS::S3::Bucket}\nParameters: {Stage: {Type: String, Default: a}}\n")
	for _, c := range []struct{ name, err, note string }{
		{"UserPol", "t.yaml: there is no resource UserPol, for which a value is given: did you mean UserPool?", ""},
		{"UserPool.Anr", "t.yaml: nothing uses the value UserPool.Anr: did you mean UserPool.Arn?", ""},
		{"ssm:/app/scret", "t.yaml: nothing uses the value ssm:/app/scret: did you mean ssm:/app/secret?", ""},
		{"Elsewhere", "t.yaml: there is no resource Elsewhere, for which a value is given", ""},
		{"Stage", `t.yaml: Stage is a parameter: give --parameter Stage=VALUE`, ""},
		{"B.Arn", "", "t.yaml: nothing uses the value B.Arn"},
		{"A", "", "t.yaml:2: nothing uses the value A: that is the API that runs here, and its ID is local; for functions that have its address on AWS, give --deployed-api ID"},
		{"ssm:/elsewhere", "", "t.yaml: nothing uses the value ssm:/elsewhere"},
	} {
		_, notes, err := readText(text, Options{Values: map[string]string{c.name: "x"}})
		if got := errorText(err); got != c.err {
			t.Errorf("--value %s=x: %q, want %q", c.name, got, c.err)
		}
		if said := noteLines(notes); c.note != "" && !strings.Contains(said, c.note) {
			t.Errorf("--value %s=x: notes %s, want %s", c.name, said, c.note)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func noteLines(notes []app.Note) string {
	var b strings.Builder
	for _, n := range notes {
		b.WriteString(n.String() + "\n")
	}
	return b.String()
}

func TestAStackIsInTheRegionThatAValueOfItsOwnSays(t *testing.T) {
	const more = "  P: {Type: AWS::Cognito::UserPool}\n  T: {Type: AWS::SNS::Topic}\n  C: {Type: \"Custom::Certificate\"}\n"
	for _, c := range []struct {
		name            string
		o               Options
		region, account string
		note            string
	}{
		{"nothing", Options{}, "us-east-1", "000000000000", ""},
		{"a pool", Options{Values: map[string]string{"P": "ap-southeast-2_x"}}, "ap-southeast-2", "000000000000", ""},
		{"a topic", Options{Values: map[string]string{"T": "arn:aws:sns:eu-north-1:111122223333:t"}}, "eu-north-1", "111122223333", ""},
		{"what a program has made", Options{Values: map[string]string{"C": "arn:aws:acm:eu-north-1:111122223333:certificate/c"}}, "us-east-1", "000000000000", ""},
		{"another than the flag's", Options{Region: "us-west-2", Account: "444455556666", Values: map[string]string{"P": "eu-west-1_x"}}, "us-west-2", "444455556666", "the value that is given for P is of region eu-west-1, but the app is in us-west-2: give --region eu-west-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, notes, err := readText(variable("!Sub '${AWS::Region} ${AWS::AccountId} ${F2.Arn}'", more+"  F2: {Type: AWS::Lambda::Function, Properties: {Runtime: nodejs22.x, Handler: a.b, Code: .}}\n"), c.o)
			if err != nil {
				t.Fatal(err)
			}
			if want := c.region + " " + c.account + " arn:aws:lambda:" + c.region + ":" + c.account + ":function:F2"; a.Region != c.region || a.Account != c.account || a.Functions[0].Env["V"] != want {
				t.Errorf("region %s, account %s, V %q, want %q", a.Region, a.Account, a.Functions[0].Env["V"], want)
			}
			if said := noteLines(notes); c.note == "" && strings.Contains(said, "region") || !strings.Contains(said, c.note) {
				t.Errorf("notes %s, want %q", said, c.note)
			}
		})
	}
}
