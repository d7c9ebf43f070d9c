package template

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestAnAssetOfCDKIsFoundByItsKey(t *testing.T) {
	hash := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct{ name, key, file, want string }{
		{"a folder", hash + ".zip", "cdk.out/asset." + hash + "/index.js", " | | Fn=cdk.out/asset." + hash},
		{"a zip file", hash + ".zip", "cdk.out/asset." + hash + ".zip", " | | Fn=cdk.out/asset." + hash + ".zip"},
		{"a key with a prefix", "app/" + hash + ".zip", "cdk.out/asset." + hash + "/index.js", " | | Fn=cdk.out/asset." + hash},
		{"another asset", hash + ".zip", "cdk.out/asset.0/index.js", " | | Fn="},
		{"a key that is no asset's", "../" + hash + "/k.zip", "cdk.out/asset." + hash + "/index.js", " | | Fn="},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := strings.Replace(strings.Replace(socket, "VALUE", "''", 1), "Code: .", "Code: {S3Bucket: b, S3Key: "+c.key+"}", 1)
			written(t, map[string]string{"cdk.out/T.template.json": code, c.file: "x"})
			a, notes, err := readHere("cdk.out/T.template.json", nil)
			if got := filepath.ToSlash(shownParts(a, err)); got != c.want {
				t.Errorf("read %q, want %q; notes %v", got, c.want, notes)
			}
		})
	}
}

// manifestOf is a manifest of assets with one file.
func manifestOf(key, path string) string {
	return `{"version": "36.0.0", "files": {"x": {"source": {"path": "` + path + `", "packaging": "file"}, "destinations": {"current": {"bucketName": "b", "objectKey": "` + key + `"}}}}}`
}

func TestTheManifestOfAssetsSaysWhereCodeIs(t *testing.T) {
	hash := strings.Repeat("0123456789abcdef", 4)
	code := strings.Replace(strings.Replace(socket, "VALUE", "''", 1), "Code: .", "Code: {S3Bucket: b, S3Key: app/"+hash+".zip}", 1)
	for _, c := range []struct{ name, manifest, want string }{
		{"in the folder", manifestOf("app/"+hash+".zip", "lambda"), " | | Fn=cdk.out/lambda"},
		{"outside of it", manifestOf("app/"+hash+".zip", "../src"), " | | Fn=src"},
		{"another key", manifestOf(hash+".zip", "lambda"), " | | Fn="},
		{"a file that is not there", manifestOf("app/"+hash+".zip", "gone"), " | | Fn="},
		{"a manifest that is none", "{", " | | Fn="},
		{"a list in the place of files", `{"files": ["x"]}`, " | | Fn="},
	} {
		t.Run(c.name, func(t *testing.T) {
			written(t, map[string]string{"cdk.out/T.template.json": code, "cdk.out/T.assets.json": c.manifest, "cdk.out/lambda/index.js": "x", "src/index.js": "x"})
			a, notes, err := readHere("cdk.out/T.template.json", nil)
			if got := filepath.ToSlash(shownParts(a, err)); got != c.want {
				t.Errorf("read %q, want %q; notes %v", got, c.want, notes)
			}
		})
	}
}

func TestANestedStackOfCDKIsFoundByTheManifestOfAssets(t *testing.T) {
	hash := strings.Repeat("0123456789abcdef", 4)
	const child = "Parameters: {Name: {Type: String}}\nResources:\n  T: {Type: AWS::DynamoDB::Table, Properties: {TableName: !Ref Name, AttributeDefinitions: [{AttributeName: a, AttributeType: S}], KeySchema: [{AttributeName: a, KeyType: HASH}]}}\nOutputs: {Out: {Value: !Ref T}}\n"
	parent := strings.Replace(socket, "VALUE", "!GetAtt N.Outputs.Out", 1)
	for _, c := range []struct{ name, url, manifest, want string }{
		{"joined", `{"Fn::Join": ["", ["https://s3.", {Ref: AWS::Region}, ".", {Ref: AWS::URLSuffix}, "/", {"Fn::Sub": "cdk-assets-${AWS::AccountId}"}, "/HASH.json"]]}`, "HASH.json", "chat | T=chat | Fn=cdk.out"},
		{"substituted", "!Sub 'https://s3.${AWS::Region}.${AWS::URLSuffix}/cdk-assets-${AWS::AccountId}/HASH.json'", "HASH.json", "chat | T=chat | Fn=cdk.out"},
		{"constant", "https://s3.us-east-1.amazonaws.com/b/HASH.json", "HASH.json", "chat | T=chat | Fn=cdk.out"},
		{"another", "https://s3.us-east-1.amazonaws.com/b/HASH.json", "0.json", " | | Fn=cdk.out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			with := func(s string) string { return strings.ReplaceAll(s, "HASH", hash) }
			nested := "  N: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: " + with(c.url) + ", Parameters: {Name: chat}}}\n"
			written(t, map[string]string{"cdk.out/P.template.json": parent + nested, "cdk.out/P.assets.json": manifestOf(with(c.manifest), "PN.nested.template.json"), "cdk.out/PN.nested.template.json": child, "cdk.out/index.js": "x"})
			a, notes, err := readHere("cdk.out/P.template.json", nil)
			if got := filepath.ToSlash(shownParts(a, err)); got != c.want {
				t.Errorf("read %q, want %q; notes %v", got, c.want, notes)
			}
		})
	}
}
