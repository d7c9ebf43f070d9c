package gateway

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var writeFidelity = flag.Bool("fidelity", false, "write the tables of docs/fidelity.md")

const (
	fidelityFile  = "../docs/fidelity.md"
	fidelityBegin = "<!-- Written by go test ./gateway -run Fidelity -fidelity -->\n"
	fidelityEnd   = "<!-- end -->\n"
)

var fidelityTitles = map[string]string{
	"1.1": "Fields of events", "1.2": "Recorded events", "1.3": "requestContext", "1.4": "Headers of CONNECT", "1.5": "Headers of DISCONNECT", "1.6": "Codes and reasons of DISCONNECT",
	"1.7": "Bodies", "2.1": "Route selection", "2.2": "One-way and two-way routes", "2.3": "Integrations", "3.1": "Error frames", "3.2": "Handshakes that are refused",
	"4": "On the wire", "5": "Quotas", "6.1": "Management calls", "6.2": "Their answers", "6.3": "Their errors", "6.4": "What AWS's Go SDK makes of them", "6.5": "What they do", "9": "Authorizers",
}

// fidelityTables are the rows as the document has them.
func fidelityTables() string {
	var out strings.Builder
	cell := strings.NewReplacer("|", `\|`, `\$`, `\\$`)
	last := ""
	for _, r := range conformanceRows() {
		section, fact, _ := strings.Cut(r.id, " ")
		if section != last {
			fmt.Fprintf(&out, "\n### %s %s\n\n| AWS | known by | the gateway |\n| --- | --- | --- |\n", section, fidelityTitles[section])
			last = section
		}
		here := r.here
		switch {
		case r.deviation:
			here = "**deviation**: " + here
		case r.status == "UNCERTAIN":
			here = "**UNCERTAIN**: " + here
		case here == "":
			here = "the same"
		}
		fmt.Fprintf(&out, "| %s %s | %s: %s | %s |\n", section, cell.Replace(fact), r.status, cell.Replace(r.source), cell.Replace(here))
	}
	return out.String() + "\n"
}

// The document has each row of TestConformance, in its words, and no other.
func TestFidelityIsDocumentedRowByRow(t *testing.T) {
	text, err := os.ReadFile(fidelityFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), fidelityBegin)
	tables, after, ok2 := strings.Cut(rest, fidelityEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the tables", fidelityFile)
	}
	want := fidelityTables()
	if *writeFidelity {
		if err := os.WriteFile(fidelityFile, []byte(before+fidelityBegin+want+fidelityEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	lines := func(s string) map[string]bool {
		all := map[string]bool{}
		for line := range strings.Lines(s) {
			all[line] = true
		}
		return all
	}
	documented, real := lines(tables), lines(want)
	for line := range real {
		if !documented[line] {
			t.Errorf("not in %s: %s", fidelityFile, line)
		}
	}
	for line := range documented {
		if !real[line] {
			t.Errorf("only in %s: %s", fidelityFile, line)
		}
	}
	if tables != want && !t.Failed() {
		t.Error("the order differs")
	}
	if t.Failed() {
		t.Log("write them with: go test ./gateway -run Fidelity -fidelity")
	}
	for _, r := range conformanceRows() {
		section, _, _ := strings.Cut(r.id, " ")
		if fidelityTitles[section] == "" {
			t.Errorf("%s: section %s has no title", r.id, section)
		}
	}
}
