package document

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/wirepost/wirepost/internal/app"
)

func (p *parser) yaml(data []byte) (*Value, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, p.syntax(err)
	}
	if root.Kind == 0 {
		return nil, app.Errorf(p.at(1), "is empty")
	}
	return p.node(&root, 0)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax is the YAML parser's error with its line as our position.
func (p *parser) syntax(err error) error {
	m := yamlLine.FindStringSubmatch(err.Error())
	line := 1
	if m != nil && m[1] != "" {
		line, _ = strconv.Atoi(m[1])
	}
	return app.Errorf(p.at(line), "is neither YAML nor JSON: %s", Clip(yamlLine.ReplaceAllString(err.Error(), "")))
}

func (p *parser) node(n *yaml.Node, depth int) (*Value, error) {
	pos := p.at(n.Line)
	if err := p.count(pos, depth); err != nil {
		return nil, err
	}
	v := &Value{Pos: pos}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) != 1 {
			return v, nil
		}
		return p.node(n.Content[0], depth+1)
	case yaml.AliasNode:
		return p.node(n.Alias, depth+1)
	case yaml.ScalarNode:
		v.Block = n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
		switch n.ShortTag() {
		case "!!null":
		case "!!bool": // True is true for CloudFormation
			v.Kind, v.Text, v.Bare = Scalar, strings.ToLower(n.Value), true
		case "!!int", "!!float":
			v.Kind, v.Text, v.Bare = Scalar, n.Value, json.Valid([]byte(n.Value))
		default:
			v.Kind, v.Text = Scalar, n.Value
		}
	case yaml.SequenceNode:
		v.Kind = List
		for _, c := range n.Content {
			item, err := p.node(c, depth+1)
			if err != nil {
				return nil, err
			}
			v.Items = append(v.Items, item)
		}
	case yaml.MappingNode:
		v.Kind = Map
		if err := p.pairs(v, n, depth); err != nil {
			return nil, err
		}
	}
	return longForm(v, n), nil
}

// longForm is the function that a tag stands for: !Sub x is {Fn::Sub: x}.
func longForm(v *Value, n *yaml.Node) *Value {
	tag, ok := strings.CutPrefix(n.Tag, "!")
	if !ok || strings.HasPrefix(tag, "!") || tag == "" {
		return v
	}
	if tag != "Ref" && tag != "Condition" {
		tag = "Fn::" + tag
	}
	if v.Kind == Null {
		v.Kind, v.Text = Scalar, n.Value
	}
	return NewMap(v.Pos, Field{Key: tag, Value: v})
}

// pairs reads the fields of a mapping. What it merges with << comes last and never
// replaces a field of its own.
func (p *parser) pairs(v *Value, n *yaml.Node, depth int) error {
	to := newFields(v)
	var merged []*Value
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		item, err := p.node(c, depth+1)
		if err != nil {
			return err
		}
		if k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge" {
			if item.Kind == List {
				merged = append(merged, item.Items...)
			} else {
				merged = append(merged, item)
			}
			continue
		}
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			return app.Errorf(p.at(k.Line), "has a key that is not a plain word")
		}
		p.put(to, Field{k.Value, p.at(k.Line), item})
	}
	for _, m := range merged {
		for _, f := range m.Each() {
			to.add(f)
		}
	}
	return nil
}
