package vtl

import (
	"math"
	"math/big"
)

// narrow is an integer in the smallest of its forms.
func narrow(b *big.Int) any {
	if b.IsInt64() {
		return b.Int64()
	}
	return b
}

func bigOf(v any) *big.Int {
	switch v := v.(type) {
	case int64:
		return big.NewInt(v)
	case *big.Int:
		return v
	}
	return nil
}

func floatOf(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	}
	return 0, false
}

func isNumber(v any) bool {
	_, ok := floatOf(v)
	return ok
}

// calculate is Velocity's arithmetic: integers stay integers, whatever their size. What
// is no number, and a division by zero, has no value.
func calculate(op byte, a, b any) any {
	x, y := bigOf(a), bigOf(b)
	if x != nil && y != nil {
		return calculateIntegers(op, x, y)
	}
	f, ok := floatOf(a)
	g, ok2 := floatOf(b)
	if !ok || !ok2 {
		return nil
	}
	switch op {
	case '+':
		return f + g
	case '-':
		return f - g
	case '*':
		return f * g
	}
	if g == 0 {
		return nil
	}
	if op == '/' {
		return f / g
	}
	return math.Mod(f, g)
}

func calculateIntegers(op byte, x, y *big.Int) any {
	switch op {
	case '+':
		return narrow(new(big.Int).Add(x, y))
	case '-':
		return narrow(new(big.Int).Sub(x, y))
	case '*':
		return narrow(new(big.Int).Mul(x, y))
	}
	if y.Sign() == 0 {
		return nil
	}
	if op == '/' {
		return narrow(new(big.Int).Quo(x, y))
	}
	return narrow(new(big.Int).Rem(x, y))
}

// compare is -1, 0 or 1. Both are numbers.
func compare(a, b any) int {
	if x, y := bigOf(a), bigOf(b); x != nil && y != nil {
		return x.Cmp(y)
	}
	f, _ := floatOf(a)
	g, _ := floatOf(b)
	switch {
	case f < g:
		return -1
	case f > g:
		return 1
	}
	return 0
}
