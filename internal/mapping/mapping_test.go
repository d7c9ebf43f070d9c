package mapping

import (
	"context"
	"os"
	"strings"
	"testing"
)

var in = Input{
	Body:           []byte(`{"action":"ask", "text":"it's \"so\"\n€", "n":1.50, "list":[1,{"a":null}], "o":{"a":1,"b":"x","c":null}, "b c":true}`),
	Context:        []byte(`{"connectionId":"L0SM9cOFvHcCIhw=","stage":"prod","identity":{"sourceIp":"127.0.0.1"},"authorizer":{"principalId":"alice","on":false,"n":1},"requestTimeEpoch":1700000000000}`),
	StageVariables: []byte(`{"table":"t1"}`),
	Event:          []byte(`{"headers":{"Host":"h"},"queryStringParameters":{"q":"1"}}`),
}

func TestATemplateTakesValuesOfItsInput(t *testing.T) {
	for template, want := range map[string]string{
		"":      "",
		"plain": "plain",
		`{"c": "$context.connectionId", "s": "$context.stage"}`:             `{"c": "L0SM9cOFvHcCIhw=", "s": "prod"}`,
		`$context.identity.sourceIp/${context.stage}s`:                      `127.0.0.1/prods`,
		`$!context.stage $!{context.stage}`:                                 `prod prod`,
		`$context.requestTimeEpoch`:                                         `1700000000000`,
		`[$context.authorizer.principalId] [$context.nothing]`:              `[alice] []`,
		`$context.stage.`:                                                   `prod.`,
		`$stageVariables.table-x`:                                           ``,
		`${stageVariables.table}-x`:                                         `t1-x`,
		`$input.body`:                                                       string(in.Body),
		`$input.json('$.text')`:                                             `"it's \"so\"\n€"`,
		`$input.json("$.n")`:                                                `1.50`,
		`$input.json('$.list')`:                                             `[1,{"a":null}]`,
		`$input.json('$.list[1].a')`:                                        `null`,
		`$input.json('$.none')`:                                             `""`,
		`$input.json( '$' )`:                                                `{"action":"ask","text":"it's \"so\"\n€","n":1.50,"list":[1,{"a":null}],"o":{"a":1,"b":"x","c":null},"b c":true}`,
		`$input.path('$.text')`:                                             "it's \"so\"\n€",
		`$input.path('$.o')`:                                                `{a=1, b=x, c=null}`,
		`$input.path('$.n')`:                                                `1.5`,
		`$input.path('$.list').size() $input.path('$.list').count()`:        `2 2`,
		`#set($r = $input.path('$'))$r.o.b $r.list[1].a. $r.none $r["b c"]`: `x .  true`,
		`#foreach($e in $input.path('$.o').entrySet())$e.key,#end`:          `a,b,c,`,
		`$input.params('Host') $input.params('host') $input.params('q') [$input.params('none')]`:      `h h 1 []`,
		`#foreach($t in $input.params().keySet())$t #end`:                                             `path querystring header `,
		`$util.urlEncode("a b&c=é*~") $util.urlDecode('a+b%26')`:                                      `a+b%26c%3D%C3%A9*%7E a b&`,
		`$util.base64Encode('hello') $util.base64Decode('aGVsbG8=')`:                                  `aGVsbG8= hello`,
		`#set($o = $util.parseJson('{"a":{"b":[1,2]}}'))$o.a.b[1] $o`:                                 `2 {a={b=[1,2]}}`,
		`$stageVariables['table'] ${stageVariables['table']}`:                                         `t1 t1`,
		`$util.escapeJavaScript($input.path('$.text')).replaceAll("\\'", "'")`:                        `it's \"so\"\n\u20AC`,
		`#if($context.authorizer.principalId == 'alice')yes#end#if($context.none)no#end`:              `yes`,
		`$context.authorizer.on $context.authorizer.n.length() #if($context.authorizer.on)a text#end`: `false 1 a text`,
		`[$nobody] [$util.escapeJavaScript($context.none)]`:                                           `[] []`,
		`$input.path('$.list')`:                                    `[1,{"a":null}]`,
		`$input.path("$['b c']")`:                                  `true`,
		`[$input.path('$.none')]`:                                  `[]`,
		`$input.path('action')`:                                    `ask`,
		`"$util.escapeJavaScript($input.path('$.text'))"`:          `"it\'s \"so\"\n\u20AC"`,
		`$util.escapeJavaScript( 'a/b' )`:                          `a\/b`,
		`$util.escapeJavaScript($context.stage)`:                   `prod`,
		`costs 5$ or $5 or $$ `:                                    `costs 5$ or $5 or $$ `,
		"a # b, #1, #fff":                                          "a # b, #1, #fff",
		"{\"a\": $input.json('$.n'),\n \"b\": $input.json('$.o')}": "{\"a\": 1.50,\n \"b\": {\"a\":1,\"b\":\"x\",\"c\":null}}",
	} {
		parsed, err := Parse(template)
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		got, err := parsed.Render(t.Context(), in)
		if err != nil || string(got) != want {
			t.Errorf("%s is\n%s (%v), want\n%s", template, got, err, want)
		}
	}
}

func TestABodyThatIsNotJSONHasNoMembers(t *testing.T) {
	parsed, err := Parse(`$input.body|$input.path('$.a')|$input.json('$.a')`)
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{"hello": `hello||""`, "": `||""`} {
		if got, err := parsed.Render(t.Context(), Input{Body: []byte(body)}); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", body, got, err)
		}
	}
}

func TestWhatIsWrongIsAnErrorWithItsPlace(t *testing.T) {
	for template, want := range map[string]string{
		"{\n#set($x = 1}":                    "line 2, column 12: } is not a )",
		"#macro(a)b#end":                     "line 1, column 1: #macro is not supported here",
		"$input.file('a')":                   "line 1, column 7: the method file is not supported here",
		"$input.path('$.a').getClass()":      "line 1, column 19: the method getClass is not supported here",
		"$input.json()":                      "line 1, column 7: json: it takes one JSON path",
		"$input.json($context)":              "its argument is not a text with a JSON path",
		"$input.path('$.a b')":               "a dot or a bracket is missing before",
		"$input.path('$.list[x]')":           "[x] is neither an index",
		"$input.path('$.list.sum()')":        "sum() is not supported here",
		"$input.path('$.list[?(@ =~ /a/)]')": "is not supported here",
		"\n $util.parseJson('{')":            `line 2, column 7: parseJson: "{" is not JSON`,
		"$util.base64Decode('*')":            `"*" is not base64`,
		"$util.urlDecode('%')":               "is not encoded as a form is",
		"$util.urlEncode()":                  "it takes one text",
		strings.Repeat("x", maxTemplate+1):   "the template has",
	} {
		parsed, err := Parse(template)
		if err == nil {
			_, err = parsed.Render(t.Context(), in)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", template, err, want)
		}
	}
}

// The store is that of the page that AWS docs name (goessner.net, "JSONPath"); the
// results of JsonPath's own page, which AWS docs name too.
func TestJSONPathsFindWhatTheirDocumentationSays(t *testing.T) {
	store, err := os.ReadFile("testdata/store.json")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"$.store.book[*].author":                      `["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"]`,
		"$..author":                                   `["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"]`,
		"$.store.bicycle.color":                       `"red"`,
		"$.store..price":                              `[8.95,12.99,8.99,22.99,19.95]`,
		"$..book[2].title":                            `["Moby Dick"]`,
		"$..book[-2].title":                           `["Moby Dick"]`,
		"$..book[0,1].price":                          `[8.95,12.99]`,
		"$..book[:2].price":                           `[8.95,12.99]`,
		"$..book[1:2].price":                          `[12.99]`,
		"$..book[-2:].price":                          `[8.99,22.99]`,
		"$..book[2:].price":                           `[8.99,22.99]`,
		"$..book[?(@.isbn)].title":                    `["Moby Dick","The Lord of the Rings"]`,
		"$.store.book[?(@.price < 10)].title":         `["Sayings of the Century","Moby Dick"]`,
		"$..book[?(@.price <= $['expensive'])].title": `["Sayings of the Century","Moby Dick"]`,
		"$.store.book[?(@.category == 'fiction' && @.price > 20 || @.price < 8.96)].price": `[8.95,22.99]`,
		"$.store.book[?(!@.isbn)].price":   `[8.95,12.99]`,
		"$..book.length()":                 `1`,
		"$.store.book.length()":            `4`,
		"$.store.book[0]['title','price']": `["Sayings of the Century",8.95]`,
		"$['store']['bicycle']['price']":   `19.95`,
		"$.store.bicycle.*":                `["red",19.95]`,
		"$.none":                           `""`,
		"$.store.book[9]":                  `""`,
		"$..none":                          `[]`,
		"$.expensive":                      `10`,
		"$":                                "",
	} {
		parsed, err := Parse(`$input.json("` + path + `")`)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parsed.Render(t.Context(), Input{Body: store})
		if err != nil || want != "" && string(got) != want {
			t.Errorf("%s finds %s (%v), want %s", path, got, err, want)
		}
	}
}

func TestALargePathIsBounded(t *testing.T) {
	parsed, err := Parse("$input.json('" + strings.Repeat("$..*..*"[1:], 20) + "')")
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("[", 60) + strings.Repeat("]", 60)
	if _, err = parsed.Render(t.Context(), Input{Body: []byte(body)}); err == nil || !strings.Contains(err.Error(), "finds more than 100000 values") {
		t.Error(err)
	}
}

func FuzzTemplates(f *testing.F) {
	f.Add(`{"c": "$context.connectionId", "b": $input.json('$.a[0]')}`, `{"a":[1]}`)
	f.Add("$util.escapeJavaScript($input.path('$'))", `{"a":{"b":null}}`)
	f.Add("$input.json('$..a[?(@.b == 1)]')", `{"a":[{"b":1}]}`)
	f.Add("#set($!{a", "x")
	f.Fuzz(func(t *testing.T, template, body string) {
		parsed, err := Parse(template)
		if err != nil {
			return
		}
		out, err := parsed.Render(context.Background(), Input{Body: []byte(body), Context: in.Context, StageVariables: in.StageVariables})
		if err == nil && !strings.ContainsAny(template, `$#\\`) && string(out) != template {
			t.Errorf("%q became %q", template, out)
		}
	})
}

func FuzzPaths(f *testing.F) {
	f.Add("$.a[0]['b'][?(@.c == 'd')]..e", `{"a":[{"b":[{"c":"d","e":1}]}]}`)
	f.Add("$[-1:2]", `[1,2,"\\\""]`)
	f.Fuzz(func(t *testing.T, text, body string) {
		p, err := parsePath(text)
		d := newDocument([]byte(body))
		if err != nil || d == nil {
			return
		}
		found, err := p.find(d)
		if err != nil {
			return
		}
		if _, err := p.result(d, found, "json"); err != nil {
			t.Log(err)
		}
		if _, err := p.result(d, found, "path"); err != nil {
			t.Log(err)
		}
	})
}
