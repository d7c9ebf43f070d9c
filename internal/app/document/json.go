package document

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/wirepost/wirepost/internal/app"
)

// json reads valid JSON. A YAML parser would keep the lines too, but does not take
// every string that JSON can write.
func (p *parser) json(data []byte) (*Value, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return (&jsonParser{parser: p, decoder: d, data: data, line: 1}).value(0)
}

// A jsonParser counts the lines of the tokens that it takes.
type jsonParser struct {
	*parser
	decoder    *json.Decoder
	data       []byte
	line, seen int // the line of the byte at seen
}

func (p *jsonParser) next() (json.Token, app.Position, error) {
	t, err := p.decoder.Token()
	end := min(int(p.decoder.InputOffset()), len(p.data))
	p.line += bytes.Count(p.data[p.seen:end], []byte("\n"))
	p.seen = end
	return t, p.at(p.line), err
}

func (p *jsonParser) value(depth int) (*Value, error) {
	t, pos, err := p.next()
	if err != nil {
		return nil, app.Errorf(pos, "is not JSON: %v", err)
	}
	if err := p.count(pos, depth); err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case nil:
		return &Value{Pos: pos}, nil
	case json.Delim:
		v := &Value{Kind: Map, Pos: pos}
		if t == '[' {
			v.Kind = List
		}
		if err := p.content(v, depth); err != nil {
			return nil, err
		}
		return v, nil
	case string:
		return NewText(pos, t), nil
	default:
		v := NewText(pos, fmt.Sprint(t))
		v.Bare = true
		return v, nil
	}
}

// content reads a list or a map up to the bracket that ends it.
func (p *jsonParser) content(v *Value, depth int) error {
	to := newFields(v)
	for p.decoder.More() {
		var key string
		var pos app.Position
		if v.Kind == Map {
			k, at, err := p.next()
			var ok bool
			if key, ok = k.(string); err != nil || !ok {
				return app.Errorf(at, "is not JSON: a key was expected")
			}
			pos = at
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		if v.Kind == Map {
			p.put(to, Field{key, pos, item})
		} else {
			v.Items = append(v.Items, item)
		}
	}
	if _, _, err := p.next(); err != nil {
		return app.Errorf(v.Pos, "is not JSON: %v", err)
	}
	return nil
}
