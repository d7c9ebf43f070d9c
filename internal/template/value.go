package template

import "strings"

// A kind says what a value is.
type kind uint8

const (
	null    kind = iota
	scalar       // a string, a number or a boolean, as it is written
	list         // items
	mapping      // fields, in the order of the file
	absent       // AWS::NoValue: as if it were not written
	unknown      // cannot be known on this machine; text says why
)

// A value is a node of a template. Short forms such as !Ref are already the
// long ones. A value is never changed once it is read: several places may
// share it.
type value struct {
	kind   kind
	text   string
	items  []*value
	fields []field
	pos    Position
}

type field struct {
	key   string
	pos   Position
	value *value
}

// get is the field of that name, or nil. It may be called on nil.
func (v *value) get(keys ...string) *value {
	for _, key := range keys {
		if v == nil || v.kind != mapping {
			return nil
		}
		var found *value
		for _, f := range v.fields {
			if f.key == key {
				found = f.value
				break
			}
		}
		v = found
	}
	return v
}

// each is the fields of a mapping, and nothing for any other value.
func (v *value) each() []field {
	if v == nil || v.kind != mapping {
		return nil
	}
	return v.fields
}

// empty says that nothing is there: no value, a null or AWS::NoValue.
func (v *value) empty() bool {
	return v == nil || v.kind == null || v.kind == absent
}

func (v *value) where() Position {
	if v == nil {
		return Position{}
	}
	return v.pos
}

// intrinsic is the name and the argument of a CloudFormation function.
func (v *value) intrinsic() (name string, argument *value, ok bool) {
	if v == nil || v.kind != mapping || len(v.fields) != 1 {
		return "", nil, false
	}
	f := v.fields[0]
	return f.key, f.value, f.key == "Ref" || strings.HasPrefix(f.key, "Fn::")
}

func newText(pos Position, s string) *value {
	return &value{kind: scalar, text: s, pos: pos}
}

func newUnknown(pos Position, why string) *value {
	return &value{kind: unknown, text: why, pos: pos}
}

func newList(pos Position, items ...*value) *value {
	return &value{kind: list, items: items, pos: pos}
}

// newMap leaves out what is nil.
func newMap(pos Position, fields ...field) *value {
	v := &value{kind: mapping, pos: pos}
	for _, f := range fields {
		if f.value != nil {
			if f.pos.Line == 0 {
				f.pos = f.value.pos
			}
			v.fields = append(v.fields, f)
		}
	}
	return v
}

func reference(pos Position, logicalID string) *value {
	return newMap(pos, field{key: "Ref", value: newText(pos, logicalID)})
}

func arnOf(pos Position, logicalID string) *value {
	return newMap(pos, field{key: "Fn::GetAtt", value: newList(pos, newText(pos, logicalID), newText(pos, "Arn"))})
}

// merge puts b over a: mappings are merged, lists are put one after the other,
// anything else of b replaces what a has. This is how SAM reads Globals.
func merge(a, b *value) *value {
	if a.empty() {
		return b
	}
	if b == nil {
		return a
	}
	_, _, fa := a.intrinsic()
	_, _, fb := b.intrinsic()
	switch {
	case a.kind == mapping && b.kind == mapping && !fa && !fb:
		m := &value{kind: mapping, pos: b.pos, fields: append([]field(nil), a.fields...)}
		at := make(map[string]int, len(m.fields))
		for i, f := range m.fields {
			at[f.key] = i
		}
		for _, f := range b.fields {
			if i, ok := at[f.key]; ok {
				m.fields[i] = field{f.key, f.pos, merge(m.fields[i].value, f.value)}
			} else {
				m.fields = append(m.fields, f)
			}
		}
		return m
	case a.kind == list && b.kind == list:
		return &value{kind: list, pos: b.pos, items: append(append([]*value(nil), a.items...), b.items...)}
	}
	return b
}

// clip shortens what a message repeats from a template.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
