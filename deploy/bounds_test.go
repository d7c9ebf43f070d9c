package deploy

import (
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/wirepost/wirepost/internal/app/cloudformation"
)

// A value that CloudFormation refuses is refused by Terraform, and above all a
// throttle of 0, with which a stage refuses every client.
func TestTheParametersHaveTheSameBounds(t *testing.T) {
	tf := &terraform{t: t, variables: map[string]cty.Value{}, locals: map[string]cty.Value{}}
	tf.parse(read(t, "terraform"))
	takes := func(name, value string) bool {
		for _, b := range tf.each("variable") {
			if plainName(b.Labels[0]) == plainName(name) {
				v := cty.StringVal(value)
				if n, err := strconv.ParseInt(value, 10, 64); err == nil {
					v = cty.NumberIntVal(n)
				}
				tf.variables["var"] = cty.ObjectVal(map[string]cty.Value{b.Labels[0]: v})
				return tf.valid(b)
			}
		}
		t.Fatalf("Terraform has no variable for %s", name)
		return false
	}
	next := func(s string, by int) string {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return strconv.Itoa(n + by)
	}
	for _, file := range []string{filepath.Join("sam", "template.yaml"), synthesise(t)} {
		resolved, _, err := cloudformation.Evaluate(file, cloudformation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		checked := 0
		for _, p := range resolved.Parameters {
			good, bad := slices.Clone(p.Allowed), []string{}
			if p.Min != "" {
				good, bad = append(good, p.Min), append(bad, next(p.Min, -1))
			}
			if p.Max != "" {
				good, bad = append(good, p.Max), append(bad, next(p.Max, 1))
			}
			if len(p.Allowed) > 0 {
				bad = append(bad, "0")
			}
			if p.Pattern == "[A-Za-z0-9_-]{1,128}" {
				good, bad = append(good, "live-2_B"), append(bad, "", "a/b", "$default")
			} else if p.Pattern != "" {
				t.Errorf("the pattern of %s is not tried", p.Name)
			}
			for _, v := range good {
				if !takes(p.Name, v) {
					t.Errorf("%s: Terraform refuses %q, and %s takes it", p.Name, v, file)
				}
			}
			for _, v := range bad {
				if takes(p.Name, v) {
					t.Errorf("%s: Terraform takes %q, and %s refuses it", p.Name, v, file)
				}
				checked++
			}
		}
		if checked < 11 {
			t.Errorf("%s has bounds for %d values only", file, checked)
		}
	}
	for _, name := range []string{"ThrottleRate", "ThrottleBurst"} {
		if takes(name, "0") {
			t.Errorf("%s may be 0", name)
		}
	}
}
