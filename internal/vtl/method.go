package vtl

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// known are the names of all methods that there are here, of one of Java's types or of
// several. A name is here only if it is done for each of this package's types that has
// it in Java. Sources: the templates of AWS's documentation and samples.
var known = map[string]bool{}

func init() {
	for _, names := range []string{
		// of every value
		"equals toString",
		// String
		"length isEmpty contains startsWith endsWith equalsIgnoreCase indexOf lastIndexOf substring replace replaceAll replaceFirst",
		"matches split trim toLowerCase toUpperCase charAt concat compareTo",
		// List and Set
		"size get set add addAll remove clear subList containsAll",
		// Map and its entries
		"put putAll containsKey containsValue keySet values entrySet getOrDefault getKey getValue",
		// numbers and Boolean
		"intValue longValue doubleValue booleanValue parseInt parseLong parseDouble parseBoolean valueOf",
		// JSON's lists, as AWS docs have it: "API Gateway WebSocket API mapping template reference"
		"count",
		// $foreach
		"hasNext getCount getIndex isFirst isLast getParent",
	} {
		for name := range strings.FieldsSeq(names) {
			known[name] = true
		}
	}
}

// call calls a method. What a value has no method for is nil, as in Velocity. An error is
// what Java throws, or a bound.
func (r *run) call(v any, name string, args []any) (any, error) {
	if err := r.step(1); err != nil {
		return nil, err
	}
	if o, ok := v.(Object); ok {
		return o.Call(name, args)
	}
	switch {
	case name == "toString" && len(args) == 0:
		text, err := r.text(nil, v, 0)
		if err == nil {
			err = r.spend(len(text))
		}
		return string(text), err
	case name == "equals" && len(args) == 1:
		return r.same(v, args[0], 0)
	}
	switch v := v.(type) {
	case string:
		return r.stringMethod(v, name, args)
	case *List:
		return r.listMethod(v, name, args)
	case *Map:
		return r.mapMethod(v, name, args)
	case *Entry:
		if len(args) == 0 {
			switch name {
			case "getKey":
				return v.Key, nil
			case "getValue":
				return v.Value, nil
			}
		}
	case bool:
		return booleanMethod(v, name, args)
	case int64, *big.Int, float64:
		return numberMethod(v, name, args)
	}
	return nil, nil
}

func booleanMethod(b bool, name string, args []any) (any, error) {
	switch {
	case name == "booleanValue" && len(args) == 0:
		return b, nil
	case (name == "parseBoolean" || name == "valueOf") && len(args) == 1:
		if s, ok := args[0].(string); ok {
			return strings.EqualFold(s, "true"), nil
		}
		if x, ok := args[0].(bool); ok && name == "valueOf" {
			return x, nil
		}
	case name == "compareTo" && len(args) == 1:
		if x, ok := args[0].(bool); ok {
			return order(b != x, !b), nil
		}
	}
	return nil, nil
}

func order(differ, less bool) int64 {
	switch {
	case !differ:
		return 0
	case less:
		return -1
	}
	return 1
}

func numberMethod(n any, name string, args []any) (any, error) {
	if len(args) == 0 {
		f, _ := floatOf(n)
		switch name {
		case "intValue":
			if b, ok := n.(*big.Int); ok {
				return int64(int32(new(big.Int).And(b, big.NewInt(1<<32-1)).Int64())), nil
			}
			i, _ := intOf(n)
			return i, nil
		case "longValue":
			switch n := n.(type) {
			case int64:
				return n, nil
			case float64:
				return longOf(n), nil
			case *big.Int:
				return int64(new(big.Int).And(n, new(big.Int).SetUint64(1<<64-1)).Uint64()), nil
			}
		case "doubleValue":
			return f, nil
		}
		return nil, nil
	}
	if len(args) != 1 {
		return nil, nil
	}
	switch name {
	case "compareTo":
		_, whole := n.(float64)
		_, whole2 := args[0].(float64)
		if isNumber(args[0]) && whole == whole2 {
			return int64(compare(n, args[0])), nil
		}
	case "parseInt", "parseLong", "parseDouble", "valueOf", "toString":
		return parseNumber(n, name, args[0])
	}
	return nil, nil
}

func longOf(f float64) int64 {
	switch {
	case f != f:
		return 0
	case f >= 1<<63:
		return 1<<63 - 1
	case f <= -1<<63:
		return -1 << 63
	}
	return int64(f)
}

// parseNumber is a static method of the class of a number, which Velocity calls like one
// of the number itself: Integer has parseInt, Double parseDouble.
func parseNumber(n any, name string, arg any) (any, error) {
	_, isFloat := n.(float64)
	i, isInt := n.(int64)
	isLong := isInt && int64(int32(i)) != i
	s, ok := arg.(string)
	switch {
	case name == "toString":
		if isInt && bigOf(arg) != nil || isFloat && isNumber(arg) {
			if f, ok := floatOf(arg); ok && isFloat {
				return javaDouble(f), nil
			}
			return bigOf(arg).String(), nil
		}
	case name == "valueOf" && !ok:
		if isInt && bigOf(arg) != nil {
			return arg, nil
		}
	case ok && isFloat && (name == "parseDouble" || name == "valueOf"):
		f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, notANumber(s)
		}
		return f, nil
	case ok && isInt && (name == "valueOf" || name == "parseInt" && !isLong || name == "parseLong" && isLong):
		bits := 32
		if isLong {
			bits = 64
		}
		x, err := strconv.ParseInt(s, 10, bits)
		if err != nil {
			return nil, notANumber(s)
		}
		return x, nil
	}
	return nil, nil
}

func notANumber(s string) error { return tooMuch("%q is not a number", clip(s)) }

func (r *run) mapMethod(m *Map, name string, args []any) (any, error) {
	switch len(args) {
	case 0:
		return r.mapView(m, name)
	case 1:
		switch name {
		case "get":
			return m.Get(args[0]), nil
		case "containsKey":
			return m.find(args[0]) >= 0, nil
		case "containsValue":
			for _, e := range m.Entries() {
				if same, err := r.same(e.Value, args[0], 0); same || err != nil {
					return same, err
				}
			}
			return false, nil
		case "remove":
			err := r.step(m.Len())
			return m.remove(args[0]), err
		case "putAll":
			from, ok := args[0].(*Map)
			if !ok {
				return nil, nil
			}
			for _, e := range append([]*Entry(nil), from.Entries()...) {
				m.Put(e.Key, e.Value)
			}
			return "", r.spend(64 * from.Len())
		}
	case 2:
		switch name {
		case "put":
			if err := r.spend(64); err != nil {
				return nil, err
			}
			return m.Put(args[0], args[1]), nil
		case "getOrDefault":
			if m.find(args[0]) < 0 {
				return args[1], nil
			}
			return m.Get(args[0]), nil
		}
	}
	return nil, nil
}

// mapView is what a method of a map without arguments gives.
func (r *run) mapView(m *Map, name string) (any, error) {
	switch name {
	case "size":
		return int64(m.Len()), nil
	case "isEmpty":
		return m.Len() == 0, nil
	case "clear":
		m.load()
		m.entries, m.index = nil, nil
		return "", nil
	case "keySet", "values", "entrySet":
	default:
		return nil, nil
	}
	made := &List{kind: aSet}
	for _, e := range m.Entries() {
		switch name {
		case "keySet":
			made.Items = append(made.Items, e.Key)
		case "values":
			made.Items = append(made.Items, e.Value)
		default:
			made.Items = append(made.Items, e)
		}
	}
	return made, r.spend(32 + 16*len(made.Items))
}
