package deploy

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// own is what Own makes of a stack, by the paths that the files of this folder have.
func own(t *testing.T, stack string) map[string]string {
	t.Helper()
	made, err := Own(stack, "orders")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for name, text := range made {
		files[path.Join(stack, name)] = string(text)
	}
	return files
}

// only are the files with one of these endings.
func only(files map[string]string, endings ...string) map[string]string {
	some := map[string]string{}
	for name, text := range files {
		if slices.Contains(endings, path.Ext(name)) {
			some[name] = text
		}
	}
	return some
}

func TestTheThreeStacksOfAProgramOfOnesOwnAreOne(t *testing.T) {
	sam := cloudFormationOf(t, write(t, own(t, "sam")["sam/template.yaml"]), nil)
	want := sam.lines()
	terraform := terraformOf(t, only(own(t, "terraform"), ".tf"), nil)
	if d := difference(want, terraform.lines()); len(d) > 0 {
		t.Errorf("sam (-) and terraform (+) differ:\n%s", strings.Join(d, "\n"))
	}
	text, err := build(only(own(t, "cdk"), ".ts", ".json"), cdkModules(t))
	if err != nil {
		t.Fatal(err)
	}
	if d := difference(want, cloudFormationOf(t, write(t, text), nil).lines()); len(d) > 0 {
		t.Errorf("sam (-) and cdk (+) differ:\n%s", strings.Join(d, "\n"))
	}
}

// Every route leads to the program, and has what it needs.
func TestTheRouteOfOnesOwnIsWhole(t *testing.T) {
	s := cloudFormationOf(t, write(t, own(t, "sam")["sam/template.yaml"]), nil)
	for name, r := range s.resources {
		if r.typ != "AWS::ApiGatewayV2::Route" {
			continue
		}
		key := text(r.properties["RouteKey"])
		if plainText(text(r.properties["Target"])) != "integrations/${websocketintegration}" {
			t.Errorf("route %s leads to %v", key, r.properties["Target"])
		}
		base := strings.TrimSuffix(name, "route")
		if source := plainText(text(s.resources[base+"permission"].properties["SourceArn"])); !strings.HasSuffix(source, "${api}/live/"+key) {
			t.Errorf("the permission of route %s is for %q", key, source)
		}
		for _, part := range []string{"route", "routeresponse"} {
			if twoWay := key != "$connect" && key != "$disconnect"; (part == "route" || twoWay) && !slices.Contains(s.resources["stage"].after, base+part) {
				t.Errorf("the stage does not wait for %s%s, but for %q", base, part, s.resources["stage"].after)
			}
		}
	}
	if s.resources["trackroute"].typ == "" || s.resources["pingroute"].typ != "" {
		t.Error("there is no route track, or a ping that never reaches the program")
	}
}

var (
	variable = regexp.MustCompile(`WIREPOST_[A-Z_]+`)
	caseOf   = regexp.MustCompile(`(?m)^\tcase "([a-z]+)":$`)
)

// The stack sets nothing that the program or its publisher does not read, and asks it for no handler that
// it does not have.
func TestTheStackAndTheProgramFit(t *testing.T) {
	for _, stack := range Stacks {
		files := own(t, stack)
		program := files[stack+"/main.go"]
		known := []string{"websocket", "doctor"} // the default, and doctor.Handler next to invoke
		for _, c := range caseOf.FindAllStringSubmatch(program, -1) {
			known = append(known, c[1])
		}
		for file, text := range files {
			if strings.HasSuffix(file, ".go") || strings.HasSuffix(file, ".md") {
				continue
			}
			for _, name := range variable.FindAllString(text, -1) {
				if name != "WIREPOST_DOCTOR" && name != "WIREPOST_KEEP" && name != "WIREPOST_LONG_FUNCTION" && !strings.Contains(program, `"`+name+`"`) && !strings.Contains(program, "$"+name) {
					t.Errorf("%s sets %s, which the program does not read", file, name)
				}
			}
			for _, m := range regexp.MustCompile(`WIREPOST_HANDLERS"?\s*[:=]\s*"?([a-z,]+)`).FindAllStringSubmatch(text, -1) {
				for handler := range strings.SplitSeq(m[1], ",") {
					if !slices.Contains(known, handler) {
						t.Errorf("%s wants the handler %s, and the program has %q", file, handler, known)
					}
				}
			}
			if strings.Contains(text, "ready-made") || strings.Contains(text, "deploy/") && !strings.Contains(text, "npm run deploy") {
				t.Errorf("%s speaks of what is not there", file)
			}
		}
	}
}
