package controlplane

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/doctor"
)

// long looks at the functions that do the long work of others: whether they are there,
// and have time. What only other calls show, it says that it has not seen.
func (a *asking) long() {
	const name = "long-functions"
	if a.functionsErr != nil {
		a.skip(name, reason(a.functionsErr))
		return
	}
	var seen, elsewhere []string
	for _, f := range a.functions {
		value := f.Environment.Variables.Long
		if value == "" {
			continue
		}
		who := fmt.Sprintf("WIREPOST_LONG_FUNCTION of %s is %q", f.FunctionName, value)
		n, ok := doctor.ParseLambdaName(value)
		if !ok {
			a.problem(name, doctor.Fail, wirepost.ProblemLongUnknown, who+", which is no name of a function", "")
			return
		}
		if n.Region != "" && n.Region != a.target.Region || n.Account != "" && n.Account != f.account() {
			elsewhere = append(elsewhere, value)
			continue
		}
		i := slices.IndexFunc(a.functions, func(f lambdaFunction) bool { return f.FunctionName == n.Name })
		switch {
		case i < 0 && a.functionsCut:
			elsewhere = append(elsewhere, value)
			continue
		case i < 0:
			a.problem(name, doctor.Fail, wirepost.ProblemLongUnknown, fmt.Sprintf("%s, and there is no function %s in %s", who, n.Name, a.target.Region), "")
			return
		}
		has := time.Duration(a.functions[i].Timeout) * time.Second
		switch {
		case has > 0 && has <= doctor.RouteTime:
			a.problem(name, doctor.Warn, wirepost.ProblemLongTimeout, fmt.Sprintf("%s, whose timeout is %s; a route has %s", who, has, doctor.RouteTime), "")
			return
		case n.Qualifier == "":
			a.problem(name, doctor.Warn, wirepost.ProblemLongNoAlias, who+", without an alias", "")
			return
		}
		seen = append(seen, fmt.Sprintf("%s has %s for what %s hands on", n.Name, has, f.FunctionName))
	}
	switch {
	case len(seen) > 0:
		a.ok(name, strings.Join(seen, ", ")+"; its alias, its MaximumRetryAttempts and who may invoke it are not looked at")
	case len(elsewhere) > 0:
		a.skip(name, "not among the functions that could be listed: "+strings.Join(elsewhere, ", "))
	default:
		a.ok(name, "no function has WIREPOST_LONG_FUNCTION in its environment")
	}
}
