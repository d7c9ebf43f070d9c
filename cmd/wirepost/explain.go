package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/wirepost/wirepost"
)

// explain is an error in the words for people, and its cure if it knows one.
func explain(err error) (message, hint string) {
	if e, ok := errors.AsType[*wirepost.Error](err); ok {
		hint = e.Fix()
	}
	message = strings.TrimPrefix(err.Error(), "wirepost: ")
	// The store on DynamoDB says what was attempted, what is wrong and what to do, and
	// ends with what AWS's client says, which is how it asked more than what it heard.
	op, ok := errors.AsType[*smithy.OperationError](err)
	if !ok {
		return message, hint
	}
	said, ok := strings.CutSuffix(message, ": "+op.Error())
	if !ok {
		return message, hint
	}
	said, cure, _ := strings.Cut(said, "; ")
	if strings.HasPrefix(cure, "until then") { // the other error of a time that was up
		said, cure = said+"; "+cure, ""
	}
	if cure != "" {
		hint = commandURL.ReplaceAllStringFunc(cure, quote)
	}
	return fmt.Sprintf("%s (%s)", said, cause(op)), hint
}

// cause is what was heard: the service's code and sentence, or the innermost error.
func cause(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": ")
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

var (
	// commandURL is the URL of a table in a command.
	commandURL = regexp.MustCompile(`dynamodb://[^ ',]+`)
	plainWord  = regexp.MustCompile(`^[A-Za-z0-9_./:@=,+-]+$`)
)

// quote makes one word of a shell of an argument, for commands that stand between
// single quotes themselves.
func quote(arg string) string {
	if plainWord.MatchString(arg) {
		return arg
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(arg) + `"`
}
