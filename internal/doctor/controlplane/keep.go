package controlplane

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/doctor"
)

// lambdaFunction is what is read of a function's configuration (AWS, Lambda API
// reference, ListFunctions). Of its environment three variables are looked at.
type lambdaFunction struct {
	FunctionName string
	FunctionArn  string
	Timeout      int // seconds
	Environment  struct {
		Variables struct {
			Store string `json:"WIREPOST_STORE"`
			Keep  string `json:"WIREPOST_KEEP"`
			Long  string `json:"WIREPOST_LONG_FUNCTION"`
		}
	}
}

// account is the one in a function's ARN.
func (f lambdaFunction) account() string {
	n, _ := doctor.ParseLambdaName(f.FunctionArn)
	return n.Account
}

// keep compares what the functions of one store keep, and what is kept here.
func (a *asking) keep() {
	if a.functionsErr != nil {
		a.skip("keep", reason(a.functionsErr))
		return
	}
	byStore := map[string]map[string][]string{} // who has which rules, by store
	add := func(store, keep, who string) {
		if byStore[store] == nil {
			byStore[store] = map[string][]string{}
		}
		byStore[store][sameRules(keep)] = append(byStore[store][sameRules(keep)], who)
	}
	n := 0
	for _, f := range a.functions {
		if store := f.Environment.Variables.Store; store != "" {
			add(store, f.Environment.Variables.Keep, f.FunctionName)
			n++
		}
	}
	if byStore[a.target.Store] != nil {
		add(a.target.Store, a.target.Keep, "this environment")
	}
	for _, store := range slices.Sorted(maps.Keys(byStore)) {
		if len(byStore[store]) < 2 {
			continue
		}
		var said []string
		for _, rules := range slices.Sorted(maps.Keys(byStore[store])) {
			who := strings.Join(byStore[store][rules], ", ")
			if rules == "" {
				said = append(said, "it is not set in "+who)
			} else {
				said = append(said, fmt.Sprintf("it is %q in %s", rules, who))
			}
		}
		a.problem("keep", doctor.Warn, wirepost.ProblemKeptAndNot, "WIREPOST_KEEP differs between programs of one store: "+strings.Join(said, "; "), "")
		return
	}
	if n == 0 {
		a.ok("keep", "no function has WIREPOST_STORE in its environment")
		return
	}
	a.ok("keep", "the functions of a store keep the same")
}

// sameRules writes rules so that those that mean the same are the same.
func sameRules(keep string) string {
	rules, err := wirepost.ParseKeep(keep)
	if err != nil {
		return keep
	}
	var all []string
	for _, topic := range slices.Sorted(maps.Keys(rules)) {
		all = append(all, fmt.Sprintf("%s=%s", topic, rules[topic]))
	}
	return strings.Join(all, ",")
}

// listFunctions reads those of the account in the API's region, 500 at most.
func (a *asking) listFunctions() {
	marker := ""
	for range maxPages {
		var page struct {
			Functions  []lambdaFunction
			NextMarker string
		}
		query := "?MaxItems=50"
		if marker != "" {
			query += "&Marker=" + url.QueryEscape(marker)
		}
		if a.functionsErr = a.get("lambda", "/2015-03-31/functions/"+query, "lambda:ListFunctions", &page); a.functionsErr != nil {
			return
		}
		a.functions = append(a.functions, page.Functions...)
		if marker = page.NextMarker; marker == "" {
			return
		}
	}
	a.functionsCut = true
}
