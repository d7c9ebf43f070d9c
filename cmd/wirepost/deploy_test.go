package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/dynamostore"
)

// readTemplate is a file of deploy without its comments.
func readTemplate(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "deploy", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(string(b), "")
}

// find returns what the groups of each match of a pattern have, flat.
func find(t *testing.T, text, pattern string) []string {
	t.Helper()
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1:]...)
	}
	return found
}

func TestTheTemplatesMakeTheTableThatTheStoreMakes(t *testing.T) {
	d := dynamostore.Definition()
	if !d.OnDemand {
		t.Fatal("the templates say on-demand billing, and the store does not")
	}
	keys, types := d.Key[:], []string{d.Key[0], d.KeyTypes[0], d.Key[1], d.KeyTypes[1]}
	sam, tf := readTemplate(t, "sam/table.yaml"), readTemplate(t, "terraform/table.tf")
	for _, c := range []struct {
		what, text, pattern string
		want                []string
	}{
		{"SAM: resource", sam, `\n    Type: (AWS::DynamoDB::\w+)\n`, []string{"AWS::DynamoDB::Table"}},
		{"SAM: attributes", sam, `- AttributeName: (\w+)\n +AttributeType: (\w+)\n`, types},
		{"SAM: partition key", sam, `- AttributeName: (\w+)\n +KeyType: HASH\n`, keys[:1]},
		{"SAM: sort key", sam, `- AttributeName: (\w+)\n +KeyType: RANGE\n`, keys[1:]},
		{"SAM: billing", sam, `BillingMode: (\w+)\n`, []string{"PAY_PER_REQUEST"}},
		{"SAM: TTL", sam, `TimeToLiveSpecification:\n +AttributeName: (\w+)\n +Enabled: (\w+)\n`, []string{d.TTL, "true"}},
		{"SAM: what makes a table cost more", sam, `(GlobalSecondaryIndexes|LocalSecondaryIndexes|ProvisionedThroughput|StreamSpecification)`, nil},
		{"Terraform: resource", tf, `resource "(aws_dynamodb_\w+)"`, []string{"aws_dynamodb_table"}},
		{"Terraform: attributes", tf, `attribute \{\n +name = "(\w+)"\n +type = "(\w+)"\n`, types},
		{"Terraform: partition key", tf, `hash_key += "(\w+)"\n`, keys[:1]},
		{"Terraform: sort key", tf, `range_key += "(\w+)"\n`, keys[1:]},
		{"Terraform: billing", tf, `billing_mode += "(\w+)"\n`, []string{"PAY_PER_REQUEST"}},
		{"Terraform: TTL", tf, `ttl \{\n +attribute_name += "(\w+)"\n +enabled += (\w+)\n`, []string{d.TTL, "true"}},
		{"Terraform: what makes a table cost more", tf, `(global_secondary_index|local_secondary_index|read_capacity|write_capacity|stream_enabled)`, nil},
	} {
		if got := find(t, c.text, c.pattern); !slices.Equal(got, c.want) {
			t.Errorf("%s: the template has %q, want %q", c.what, got, c.want)
		}
	}
}

// A function may do what the store does, and what only people do is not in the
// templates' policies.
func TestTheTemplatesAllowWhatTheStoreDoes(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "dynamostore", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var does []string
	for _, f := range files {
		name := filepath.Base(f)
		if strings.HasSuffix(name, "_test.go") || name == "table.go" || name == "sweep.go" { // for people
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range find(t, string(b), `\.db\.(\w+)\(`) {
			does = append(does, "dynamodb:"+call)
		}
	}
	slices.Sort(does)
	does = slices.Compact(does)
	if len(does) < 4 {
		t.Fatalf("the store is found to do only %q", does)
	}
	for _, name := range []string{"sam/table.yaml", "terraform/table.tf"} {
		if allowed := find(t, readTemplate(t, name), `(dynamodb:\w+)`); !slices.Equal(allowed, does) {
			t.Errorf("%s allows %q, and the store does %q", name, allowed, does)
		}
	}
}
