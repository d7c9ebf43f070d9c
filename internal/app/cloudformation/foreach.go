package cloudformation

import (
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

const (
	forEach = "Fn::ForEach::"

	// turnWork bounds the turns of all loops of a template to some 40,000, which is far
	// above the 500 resources that AWS takes.
	turnWork = 100
)

// loops writes out the loops in a part of a template, one within another too. (AWS
// docs, CloudFormation template reference: "Fn::ForEach".)
func (t *template) loops(v *value) *value {
	if v == nil || !hasLoop(v, 0) {
		return v
	}
	return t.looped(v, nil, 0)
}

// hasLoop reports whether a loop is anywhere in a value, so that a template without
// one stays as it is.
func hasLoop(v *value, depth int) bool {
	if v == nil || depth > document.MaxNesting {
		return false
	}
	for _, item := range v.Items {
		if hasLoop(item, depth+1) {
			return true
		}
	}
	for _, f := range v.Fields {
		if strings.HasPrefix(f.Key, forEach) || hasLoop(f.Value, depth+1) {
			return true
		}
	}
	return false
}

// A turn is one pass through a loop: its identifier and what it stands for.
type turn struct {
	identifier, text string
	outer            *turn
}

// replace puts what the identifiers stand for into a text: ${NAME} as it is, and
// &{NAME} without what a logical ID may not have.
func (n *turn) replace(s string) string {
	for ; n != nil; n = n.outer {
		if strings.Contains(s, "{"+n.identifier+"}") {
			s = strings.NewReplacer("${"+n.identifier+"}", n.text, "&{"+n.identifier+"}", document.LogicalID(n.text)).Replace(s)
		}
	}
	return s
}

// of is what an identifier stands for.
func (n *turn) of(identifier string) (string, bool) {
	for ; n != nil; n = n.outer {
		if n.identifier == identifier {
			return n.text, true
		}
	}
	return "", false
}

// looped is a value with its loops written out, in a turn of those around it.
func (t *template) looped(v *value, in *turn, depth int) *value {
	if v == nil || v.Kind != document.Scalar && v.Kind != document.List && v.Kind != document.Map {
		return v
	}
	if depth > document.MaxNesting || !t.Spend(v.Pos, 1) {
		return document.TooLarge(v.Pos)
	}
	if v.Kind == document.Scalar {
		text := in.replace(v.Text)
		if text == v.Text {
			return v
		}
		if len(text) > document.MaxString || !t.Spend(v.Pos, len(text)) {
			return document.TooLarge(v.Pos)
		}
		return &value{Kind: document.Scalar, Text: text, Pos: v.Pos, Block: v.Block}
	}
	if name, argument, ok := v.Intrinsic(); ok && name == "Ref" {
		if text, ok := in.of(argument.ScalarText()); ok {
			return document.NewText(v.Pos, text)
		}
	}
	out := &value{Kind: v.Kind, Pos: v.Pos}
	for _, item := range v.Items {
		out.Items = append(out.Items, t.looped(item, in, depth+1))
	}
	at := map[string]bool{}
	for _, f := range t.fields(v, in, depth) {
		if at[f.Key] {
			t.Fail(f.Pos, "%s is there twice: a loop makes it again", document.Clip(f.Key))
			break
		}
		at[f.Key] = true
		out.Fields = append(out.Fields, f)
	}
	return out
}

// fields are those of a map, with those that its loops make in the place of the loops.
func (t *template) fields(v *value, in *turn, depth int) (out []field) {
	for _, f := range v.Fields {
		if !strings.HasPrefix(f.Key, forEach) {
			out = append(out, field{Key: in.replace(f.Key), Pos: f.Pos, Value: t.looped(f.Value, in, depth+1)})
			continue
		}
		if t.Err() != nil {
			return out
		}
		made, why := t.loop(f, in, depth)
		if why != "" {
			part := &app.Unrunnable{What: document.Clip(f.Key), Why: why, Position: f.Pos}
			t.Add(part.Note(true))
		}
		out = append(out, made...)
	}
	return out
}

// loop is what one loop makes, or why it makes nothing.
func (t *template) loop(f field, in *turn, depth int) (out []field, why string) {
	a := f.Value
	if a == nil || a.Kind != document.List || len(a.Items) != 3 || a.Items[0].ScalarText() == "" || a.Items[2].Kind != document.Map {
		return nil, "a loop needs the name of its variable, a collection and a map of what it makes"
	}
	collection := t.eval(t.looped(a.Items[1], in, depth+1))
	if collection.Kind == document.Scalar { // a list of which one item is a function that gives a text
		collection = document.NewList(collection.Pos, collection)
	}
	if collection.Kind != document.List {
		return nil, "its collection is not known here: " + firstOf(collection.Text, "it is not a list")
	}
	for _, item := range flat(collection) {
		if item.Kind != document.Scalar {
			return nil, "its collection is not known here: " + firstOf(item.Text, "one of it is not a text")
		}
		if !t.Spend(f.Pos, turnWork) {
			return nil, "it is too large"
		}
		out = append(out, t.fields(a.Items[2], &turn{a.Items[0].Text, item.Text, in}, depth+1)...)
	}
	return out, ""
}

// flat is the items of a list; those of a list in it are its own.
func flat(v *value) (out []*value) {
	for _, item := range v.Items {
		if item.Kind == document.List {
			out = append(out, item.Items...)
		} else {
			out = append(out, item)
		}
	}
	return out
}
