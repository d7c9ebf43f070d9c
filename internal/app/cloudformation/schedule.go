package cloudformation

import (
	"encoding/json"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// rule reads a rule of EventBridge: each of its targets that is a function has a
// source for the schedule and one for the pattern.
func (r *reader) rule(x *resource) {
	p, what := x.props, "rule "+document.Clip(x.id)
	disabled := r.text(p.Get("State"), "State of "+what) == "DISABLED"
	expression := r.text(p.Get("ScheduleExpression"), "ScheduleExpression of "+what)
	pattern, badPattern := r.pattern(p.Get("EventPattern"))
	targets := r.items(p.Get("Targets"), "the targets of "+what)
	if expression == "" && pattern == "" && badPattern == "" {
		r.Note(x.pos, app.Warning, "%s has neither a ScheduleExpression nor an EventPattern and is left out", what)
		return
	}
	if len(targets) == 0 {
		r.Note(x.pos, app.Info, "%s has no targets: it invokes nothing", what)
	}
	for i, target := range targets {
		pos := r.itemPos(p.Get("Targets"), i, x.pos)
		if x.made {
			pos = x.pos
		}
		s := app.Source{Name: x.id, Position: pos, Disabled: disabled}
		arn, why := r.must(target.Get("Arn"), "target")
		if why == "" && arnService(arn) != "lambda" {
			r.Note(pos, app.Info, "target %s of %s is not a function and gets nothing here", document.Clip(arn), what)
			continue
		}
		if why == "" {
			s.Function, why = r.functionOf(arn)
		}
		input := r.input(target, what)
		if expression != "" {
			s.Kind, s.Schedule = app.Scheduled, app.Schedule{Expressions: []string{expression}, Input: input}
			r.source(s, firstOf(why, badExpression(expression, "rate(", "cron(")))
		}
		if pattern != "" || badPattern != "" {
			s.Kind, s.Schedule, s.Pattern = app.EventBridge, app.Schedule{}, pattern
			r.source(s, firstOf(why, badPattern))
		}
	}
}

func firstOf(whys ...string) string {
	for _, why := range whys {
		if why != "" {
			return why
		}
	}
	return ""
}

// badExpression is why an expression is none, as far as its form says.
func badExpression(expression string, forms ...string) string {
	for _, form := range forms {
		if strings.HasPrefix(expression, form) && strings.HasSuffix(expression, ")") {
			return ""
		}
	}
	return "its schedule " + document.Clip(expression) + " is not one of " + strings.Join(forms, "…), ") + "…), and AWS refuses it"
}

// pattern is an event pattern as JSON, or why it is none.
func (r *reader) pattern(v *value) (pattern, why string) {
	e := r.final(v)
	switch e.Kind {
	case document.Null, document.Absent:
		return "", ""
	case document.Map:
		for _, f := range e.Fields {
			if f.Value.Kind == document.Unknown {
				return "", "its pattern is not known here: " + f.Value.Text
			}
		}
		return e.JSON(), ""
	case document.Unknown:
		return "", "its pattern is not known here: " + e.Text
	case document.Scalar:
		if json.Valid([]byte(e.Text)) {
			return e.Text, ""
		}
	}
	return "", "its pattern is not JSON, and AWS refuses it"
}

// input is the event that a target gives to its function, or empty for AWS's own.
func (r *reader) input(target *value, what string) string {
	for _, name := range []string{"InputPath", "InputTransformer"} {
		if v := target.Get(name); !v.Empty() {
			r.Note(r.whereOr(v, target.Pos), app.Warning, "%s of %s is left out: the function gets AWS's own event", name, what)
		}
	}
	return r.constant(target.Get("Input"), "Input of "+what)
}

// constant is a constant event as JSON, or empty if there is none or it is not JSON.
func (r *reader) constant(v *value, what string) string {
	e := r.final(v)
	if e.Kind == document.Map || e.Kind == document.List {
		return e.JSON()
	}
	text := r.text(v, what)
	if text != "" && !json.Valid([]byte(text)) {
		r.Note(r.whereOr(v, app.Position{File: r.File()}), app.Warning, "%s is not JSON, and AWS refuses it: it is left out", what)
		return ""
	}
	return text
}

// schedule reads a schedule of EventBridge Scheduler.
func (r *reader) schedule(x *resource) {
	p, what := x.props, "schedule "+document.Clip(x.id)
	s := app.Source{Name: x.id, Kind: app.Scheduled, Position: x.pos, Disabled: r.text(p.Get("State"), "State of "+what) == "DISABLED"}
	target := r.eval(p.Get("Target"))
	arn, why := r.must(target.Get("Arn"), "target")
	if why == "" && arnService(arn) != "lambda" {
		r.Note(x.pos, app.Info, "target %s of %s is not a function and gets nothing here", document.Clip(arn), what)
		return
	}
	if why == "" {
		s.Function, why = r.functionOf(arn)
	}
	expression, no := r.must(p.Get("ScheduleExpression"), "ScheduleExpression")
	if no == "" {
		s.Schedule.Expressions = []string{expression}
		no = badExpression(expression, "rate(", "cron(", "at(")
	}
	s.Schedule.Scheduler = true
	s.Schedule.TimeZone = r.text(p.Get("ScheduleExpressionTimezone"), "ScheduleExpressionTimezone of "+what)
	s.Schedule.Input = r.constant(target.Get("Input"), "Input of "+what)
	for _, name := range []string{"StartDate", "EndDate"} {
		if v := p.Get(name); !v.Empty() {
			r.Note(r.whereOr(v, x.pos), app.Warning, "%s of %s is left out: the schedule is always on here", name, what)
		}
	}
	r.source(s, firstOf(why, no))
}
