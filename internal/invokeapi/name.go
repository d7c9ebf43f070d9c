package invokeapi

import (
	"regexp"
	"strings"
)

// functionName is the form of FunctionName (SDK model, NamespacedFunctionName): a name,
// a partial ARN or a whole one, each with or without a qualifier.
var functionName = regexp.MustCompile(`^(?:arn:(aws[a-zA-Z-]*):lambda:)?(?:([a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?(?:(\d{12}):)?(?:function:)?([a-zA-Z0-9_.-]+)(?::(\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9_-]+))?$`)

// qualifier is the form of a version or an alias (SDK model).
var qualifier = regexp.MustCompile(`^(?:\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9_-]+)$`)

// target is the function that a request names.
type target struct {
	region, account string // empty if the name does not say
	name, qualifier string
}

// parseName reads a function's name as callers write it. ok is false for what is none.
func parseName(text string) (t target, ok bool) {
	if len(text) > 256 { // SDK model
		return t, false
	}
	m := functionName.FindStringSubmatch(text)
	if m == nil {
		return t, false
	}
	t = target{region: m[2], account: m[3], name: m[4], qualifier: m[5]}
	if t.account == "" && t.region == "" && strings.Count(text, ":") > 1 {
		return t, false // function:NAME:QUALIFIER without what comes before
	}
	return t, true
}

// arn is the whole name of a function in a region and an account.
func arn(region, account string, t target) string {
	partition := "aws"
	switch {
	case strings.HasPrefix(region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		partition = "aws-us-gov"
	}
	s := "arn:" + partition + ":lambda:" + region + ":" + account + ":function:" + t.name
	if t.qualifier != "" {
		s += ":" + t.qualifier
	}
	return s
}
