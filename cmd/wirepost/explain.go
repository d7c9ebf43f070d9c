package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dynamodb"
	"github.com/wirepost/wirepost/internal/terminal"
)

// explain is an error in the words for people, and its cure if it knows one.
func explain(err error) (message, hint string) {
	if e, ok := errors.AsType[*wirepost.Error](err); ok {
		hint = e.Fix()
	}
	message = strings.TrimPrefix(err.Error(), "wirepost: ")
	// The store on DynamoDB says what was attempted, what is wrong and what to do, and
	// ends with how it asked and what it heard. People need the latter.
	op, ok := errors.AsType[*dynamodb.Error](err)
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
		hint = commandURL.ReplaceAllStringFunc(cure, terminal.Word)
	}
	return fmt.Sprintf("%s (%s)", said, op.Cause()), hint
}

// commandURL is the URL of a table in a command.
var commandURL = regexp.MustCompile(`dynamodb://[^ ',]+`)
