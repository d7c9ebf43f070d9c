package dynamostore

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/internal/dynamodb"
)

// update makes one update of a row, or makes the row.
func (t *simTable) update(in dynamodb.UpdateItemInput) *http.Response {
	k := keyOf(in.Key)
	old := t.rows[k.p][k.s]
	if !holds(in.ConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues, old) {
		t.refused++
		answer := map[string]any{"__type": "ConditionalCheckFailedException", "message": "The conditional request failed"}
		if in.ReturnValuesOnConditionCheckFailure != "" && old != nil {
			answer["Item"] = old
		}
		return answerOf(400, answer)
	}
	next := maps.Clone(old)
	if next == nil {
		next = k.item()
	}
	set, remove, _ := strings.Cut(in.UpdateExpression, "REMOVE ")
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimSpace(set), "SET "), ", ") {
		if part == "" {
			continue
		}
		path, value, ok := strings.Cut(part, " = ")
		if !ok {
			panic("the table does not know the update " + in.UpdateExpression)
		}
		name, inner, nested := strings.Cut(path, ".")
		v := in.ExpressionAttributeValues[strings.TrimSpace(value)]
		if nested {
			m := maps.Clone(*next[in.ExpressionAttributeNames[name]].M)
			m[in.ExpressionAttributeNames[inner]] = v
			v = dynamodb.Map(m)
		}
		next[in.ExpressionAttributeNames[name]] = v
	}
	for name := range strings.SplitSeq(remove, ", ") {
		delete(next, in.ExpressionAttributeNames[strings.TrimSpace(name)])
	}
	if t.rows[k.p] == nil {
		t.rows[k.p] = map[string]dynamodb.Item{}
	}
	t.rows[k.p][k.s] = next
	answer := map[string]any{}
	if in.ReturnValues != "" && old != nil {
		answer["Attributes"] = old
	}
	return answerOf(200, answer)
}

// holds evaluates the conditions that the store has: comparisons and the existence of
// attributes, with AND, OR and parentheses.
func holds(condition string, names map[string]string, values map[string]dynamodb.Value, old dynamodb.Item) bool {
	condition = strings.TrimSpace(condition)
	if condition == "" {
		return true
	}
	if parts := topLevel(condition, " OR "); len(parts) > 1 {
		for _, part := range parts {
			if holds(part, names, values, old) {
				return true
			}
		}
		return false
	}
	if parts := topLevel(condition, " AND "); len(parts) > 1 {
		for _, part := range parts {
			if !holds(part, names, values, old) {
				return false
			}
		}
		return true
	}
	if inner, ok := strings.CutPrefix(condition, "("); ok {
		return holds(strings.TrimSuffix(inner, ")"), names, values, old)
	}
	if name, ok := strings.CutPrefix(condition, "attribute_not_exists("); ok {
		return !exists(strings.TrimSuffix(name, ")"), names, old)
	}
	if name, ok := strings.CutPrefix(condition, "attribute_exists("); ok {
		return exists(strings.TrimSuffix(name, ")"), names, old)
	}
	var path, operator, value string
	if n, _ := fmt.Sscan(condition, &path, &operator, &value); n != 3 {
		panic("the table does not know the condition " + condition)
	}
	have, ok := at(path, names, old)
	want := values[value]
	if !ok {
		return false
	}
	c := strings.Compare(ptr(have.S), ptr(want.S))
	if have.N != nil {
		a, _ := strconv.ParseInt(*have.N, 10, 64)
		b, _ := strconv.ParseInt(ptr(want.N), 10, 64)
		c = int(max(-1, min(1, a-b)))
	}
	switch operator {
	case "=":
		return c == 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">=":
		return c >= 0
	}
	panic("the table does not know the condition " + condition)
}

func exists(path string, names map[string]string, old dynamodb.Item) bool {
	_, ok := at(path, names, old)
	return ok
}

func at(path string, names map[string]string, old dynamodb.Item) (dynamodb.Value, bool) {
	name, inner, nested := strings.Cut(path, ".")
	v, ok := old[names[name]]
	if !ok || !nested {
		return v, ok
	}
	if v.M == nil {
		return v, false
	}
	v, ok = (*v.M)[names[inner]]
	return v, ok
}

// topLevel splits at a separator outside of parentheses.
func topLevel(s, separator string) (parts []string) {
	depth, from := 0, 0
	for i := range len(s) {
		switch {
		case s[i] == '(':
			depth++
		case s[i] == ')':
			depth--
		case depth == 0 && strings.HasPrefix(s[i:], separator):
			parts, from = append(parts, s[from:i]), i+len(separator)
		}
	}
	return append(parts, s[from:])
}

// simClient is a client of a changed configuration.
func simClient(c *dynamodb.Client) *dynamodb.Client { return dynamodb.New(*c) }
