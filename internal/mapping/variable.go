package mapping

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/wirepost/wirepost/internal/vtl"
)

func appendJSON(dst []byte, s string) []byte { return vtl.AppendJSON(dst, s) }

// input is $input.
type input struct {
	in     *Input
	doc    *document
	read   bool
	params *vtl.Map
}

func (i *input) Get(name string) any {
	if name == "body" {
		return string(i.in.Body)
	}
	return nil
}

func (i *input) String() string { return "$input" }

func (i *input) Call(name string, args []any) (any, error) {
	if name == "params" {
		return i.parameters(args)
	}
	if name != "json" && name != "path" {
		return nil, nil
	}
	if len(args) != 1 {
		return nil, errors.New("it takes one JSON path")
	}
	text, ok := args[0].(string)
	if !ok {
		return nil, errors.New("its argument is not a text with a JSON path")
	}
	p, err := pathOf(text)
	if err != nil {
		return nil, err
	}
	d := i.document()
	if d == nil {
		return missing(name), nil
	}
	found, err := p.find(d)
	if err != nil {
		return nil, err
	}
	return p.result(d, found, name)
}

// document is the body, nil if it is not JSON.
func (i *input) document() *document {
	if !i.read {
		i.read = true
		i.doc = newDocument(i.in.Body)
	}
	return i.doc
}

// missing is what there is not: "" as JSON, and nothing of $input.path (UNCERTAIN).
func missing(name string) any {
	if name == "json" {
		return `""`
	}
	return nil
}

// result is what was found, as JSON or as values. A path that may find several values
// gives a list of them.
func (p *jsonPath) result(d *document, found []span, name string) (any, error) {
	n := len(p.steps)
	switch {
	case n > 0 && p.steps[n-1].length:
		length := "null"
		if len(found) == 1 && p.definite {
			length = d.length(found[0])
		} else if !p.definite {
			length = fmt.Sprint(len(found))
		}
		if name == "json" {
			return length, nil
		}
		if length == "null" {
			return nil, nil
		}
		return number([]byte(length)), nil
	case p.definite && len(found) == 0:
		return missing(name), nil
	case p.definite && name == "json":
		return string(d.compact(nil, found[0])), nil
	case p.definite:
		return d.value(found[0]), nil
	case name == "json":
		out := []byte{'['}
		for i, at := range found {
			if i > 0 {
				out = append(out, ',')
			}
			if out = d.compact(out, at); len(out) > vtl.MaxText {
				return nil, fmt.Errorf("the JSON has more than %d bytes", vtl.MaxText)
			}
		}
		return string(append(out, ']')), nil
	}
	l := &vtl.List{JSON: true}
	for _, at := range found {
		l.Items = append(l.Items, d.value(at))
	}
	return l, nil
}

// parameters is $input.params: those of the handshake, by path, querystring and header
// (AWS docs, "API Gateway mapping template and access logging variable reference", for
// REST APIs; the page for WebSocket APIs does not have it: UNCERTAIN). Messages have none.
func (i *input) parameters(args []any) (any, error) {
	if i.params == nil {
		i.params = vtl.NewMap(nil)
		event, _ := objectOf(i.in.Event).(*vtl.Map)
		for _, of := range [][2]string{{"path", ""}, {"querystring", "queryStringParameters"}, {"header", "headers"}} {
			m, ok := event.Get(of[1]).(*vtl.Map)
			if !ok {
				m = vtl.NewMap(nil)
			}
			i.params.Put(of[0], m)
		}
	}
	switch len(args) {
	case 0:
		return i.params, nil
	case 1:
		name, ok := args[0].(string)
		if !ok {
			return nil, errors.New("its argument is not the name of a parameter")
		}
		for _, of := range []string{"path", "querystring", "header"} {
			if v := i.params.Get(of).(*vtl.Map).Get(name); v != nil {
				return v, nil
			}
		}
		for _, e := range i.params.Get("header").(*vtl.Map).Entries() {
			if key, _ := e.Key.(string); strings.EqualFold(key, name) {
				return e.Value, nil
			}
		}
		return "", nil
	}
	return nil, errors.New("it takes a name, or nothing")
}

// util is $util.
type util struct{}

func (util) Get(string) any { return nil }

func (util) String() string { return "$util" }

func (util) Call(name string, args []any) (any, error) {
	if len(args) != 1 {
		return nil, errors.New("it takes one text")
	}
	text, err := vtl.Text(args[0])
	if err != nil {
		return nil, err
	}
	switch name {
	case "escapeJavaScript":
		return escapeJavaScript(text), nil
	case "parseJson":
		d := newDocument([]byte(text))
		if d == nil {
			return nil, fmt.Errorf("%q is not JSON", clip(text))
		}
		return d.value(d.root), nil
	case "urlEncode":
		// As Java's URLEncoder, which differs in two characters.
		return strings.NewReplacer("%2A", "*", "~", "%7E").Replace(url.QueryEscape(text)), nil
	case "urlDecode":
		decoded, err := url.QueryUnescape(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not encoded as a form is", clip(text))
		}
		return decoded, nil
	case "base64Encode":
		return base64.StdEncoding.EncodeToString([]byte(text)), nil
	case "base64Decode":
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not base64", clip(text))
		}
		return string(decoded), nil
	}
	return nil, nil
}

// escapeJavaScript escapes as Java's StringEscapeUtils.escapeJavaScript, whose rules AWS
// docs name: quotes, backslashes, slashes, control characters, and what is no ASCII.
func escapeJavaScript(text string) string {
	var out strings.Builder
	for _, r := range text {
		switch {
		case r == '\'' || r == '"' || r == '\\' || r == '/':
			out.WriteByte('\\')
			out.WriteRune(r)
		case strings.ContainsRune("\b\t\n\f\r", r):
			out.WriteByte('\\')
			out.WriteByte("btn fr"[r-'\b'])
		case r < ' ' || r > '~':
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&out, `\u%04X`, unit)
			}
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
