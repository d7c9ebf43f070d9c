package eventpattern

import (
	"strings"
	"testing"
)

func TestAnEventFitsAPatternAsAWSDocumentsIt(t *testing.T) {
	for _, c := range []struct {
		name, pattern string
		fits, fitsNot []string
	}{
		// The rows of the table of operators in Lambda's developer guide.
		{"null", `{"UserID":[null]}`, []string{`{"UserID":null}`}, []string{`{"UserID":""}`, `{}`, `{"UserID":0}`}},
		{"empty", `{"LastName":[""]}`, []string{`{"LastName":""}`}, []string{`{"LastName":null}`, `{}`, `{"LastName":"a"}`}},
		{"equals", `{"Name":["Alice"]}`, []string{`{"Name":"Alice"}`, `{"Name":["Bob","Alice"]}`}, []string{`{"Name":"alice"}`, `{"Name":{"Alice":"Alice"}}`}},
		{"equals ignore case", `{"Name":[{"equals-ignore-case":"alice"}]}`, []string{`{"Name":"ALICE"}`}, []string{`{"Name":"alic"}`, `{"Name":1}`}},
		{"and", `{"Location":["New York"],"Day":["Monday"]}`, []string{`{"Location":"New York","Day":"Monday"}`}, []string{`{"Location":"New York"}`, `{"Location":"New York","Day":"Tuesday"}`}},
		{"or", `{"PaymentType":["Credit","Debit"]}`, []string{`{"PaymentType":"Debit"}`}, []string{`{"PaymentType":"Cash"}`}},
		{"or of fields", `{"$or":[{"Location":["New York"]},{"Day":["Monday"]}]}`, []string{`{"Location":"New York"}`, `{"Day":"Monday"}`}, []string{`{"Day":"Tuesday"}`, `{}`}},
		{"not", `{"Weather":[{"anything-but":["Raining"]}]}`, []string{`{"Weather":"Sunny"}`, `{"Weather":1}`, `{"Weather":null}`}, []string{`{"Weather":"Raining"}`, `{}`}},
		{"numeric equals", `{"Price":[{"numeric":["=",100]}]}`, []string{`{"Price":100}`, `{"Price":1e2}`}, []string{`{"Price":101}`, `{"Price":"100"}`}},
		{"numeric range", `{"Price":[{"numeric":[">",10,"<=",20]}]}`, []string{`{"Price":20}`, `{"Price":10.1}`}, []string{`{"Price":10}`, `{"Price":20.5}`, `{"Price":null}`, `{}`}},
		{"exists", `{"ProductName":[{"exists":true}]}`, []string{`{"ProductName":null}`, `{"ProductName":"a"}`}, []string{`{}`, `{"ProductName":{"S":"a"}}`}},
		{"does not exist", `{"ProductName":[{"exists":false}]}`, []string{`{}`, `{"ProductName":{"S":"a"}}`}, []string{`{"ProductName":null}`}},
		{"begins with", `{"Region":[{"prefix":"us-"}]}`, []string{`{"Region":"us-east-1"}`}, []string{`{"Region":"eu-us-"}`, `{"Region":5}`, `{}`}},
		{"ends with", `{"FileName":[{"suffix":".png"}]}`, []string{`{"FileName":"a.png"}`}, []string{`{"FileName":"a.PNG"}`}},
		// EventBridge's.
		{"begins with, ignoring case", `{"s":[{"prefix":{"equals-ignore-case":"EventB"}}]}`, []string{`{"s":"eventbridge"}`}, []string{`{"s":"bevent"}`}},
		{"not a prefix", `{"s":[{"anything-but":{"prefix":"init"}}]}`, []string{`{"s":"running"}`}, []string{`{"s":"initializing"}`, `{}`}},
		{"none of several suffixes", `{"s":[{"anything-but":{"suffix":[".a",".b"]}}]}`, []string{`{"s":"x.c"}`}, []string{`{"s":"x.b"}`}},
		{"not, ignoring case", `{"s":[{"anything-but":{"equals-ignore-case":["A","b"]}}]}`, []string{`{"s":"c"}`}, []string{`{"s":"B"}`}},
		{"no number", `{"n":[{"anything-but":[123,5]}]}`, []string{`{"n":6}`, `{"n":"5"}`}, []string{`{"n":5}`}},
		{"wildcard", `{"p":[{"wildcard":"dir/*/a*.png"}]}`, []string{`{"p":"dir/x/y/abc.png"}`}, []string{`{"p":"dir/abc.png"}`, `{"p":"dir/x/a.jpg"}`}},
		{"wildcard with a literal *", `{"p":[{"wildcard":"a\\**"}]}`, []string{`{"p":"a*b"}`}, []string{`{"p":"ab"}`}},
		{"cidr", `{"ip":[{"cidr":"10.0.0.0/24"}]}`, []string{`{"ip":"10.0.0.7"}`}, []string{`{"ip":"10.0.1.7"}`, `{"ip":"x"}`}},
		{"a number as it is written", `{"n":[300]}`, []string{`{"n":300}`}, []string{`{"n":300.0}`, `{"n":3e2}`}},
		{"booleans", `{"b":[true]}`, []string{`{"b":true}`}, []string{`{"b":"true"}`, `{"b":false}`}},
		// Nested, and mixed.
		{"a field of a row", `{"dynamodb":{"NewImage":{"kind":{"S":["order"]}}}}`, []string{`{"dynamodb":{"NewImage":{"kind":{"S":"order"},"x":{"N":"1"}}}}`}, []string{`{"dynamodb":{"OldImage":{"kind":{"S":"order"}}}}`}},
		{"no field of a row", `{"dynamodb":{"NewImage":{"gone":{"S":[{"exists":false}]}}}}`, []string{`{"dynamodb":{}}`, `{"dynamodb":5}`}, []string{`{"dynamodb":{"NewImage":{"gone":{"S":""}}}}`}},
		{"objects in a list", `{"a":{"b":[1]}}`, []string{`{"a":[{"b":2},{"b":1}]}`}, []string{`{"a":[{"b":2}]}`, `{"a":[]}`}},
		{"$or next to a field", `{"x":[1],"$or":[{"a":[1]},{"b":{"c":[{"exists":false}]}}]}`, []string{`{"x":1,"a":2}`, `{"x":1,"a":1,"b":{"c":1}}`}, []string{`{"x":1,"b":{"c":1}}`, `{"a":1}`}},
		{"a field that is called $or", `{"$or":["a"]}`, []string{`{"$or":"a"}`}, []string{`{"a":"a"}`}},
		{"an empty list is not there", `{"a":[{"exists":true}]}`, []string{`{"a":[null]}`}, []string{`{"a":[]}`}},
	} {
		p, err := Parse(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for want, events := range map[bool][]string{true: c.fits, false: c.fitsNot} {
			for _, text := range events {
				event, err := Decode([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				if got := p.Match(event); got != want {
					t.Errorf("%s: %s fits %s: %v", c.name, text, c.pattern, got)
				}
			}
		}
	}
}

func TestAPatternThatAWSRefusesIsAnErrorThatNamesTheField(t *testing.T) {
	for pattern, want := range map[string]string{
		`{`:                                     "not JSON",
		`[]`:                                    "not a JSON object",
		`{}`:                                    "has no fields",
		`{"a":{}}`:                              "a: an object of a pattern has no fields",
		`{"a":"x"}`:                             `a: a value of a pattern has to be in a list, such as ["x"]`,
		`{"a":{"b":[]}}`:                        "a.b: the list has no values",
		`{"a":[[1]]}`:                           "another list",
		`{"a":[{"prefix":"x","suffix":"y"}]}`:   "one operator",
		`{"a":[{"like":"x"}]}`:                  `a: there is no operator "like"`,
		`{"a":[{"prefix":1}]}`:                  "a: prefix: it takes a string",
		`{"a":[{"exists":"true"}]}`:             "a: exists: it takes true or false",
		`{"a":[{"numeric":["=="]}]}`:            "one or two comparisons",
		`{"a":[{"numeric":["!=",1]}]}`:          `"!=" is not a comparison`,
		`{"a":[{"numeric":["=",1,"<",2]}]}`:     `"=" is not a comparison`,
		`{"a":[{"numeric":["<",6e9]}]}`:         "between -5e9 and 5e9",
		`{"a":[{"anything-but":[]}]}`:           "the list has no values",
		`{"a":[{"anything-but":true}]}`:         "it takes strings, numbers",
		`{"a":[{"anything-but":{"cidr":"x"}}]}`: `does not take the operator "cidr"`,
		`{"a":[{"cidr":"10.0.0.0"}]}`:           "not a block of addresses",
		`{"a":[{"wildcard":"a**"}]}`:            "two * follow",
		`{"$or":[{"a":[1]},{}]}`:                "has no fields",
		`{"a":["` + strings.Repeat("x", MaxLength) + `"]}`: "may have 4096",
	} {
		if _, err := Parse(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.60s) = %v, without %q", pattern, err, want)
		}
	}
}

func FuzzParseAndMatch(f *testing.F) {
	f.Add(`{"a":[{"prefix":"x"}],"$or":[{"b":[1]},{"c":[{"wildcard":"*a*"}]}]}`, `{"a":["xy"],"c":"bab"}`)
	f.Add(`{"a":[{"numeric":[">",1]}]}`, `{"a":[]}`)
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := Parse(pattern)
		if err != nil {
			return
		}
		v, err := Decode([]byte(event))
		if err != nil {
			return
		}
		if first := p.Match(v); first != p.Match(v) {
			t.Error("the same event fits and does not")
		}
	})
}
