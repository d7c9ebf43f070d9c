package vtl

import "slices"

func (r *run) listMethod(l *List, name string, args []any) (any, error) {
	if l.kind == aSet && (name == "get" || name == "set" || name == "indexOf" || name == "lastIndexOf" || name == "subList" || name == "add" && len(args) == 2) {
		return nil, nil
	}
	if l.kind == anArray && (name == "add" || name == "addAll" || name == "remove" || name == "clear") {
		return nil, tooMuch("an array has a fixed length")
	}
	if err := r.step(len(l.Items) / 64); err != nil {
		return nil, err
	}
	switch len(args) {
	case 0:
		switch name {
		case "size":
			return int64(len(l.Items)), nil
		case "count": // AWS docs; Java's lists have no such method
			if l.JSON {
				return int64(len(l.Items)), nil
			}
		case "isEmpty":
			return len(l.Items) == 0, nil
		case "clear":
			l.Items = nil
			return "", nil
		}
		return nil, nil
	case 1:
		return r.listMethod1(l, name, args[0])
	case 2:
		return r.listMethod2(l, name, args)
	}
	return nil, nil
}

func (r *run) listMethod1(l *List, name string, arg any) (any, error) {
	n, isInt := arg.(int64)
	switch name {
	case "get":
		if !isInt {
			return nil, nil
		}
		if n < 0 || n >= int64(len(l.Items)) {
			return nil, tooMuch("the index %d is outside of a list of %d", n, len(l.Items))
		}
		return l.Items[n], nil
	case "add":
		l.Items = append(l.Items, arg)
		return true, r.spend(16)
	case "addAll":
		from := each(arg)
		if len(from) == 0 {
			if _, ok := arg.(*List); ok {
				return false, nil
			}
			return nil, nil
		}
		if err := r.spend(16 * len(from)); err != nil {
			return nil, err
		}
		l.Items = append(l.Items, from...)
		return true, nil
	case "remove":
		return r.removed(l, arg)
	case "contains":
		i, err := r.indexOf(l.Items, arg)
		return i >= 0, err
	case "indexOf":
		i, err := r.indexOf(l.Items, arg)
		return int64(i), err
	case "lastIndexOf":
		for i := len(l.Items) - 1; i >= 0; i-- {
			if same, err := r.same(l.Items[i], arg, 0); same || err != nil {
				return int64(i), err
			}
		}
		return int64(-1), nil
	case "containsAll":
		other, ok := arg.(*List)
		if !ok {
			return nil, nil
		}
		for _, v := range other.Items {
			if i, err := r.indexOf(l.Items, v); i < 0 || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return nil, nil
}

// removed takes an element out of a list: that at an index, or the first that is equal.
func (r *run) removed(l *List, arg any) (any, error) {
	n, isIndex := arg.(int64)
	if !isIndex || l.kind == aSet {
		i, err := r.indexOf(l.Items, arg)
		if i < 0 || err != nil {
			return false, err
		}
		l.Items = slices.Delete(slices.Clone(l.Items), i, i+1)
		return true, r.spend(16 * len(l.Items))
	}
	if n < 0 || n >= int64(len(l.Items)) {
		return nil, tooMuch("the index %d is outside of a list of %d", n, len(l.Items))
	}
	before := l.Items[n]
	l.Items = slices.Delete(slices.Clone(l.Items), int(n), int(n)+1)
	return before, r.spend(16 * len(l.Items))
}

func (r *run) listMethod2(l *List, name string, args []any) (any, error) {
	n, ok := args[0].(int64)
	if !ok {
		return nil, nil
	}
	size := int64(len(l.Items))
	switch name {
	case "set":
		if n < 0 || n >= size {
			return nil, tooMuch("the index %d is outside of a list of %d", n, size)
		}
		before := l.Items[n]
		l.Items[n] = args[1]
		return before, nil
	case "add":
		if n < 0 || n > size {
			return nil, tooMuch("the index %d is outside of a list of %d", n, size)
		}
		l.Items = slices.Insert(slices.Clone(l.Items), int(n), args[1])
		return "", r.spend(16 * len(l.Items))
	case "subList":
		m, ok := args[1].(int64)
		if !ok {
			return nil, nil
		}
		if n < 0 || m > size || n > m {
			return nil, tooMuch("%d to %d is outside of a list of %d", n, m, size)
		}
		return &List{Items: slices.Clone(l.Items[n:m])}, r.spend(32 + 16*int(m-n))
	}
	return nil, nil
}

func (r *run) indexOf(items []any, v any) (int, error) {
	for i := range items {
		if same, err := r.same(items[i], v, 0); same || err != nil {
			return i, err
		}
	}
	return -1, nil
}
