package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What a file may be. AWS takes templates of 1 MB.
const (
	maxBytes = 2 << 20
	maxNodes = 100_000 // with every alias counted as often as it is used
	maxDepth = 100
)

type parser struct {
	file  string
	nodes int
	note  func(Position, Severity, string, ...any)
}

// parse reads YAML or JSON into values. Errors are *Error.
func parse(file string, data []byte, note func(Position, Severity, string, ...any)) (*value, error) {
	p := &parser{file: file, note: note}
	if len(data) > maxBytes {
		return nil, mistake(p.at(1), "is larger than %d bytes, which no template may be", maxBytes)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if first := bytes.TrimLeft(data, " \t\r\n"); len(first) > 0 && first[0] == '{' && json.Valid(data) {
		return p.json(data)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, p.syntax(err)
	}
	if document.Kind == 0 {
		return nil, mistake(p.at(1), "is empty")
	}
	return p.node(&document, 0)
}

func (p *parser) at(line int) Position { return Position{File: p.file, Line: line} }

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func (p *parser) syntax(err error) error {
	m := yamlLine.FindStringSubmatch(err.Error())
	line := 1
	if m != nil && m[1] != "" {
		line, _ = strconv.Atoi(m[1])
	}
	return mistake(p.at(line), "is neither YAML nor JSON: %s", clip(yamlLine.ReplaceAllString(err.Error(), "")))
}

func (p *parser) count(pos Position, depth int) error {
	p.nodes++
	if p.nodes > maxNodes {
		return mistake(pos, "has more than %d values once its aliases are followed", maxNodes)
	}
	if depth > maxDepth {
		return mistake(pos, "is nested deeper than %d levels, or an alias contains itself", maxDepth)
	}
	return nil
}

func (p *parser) node(n *yaml.Node, depth int) (*value, error) {
	pos := p.at(n.Line)
	if err := p.count(pos, depth); err != nil {
		return nil, err
	}
	v := &value{pos: pos}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) != 1 {
			return v, nil
		}
		return p.node(n.Content[0], depth+1)
	case yaml.AliasNode:
		return p.node(n.Alias, depth+1)
	case yaml.ScalarNode:
		switch n.ShortTag() {
		case "!!null":
		case "!!bool": // True is true for CloudFormation
			v.kind, v.text = scalar, strings.ToLower(n.Value)
		default:
			v.kind, v.text = scalar, n.Value
		}
	case yaml.SequenceNode:
		v.kind = list
		for _, c := range n.Content {
			item, err := p.node(c, depth+1)
			if err != nil {
				return nil, err
			}
			v.items = append(v.items, item)
		}
	case yaml.MappingNode:
		v.kind = mapping
		if err := p.pairs(v, n, depth); err != nil {
			return nil, err
		}
	}
	if tag, ok := strings.CutPrefix(n.Tag, "!"); ok && !strings.HasPrefix(tag, "!") && tag != "" {
		if tag != "Ref" && tag != "Condition" {
			tag = "Fn::" + tag
		}
		if v.kind == null {
			v.kind, v.text = scalar, n.Value
		}
		v = newMap(pos, field{key: tag, value: v})
	}
	return v, nil
}

func (p *parser) pairs(v *value, n *yaml.Node, depth int) error {
	at := map[string]int{}
	var merged []*value
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		item, err := p.node(c, depth+1)
		if err != nil {
			return err
		}
		if k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge" {
			if item.kind == list {
				merged = append(merged, item.items...)
			} else {
				merged = append(merged, item)
			}
			continue
		}
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			return mistake(p.at(k.Line), "has a key that is not a plain word")
		}
		p.put(v, at, field{k.Value, p.at(k.Line), item})
	}
	for _, m := range merged {
		for _, f := range m.each() {
			if _, ok := at[f.key]; !ok {
				at[f.key] = len(v.fields)
				v.fields = append(v.fields, f)
			}
		}
	}
	return nil
}

func (p *parser) put(v *value, at map[string]int, f field) {
	if i, ok := at[f.key]; ok {
		p.note(f.pos, Warning, "%s is written twice, first on line %d: the last one counts", clip(f.key), v.fields[i].pos.Line)
		v.fields[i] = f
		return
	}
	at[f.key] = len(v.fields)
	v.fields = append(v.fields, f)
}

// json reads valid JSON and keeps the lines, which a YAML parser would too, but
// not every string that JSON can write.
func (p *parser) json(data []byte) (*value, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	line, seen := 1, 0
	next := func() (json.Token, Position, error) {
		t, err := d.Token()
		end := min(int(d.InputOffset()), len(data))
		line += bytes.Count(data[seen:end], []byte("\n"))
		seen = end
		return t, p.at(line), err
	}
	var read func(depth int) (*value, error)
	read = func(depth int) (*value, error) {
		t, pos, err := next()
		if err != nil {
			return nil, mistake(pos, "is not JSON: %v", err)
		}
		if err := p.count(pos, depth); err != nil {
			return nil, err
		}
		v := &value{pos: pos}
		switch t := t.(type) {
		case json.Delim:
			if t == '[' {
				v.kind = list
				for d.More() {
					item, err := read(depth + 1)
					if err != nil {
						return nil, err
					}
					v.items = append(v.items, item)
				}
			} else {
				v.kind = mapping
				at := map[string]int{}
				for d.More() {
					k, kpos, err := next()
					key, ok := k.(string)
					if err != nil || !ok {
						return nil, mistake(kpos, "is not JSON: a key was expected")
					}
					item, err := read(depth + 1)
					if err != nil {
						return nil, err
					}
					p.put(v, at, field{key, kpos, item})
				}
			}
			_, _, err := next()
			if err != nil {
				return nil, mistake(pos, "is not JSON: %v", err)
			}
		case nil:
		default:
			v.kind, v.text = scalar, fmt.Sprint(t)
		}
		return v, nil
	}
	return read(0)
}
