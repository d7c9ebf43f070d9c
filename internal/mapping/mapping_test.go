package mapping

import (
	"strings"
	"testing"
)

var in = Input{
	Body:           []byte(`{"action":"ask", "text":"it's \"so\"\n€", "n":1.50, "list":[1,{"a":null}], "o":{"a":1,"b":"x","c":null}, "b c":true}`),
	Context:        []byte(`{"connectionId":"L0SM9cOFvHcCIhw=","stage":"prod","identity":{"sourceIp":"127.0.0.1"},"authorizer":{"principalId":"alice"},"requestTimeEpoch":1700000000000}`),
	StageVariables: []byte(`{"table":"t1"}`),
}

func TestATemplateTakesValuesOfItsInput(t *testing.T) {
	for template, want := range map[string]string{
		"":      "",
		"plain": "plain",
		`{"c": "$context.connectionId", "s": "$context.stage"}`:    `{"c": "L0SM9cOFvHcCIhw=", "s": "prod"}`,
		`$context.identity.sourceIp/${context.stage}s`:             `127.0.0.1/prods`,
		`$!context.stage $!{context.stage}`:                        `prod prod`,
		`$context.requestTimeEpoch`:                                `1700000000000`,
		`[$context.authorizer.principalId] [$context.nothing]`:     `[alice] []`,
		`$context.stage.`:                                          `prod.`,
		`$stageVariables.table-x`:                                  ``,
		`${stageVariables.table}-x`:                                `t1-x`,
		`$input.body`:                                              string(in.Body),
		`$input.json('$.text')`:                                    `"it's \"so\"\n€"`,
		`$input.json("$.n")`:                                       `1.50`,
		`$input.json('$.list')`:                                    `[1,{"a":null}]`,
		`$input.json('$.list[1].a')`:                               `null`,
		`$input.json('$.none')`:                                    `""`,
		`$input.json( '$' )`:                                       `{"action":"ask","text":"it's \"so\"\n€","n":1.50,"list":[1,{"a":null}],"o":{"a":1,"b":"x","c":null},"b c":true}`,
		`$input.path('$.text')`:                                    "it's \"so\"\n€",
		`$input.path('$.o')`:                                       `{a=1, b=x, c=null}`,
		`$input.path('$.list')`:                                    `[1,{"a":null}]`,
		`$input.path("$['b c']")`:                                  `true`,
		`[$input.path('$.none')]`:                                  `[]`,
		`$input.path('action')`:                                    `ask`,
		`"$util.escapeJavaScript($input.path('$.text'))"`:          `"it\'s \"so\"\n\u20AC"`,
		`$util.escapeJavaScript( 'a/b' )`:                          `a\/b`,
		`$util.escapeJavaScript($context.stage)`:                   `prod`,
		`costs 5$ or $5 or $$`:                                     `costs 5$ or $5 or $$`,
		"a # b, #1, #fff":                                          "a # b, #1, #fff",
		"{\"a\": $input.json('$.n'),\n \"b\": $input.json('$.o')}": "{\"a\": 1.50,\n \"b\": {\"a\":1,\"b\":\"x\",\"c\":null}}",
	} {
		parsed, err := Parse(template)
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		if got := string(parsed.Render(in)); got != want {
			t.Errorf("%s is\n%s, want\n%s", template, got, want)
		}
	}
}

func TestABodyThatIsNotJSONHasNoMembers(t *testing.T) {
	parsed, err := Parse(`$input.body|$input.path('$.a')|$input.json('$.a')`)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(parsed.Render(Input{Body: []byte("hello")})); got != `hello||""` {
		t.Error(got)
	}
	if got := string(parsed.Render(Input{})); got != `||""` {
		t.Error(got)
	}
}

func TestWhatIsNotDoneIsAnErrorWithItsLine(t *testing.T) {
	for template, want := range map[string]string{
		"{\n#set($x = 1)\n}":                    "line 2: #set is of Velocity and not done here",
		"#if($context.stage)a#end":              "line 1: #if is of Velocity",
		"#foreach($x in $input.path('$'))":      "line 1: #foreach is of Velocity",
		"## a comment":                          "line 1: ## is of Velocity",
		"a\nb $x":                               "line 2: $x is not done here",
		"$input.params('a')":                    "line 1: $input.params('a') is not done here",
		"$util.base64Encode($input.body)":       "line 1: $util.base64Encode($input.body) is not done here",
		"$context.stage.replaceAll('a', 'b')":   "line 1: (",
		"$context":                              "line 1: $context is not done here",
		"$input.path('$.a').size()":             "line 1: .size() of",
		"$input.path('$.list')[0]":              "line 1: [0] of",
		"$input.body.length()":                  "line 1: .length() of",
		"$input.json('$..a')":                   "only names and indexes are done here",
		"$input.json('$.list[*]')":              "only an index and a name in quotes are done here",
		"$input.json($x)":                       "is not a JSON path in quotes",
		"${context.stage":                       "is not closed by }",
		"$util.escapeJavaScript($context.stage": "is not closed by )",
		"$util.escapeJavaScript(1)":             "neither a reference nor a text in quotes",
		strings.Repeat("x", maxTemplate+1):      "the template has",
	} {
		if _, err := Parse(template); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", template, err, want)
		}
	}
}

func FuzzTemplates(f *testing.F) {
	f.Add(`{"c": "$context.connectionId", "b": $input.json('$.a[0]')}`, `{"a":[1]}`)
	f.Add("$util.escapeJavaScript($input.path('$'))", `{"a":{"b":null}}`)
	f.Add("#set($!{a", "x")
	f.Fuzz(func(t *testing.T, template, body string) {
		parsed, err := Parse(template)
		if err != nil {
			return
		}
		out := parsed.Render(Input{Body: []byte(body), Context: in.Context, StageVariables: in.StageVariables})
		if !strings.Contains(template, "$") && string(out) != template {
			t.Errorf("%q became %q", template, out)
		}
	})
}
