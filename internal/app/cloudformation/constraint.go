package cloudformation

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// checkParameter holds a value against the constraints of its parameter. (AWS docs,
// CloudFormation user guide, "Parameters": the properties of a parameter; a pattern
// has to match the whole value, of a list each part.) The message has the template's
// ConstraintDescription, and the value unless NoEcho hides it.
func (t *template) checkParameter(f field, text string) error {
	of := func(key string) string { return f.Value.Get(key).ScalarText() }
	why, part := "", text
	if typ := of("Type"); typ == "Number" {
		why = numberBy(of("MinValue"), of("MaxValue"), text)
	} else if typ == "String" {
		why = lengthBy(of("MinLength"), of("MaxLength"), text)
	}
	for _, one := range partsOf(f.Value, text) {
		if why != "" {
			break
		}
		if why, part = allowedBy(f.Value, one), one; why == "" {
			why = t.patternBy(f, one)
		}
	}
	if why == "" {
		return nil
	}
	name, shown := document.Clip(f.Key), document.Clip(part)
	switch {
	case of("NoEcho") == "true":
		shown = "what it is"
	case shown == "":
		shown = "empty"
	}
	message := fmt.Sprintf("parameter %s may not be %s: give %s %s", name, shown, app.Flag("--parameter", f.Key, "VALUE"), why)
	if d := of("ConstraintDescription"); d != "" {
		message += " (" + document.Clip(d) + ")"
	}
	return app.Errorf(f.Pos, "%s", message)
}

// patternBy holds a text against AllowedPattern.
func (t *template) patternBy(f field, text string) string {
	pattern := f.Value.Get("AllowedPattern")
	if pattern.ScalarText() == "" {
		return ""
	}
	expression, err := regexp.Compile(`\A(?:` + pattern.Text + `)\z`)
	switch {
	case err != nil:
		t.Note(pattern.Pos, app.Info, "AllowedPattern of parameter %s is not checked here: it has what only Java's patterns have", document.Clip(f.Key))
	case !expression.MatchString(text):
		return "that matches " + document.Clip(pattern.Text)
	}
	return ""
}

// partsOf is what each constraint of a list is held against: its parts.
func partsOf(p *value, text string) []string {
	if typ := p.Get("Type").ScalarText(); typ != "CommaDelimitedList" && !strings.HasPrefix(typ, "List<") {
		return []string{text}
	}
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// allowedBy looks for a text among AllowedValues.
func allowedBy(p *value, text string) string {
	list := p.Get("AllowedValues")
	if list == nil || list.Kind != document.List || slices.ContainsFunc(list.Items, func(v *value) bool { return v.Text == text }) {
		return ""
	}
	var values []string
	for _, v := range list.Items {
		values = append(values, document.Clip(v.Text))
	}
	return "with one of " + app.Few(values)
}

func lengthBy(least, most, text string) string {
	n := len(utf16.Encode([]rune(text))) // as Java counts
	if low, err := strconv.Atoi(least); err == nil && n < low {
		return fmt.Sprintf("of at least %d characters", low)
	}
	if high, err := strconv.Atoi(most); err == nil && n > high {
		return fmt.Sprintf("of at most %d characters", high)
	}
	return ""
}

func numberBy(least, most, text string) string {
	n, ok := number(text)
	if !ok {
		return "that is a number"
	}
	if low, ok := number(least); ok && n.Cmp(low) < 0 {
		return "of at least " + document.Clip(least)
	}
	if high, ok := number(most); ok && n.Cmp(high) > 0 {
		return "of at most " + document.Clip(most)
	}
	return ""
}

var decimal = regexp.MustCompile(`^[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?$`)

// number is a number as it is written in a template.
func number(s string) (*big.Rat, bool) {
	if s = strings.TrimSpace(s); !decimal.MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}
