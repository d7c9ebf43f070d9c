package mapping

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// step is a name or an index of a JSON path.
type step struct {
	name  string
	index int // -1: name
}

// parsePath reads a JSON path of names and indexes, such as $.a[0]['b c']. A path
// without its dollar sign begins with a name, as AWS takes it too (UNCERTAIN).
func parsePath(text string) (steps []step, err error) {
	rest, rooted := strings.CutPrefix(text, "$")
	if !rooted && rest != "" && rest[0] != '.' && rest[0] != '[' {
		rest = "." + rest
	}
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "['") || strings.HasPrefix(rest, `["`):
			end := strings.Index(rest, rest[1:2]+"]")
			if end < 2 {
				return nil, fmt.Errorf("the JSON path %s: a bracket is not closed", clip(text))
			}
			steps, rest = append(steps, step{rest[2:end], -1}), rest[end+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			n := -1
			if end > 0 {
				if n, err = strconv.Atoi(rest[1:end]); err != nil {
					n = -1
				}
			}
			if n < 0 {
				return nil, fmt.Errorf("the JSON path %s: of brackets only an index and a name in quotes are done here", clip(text))
			}
			steps, rest = append(steps, step{index: n}), rest[end+1:]
		case rest[0] == '.':
			rest = rest[1:]
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			name := rest[:end]
			if name == "" || strings.ContainsAny(name, "*?@()$ ") {
				return nil, fmt.Errorf("the JSON path %s: only names and indexes are done here", clip(text))
			}
			steps, rest = append(steps, step{name, -1}), rest[end:]
		default:
			return nil, fmt.Errorf("the JSON path %s: a dot or a bracket is missing", clip(text))
		}
	}
	return steps, nil
}

// lookup is the value at a path, nil if there is none.
func lookup(data json.RawMessage, steps []step) json.RawMessage {
	for _, s := range steps {
		if len(data) == 0 {
			return nil
		}
		if s.index >= 0 {
			var list []json.RawMessage
			if data[0] != '[' || json.Unmarshal(data, &list) != nil || s.index >= len(list) {
				return nil
			}
			data = list[s.index]
			continue
		}
		var object map[string]json.RawMessage
		if data[0] != '{' || json.Unmarshal(data, &object) != nil {
			return nil
		}
		data = object[s.name]
	}
	return data
}
