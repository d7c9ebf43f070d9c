// Package document reads YAML and JSON into values that know their lines, and keeps
// what there is to say about them. Every template language is built on it.
//
// YAML's short forms of CloudFormation's functions, such as !Ref, become the long
// ones, so that both formats give the same values. YAML 1.1's yes, no, on and off
// are strings, not booleans.
package document

import (
	"fmt"
	"maps"
	"slices"

	"github.com/wirepost/wirepost/internal/app"
)

// A Kind says what a Value is.
type Kind uint8

// The kinds of values.
const (
	Null    Kind = iota
	Scalar       // a string, a number or a boolean, as it is written
	List         // Items
	Map          // Fields, in the order of the file
	Absent       // AWS::NoValue: as if it were not written
	Unknown      // cannot be known on this machine; Text says why
)

// A Value is a node of a template. It is never changed once it is read: several
// places may share it. Methods may be called on nil, which is a value that is not
// written.
type Value struct {
	Kind   Kind
	Text   string
	Items  []*Value
	Fields []Field
	Pos    app.Position
	Block  bool // a Scalar that begins on the line after Pos, as YAML's | and > have it
	Bare   bool // a Scalar that is a number or a boolean of JSON, without quotes
}

// A Field is an entry of a Map.
type Field struct {
	Key   string
	Pos   app.Position
	Value *Value
}

// Get is the field of that name, the field of the next name in it, and so on; nil
// if there is none.
func (v *Value) Get(keys ...string) *Value {
	for _, key := range keys {
		if v == nil || v.Kind != Map {
			return nil
		}
		var found *Value
		for _, f := range v.Fields {
			if f.Key == key {
				found = f.Value
				break
			}
		}
		v = found
	}
	return v
}

// Each is the fields of a Map, and nothing for any other value.
func (v *Value) Each() []Field {
	if v == nil || v.Kind != Map {
		return nil
	}
	return v.Fields
}

// Empty reports whether nothing is there: no value, a null or AWS::NoValue.
func (v *Value) Empty() bool {
	return v == nil || v.Kind == Null || v.Kind == Absent
}

// ScalarText is the text of a Scalar, and empty for any other value.
func (v *Value) ScalarText() string {
	if v == nil || v.Kind != Scalar {
		return ""
	}
	return v.Text
}

// Where is the position of a value, and none for nil.
func (v *Value) Where() app.Position {
	if v == nil {
		return app.Position{}
	}
	return v.Pos
}

// At is a value whose parts are all at one place.
func At(v *Value, pos app.Position) *Value {
	if v == nil {
		return nil
	}
	out := &Value{Kind: v.Kind, Text: v.Text, Pos: pos}
	for _, item := range v.Items {
		out.Items = append(out.Items, At(item, pos))
	}
	for _, f := range v.Fields {
		out.Fields = append(out.Fields, Field{Key: f.Key, Pos: pos, Value: At(f.Value, pos)})
	}
	return out
}

// NewText is a Scalar.
func NewText(pos app.Position, s string) *Value {
	return &Value{Kind: Scalar, Text: s, Pos: pos}
}

// NewUnknown is a value that cannot be known here, with the reason.
func NewUnknown(pos app.Position, why string) *Value {
	return &Value{Kind: Unknown, Text: why, Pos: pos}
}

// TooLarge is the value that is left when a Reading has no work to spend.
func TooLarge(pos app.Position) *Value { return NewUnknown(pos, tooLarge) }

// OrUnknown is v if v is Unknown already, and else a new Unknown with that reason.
func OrUnknown(v *Value, pos app.Position, why string) *Value {
	if v.Kind == Unknown {
		return v
	}
	return NewUnknown(pos, why)
}

// NewList is a List.
func NewList(pos app.Position, items ...*Value) *Value {
	return &Value{Kind: List, Items: items, Pos: pos}
}

// NewMap is a Map of the fields that have a value. A field without a position has
// that of its value.
func NewMap(pos app.Position, fields ...Field) *Value {
	v := &Value{Kind: Map, Pos: pos}
	for _, f := range fields {
		if f.Value != nil {
			if f.Pos.Line == 0 {
				f.Pos = f.Value.Pos
			}
			v.Fields = append(v.Fields, f)
		}
	}
	return v
}

// FromAny is a value of what another parser made: maps, lists, and anything that is
// printed as a text. Its lines are not known.
func FromAny(pos app.Position, v any) *Value {
	switch v := v.(type) {
	case nil:
		return &Value{Pos: pos}
	case map[string]any:
		out := &Value{Kind: Map, Pos: pos}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out.Fields = append(out.Fields, Field{key, pos, FromAny(pos, v[key])})
		}
		return out
	case []any:
		out := &Value{Kind: List, Pos: pos}
		for _, item := range v {
			out.Items = append(out.Items, FromAny(pos, item))
		}
		return out
	case []map[string]any: // an array of tables of TOML
		out := &Value{Kind: List, Pos: pos}
		for _, item := range v {
			out.Items = append(out.Items, FromAny(pos, item))
		}
		return out
	}
	return NewText(pos, fmt.Sprint(v))
}

// Merge puts b over a: maps are merged, lists are put one after the other, and
// anything else in b replaces what a has. This is how SAM reads Globals and how
// serverless.yml merges resources. It changes neither.
func Merge(a, b *Value) *Value {
	if a.Empty() {
		return b
	}
	if b == nil {
		return a
	}
	_, _, fa := a.Intrinsic()
	_, _, fb := b.Intrinsic()
	switch {
	case a.Kind == Map && b.Kind == Map && !fa && !fb:
		m := &Value{Kind: Map, Pos: b.Pos, Fields: append([]Field(nil), a.Fields...)}
		at := make(map[string]int, len(m.Fields))
		for i, f := range m.Fields {
			at[f.Key] = i
		}
		for _, f := range b.Fields {
			if i, ok := at[f.Key]; ok {
				m.Fields[i] = Field{f.Key, f.Pos, Merge(m.Fields[i].Value, f.Value)}
			} else {
				m.Fields = append(m.Fields, f)
			}
		}
		return m
	case a.Kind == List && b.Kind == List:
		return &Value{Kind: List, Pos: b.Pos, Items: append(append([]*Value(nil), a.Items...), b.Items...)}
	}
	return b
}

// Clip shortens text of a template for a message.
func Clip(s string) string { return app.Clip(s) }
