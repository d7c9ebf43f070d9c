package app

import (
	"reflect"
	"testing"
)

func TestWhatStopsSomethingComesFirstAndEqualLinesAreOne(t *testing.T) {
	at := func(file string, line int) Position { return Position{File: file, Line: line} }
	got := SortNotes([]Note{
		{Position: at("t", 9), Severity: Warning, Text: "b"},
		{Position: at("a", 1), Severity: Info, Text: "a"},
		{Position: at("t", 3), Severity: Warning, Text: "b"},
		{Position: at("t", 2), Severity: Info, Text: "b"},
		{Position: at("a", 8), Severity: Stops, Text: "s"},
		{Position: at("t", 5), Severity: Warning, Text: "b"},
	}, "t")
	var lines []string
	for _, n := range got {
		lines = append(lines, n.Severity.String()+" "+n.String())
	}
	want := []string{"stops a:8: s", "info t:2: b", "warning t:3: b (and 2 more like it)", "info a:1: a"}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("notes %q, want %q", lines, want)
	}
}

func TestTheNearestNameIsTheOneThatWasMeant(t *testing.T) {
	names := []string{"TableName", "StageName", "UserPool", "A"}
	for written, want := range map[string]string{
		"TableNam": "TableName", "tablename": "TableName", "Stagename": "StageName", "UesrPool": "UserPool",
		"B": "", "Bucket": "", "": "", "TableNameOfTheUsers": "",
	} {
		if got := Nearest(written, names); got != want {
			t.Errorf("Nearest(%q) is %q, want %q", written, got, want)
		}
	}
}

func TestAnUnrunnablePartSaysWhatNeedsIt(t *testing.T) {
	u := &Unrunnable{What: "function F", Why: "it is large", Fix: "cut it", Position: Position{File: "t", Line: 4}}
	for _, c := range []struct {
		parts []string
		want  string
	}{
		{nil, "function F cannot be run here: it is large; cut it"},
		{[]string{"route a"}, "function F, which route a needs, cannot be run here: it is large; cut it"},
		{[]string{"route a", "route b", "route c"}, "function F, which route a, route b and route c need, cannot be run here: it is large; cut it"},
		{[]string{"route a", "route b", "route c", "route d"}, "function F, which route a, route b and 2 more need, cannot be run here: it is large; cut it"},
	} {
		if u.For = c.parts; u.String() != c.want {
			t.Errorf("of %v: %s, want %s", c.parts, u, c.want)
		}
	}
	if n := u.Note(true); n.Severity != Stops || n.String() != "t:4: "+u.String() {
		t.Errorf("the note is %s %s", n.Severity, n)
	}
	if n := u.Note(false); n.Severity != Info {
		t.Errorf("of what nothing needs the note is %s", n.Severity)
	}
}

func TestARouteIsUnrunnableForItselfOrForItsFunction(t *testing.T) {
	why := &Unrunnable{What: "function F"}
	a := &App{Functions: []Function{{LogicalID: "F", Unrunnable: why}, {LogicalID: "G"}}}
	own := UnrunnableRoute("$connect", Position{}, "it is %d", 1)
	if want := `route $connect cannot be run here: it is 1; give --route "\$connect=FUNCTION"`; own.String() != want || own.StandIn != `--route "\$connect=FUNCTION"` {
		t.Errorf("it says %s, want %s", own, want)
	}
	for _, c := range []struct {
		route Route
		want  *Unrunnable
	}{
		{Route{Integration: Integration{Function: "F"}}, why},
		{Route{Integration: Integration{Function: "G"}}, nil},
		{Route{Integration: Integration{Kind: Mock}}, nil},
		{Route{Unrunnable: own}, own},
		{Route{Integration: Integration{Function: "F"}, StandIn: "x"}, nil},
	} {
		if got := a.RouteUnrunnable(&c.route); got != c.want {
			t.Errorf("%+v: %v, want %v", c.route, got, c.want)
		}
		z := Authorizer{Function: c.route.Integration.Function, Unrunnable: c.route.Unrunnable, StandIn: c.route.StandIn}
		if got := a.AuthorizerUnrunnable(&z); got != c.want {
			t.Errorf("%+v: %v, want %v", z, got, c.want)
		}
	}
}
