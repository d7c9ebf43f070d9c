package vtl

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

func TestErrorsSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		"a\n  #macro(x)\n#end":                  "line 2, column 3: #macro is not supported here",
		"#parse('x')":                           "line 1, column 1: #parse is not supported here",
		"#include('x')":                         "line 1, column 1: #include is not supported here",
		"#evaluate('x')":                        "line 1, column 1: #evaluate is not supported here",
		"#@call($x) #end":                       "line 1, column 1: #@call calls a macro",
		"a\n$name.getClass()":                   "line 2, column 6: the method getClass is not supported here",
		"$name.class":                           "line 1, column 6: the class of a value is not supported here",
		"#if($yes)\n#if($no)\n#end":             "line 1, column 1: #if has no #end",
		"#foreach($x in $list)\n#else\n#end":    "line 2, column 1: #else is not expected here, but the #end of the #foreach on line 1",
		"#set($x = \"a\n#if($yes)\n\")":         "line 2, column 1: #if has no #end",
		"#set($x = \"$name.getClass()\")":       "line 1, column 17: the method getClass",
		"x\n\n$list[7]":                         "line 3, column 6: the index 7 is outside of a list of 3",
		"$list.get(3)":                          "line 1, column 6: get: the index 3 is outside of a list of 3",
		"$name.substring(1, 9)":                 "line 1, column 6: substring: 1 to 9 is outside of a text of 5 characters",
		"$name.replaceAll('(?=x)', '')":         "line 1, column 6: replaceAll: the pattern (?=x) is not supported here",
		"$name.replaceAll('o', '$')":            "a $ in a replacement is not followed by the number of a group",
		"$name.split('o').add('x')":             "an array has a fixed length",
		"#if(" + strings.Repeat("(", 200):       "more than 100 things are in one another",
		strings.Repeat("#if($yes)", 200):        "more than 100 things are in one another",
		"$" + strings.Repeat("a", 40) + "[":     "the template ends where an index is expected",
		"#set($x = 1 +)":                        "line 1, column 14: ) is not a value",
		"#foreach($x in $list)$x.foo()#end":     "line 1, column 24: the method foo is not supported here",
		"${name":                                "line 1, column 7: the template ends where the } of ${name is expected",
		"#set($x = '\\u')\n#set($y = \"\\u1\")": "line 2, column 11: \\u has fewer than four digits",
	} {
		_, err := Parse(text, nil)
		if err == nil {
			parsed, _ := Parse(text, nil)
			_, err = parsed.Render(context.Background(), sample())
		}
		if _, ok := errors.AsType[*Error](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func TestTemplatesThatTakeTooMuchEnd(t *testing.T) {
	loops := "#set($r = [1..1000])#foreach($a in $r)#foreach($b in $r)#foreach($c in $r)"
	for text, want := range map[string]string{
		loops + "#end#end#end":   "more than",
		loops + "xxxxxxxxxxxxxx": "no #end",
		"#set($s = 'xxxxxxxx')#foreach($i in [1..100])#set($s = \"$s$s\")#end":                                              "more than",
		"#set($s = 'xxxxxxxx')#foreach($i in [1..100])#set($s = $s + $s)#end":                                               "more than",
		"#set($s = 'xxxxxxxx')#foreach($i in [1..100])#set($s = $s.concat($s))#end":                                         "more than",
		"#set($s = 'xxxxxxxx')#foreach($i in [1..100])#set($s = $s.replaceAll('x', 'xxxxxxxxxxxxxxxx'))#end":                "more than",
		"#set($s = 'xxxxxxxx')#foreach($i in [1..100])#set($s = $s.replace('x', 'xxxx'))#end":                               "more than",
		"#set($l = ['xxxxxxxx'])#foreach($i in [1..100])#set($l = [$l, $l])#end$l":                                          "more than",
		"#set($l = ['x'])#foreach($i in [1..100])#set($q = $l.addAll($l))#end":                                              "more than",
		"#set($l = [])#set($q = $l.add($l))$l":                                                                              "deep",
		"#set($l = [])#set($q = $l.add($l))#set($m = [])#set($q = $m.add($m))#if($l == $m)x#end":                            "deep",
		"#set($m = {})#set($m.m = $m)$m":                                                                                    "deep",
		"#set($r = [1..1000])#set($s = \"x$r\")#foreach($a in $r)#foreach($b in $r)#if($r == $s)#end#end#end":               "more than",
		"#set($r = [1..2000000000])":                                                                                        "more than 64 MB",
		"#set($n = 9)#foreach($i in [1..1000])#set($n = $n * $n)#end":                                                       "more than",
		"#set($s = 'xxxxxxxxxxxxxxxx')#foreach($i in [1..16])#set($s = $s + $s)#end#foreach($i in [1..100])$s#end":          "more than 6291456 bytes",
		"#set($s = 'xxxxxxxxxxxxxxxx')#foreach($i in [1..16])#set($s = $s + $s)#end#foreach($i in [1..900])$s.length()#end": "more than 64 MB",
	} {
		began := time.Now()
		parsed, err := Parse(text, nil)
		if err == nil {
			_, err = parsed.Render(context.Background(), nil)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %.200v, want %s", text, err, want)
		}
		if took := time.Since(began); took > 2*time.Minute { // endless, even for the race detector on a busy machine
			t.Errorf("%.80q took %v", text, took)
		}
	}
}

func TestARenderEndsWithItsContext(t *testing.T) {
	parsed, err := Parse("#set($r = [1..1000])#foreach($a in $r)#foreach($b in $r)#end#end", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := parsed.Render(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAQuietTemplatePrintsNothingForWhatIsNotThere(t *testing.T) {
	parsed, err := Parse(`[$nobody] [${nobody.x}] [\$nobody] [$name] #set($x = "a $nobody")$x`, &Options{Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	out, err := parsed.Render(context.Background(), sample())
	if want := `[] [] [\$nobody] [World] a `; err != nil || string(out) != want {
		t.Errorf("%q, %v, want %q", out, err, want)
	}
}

func TestARenderDoesNotChangeItsVariables(t *testing.T) {
	parsed, err := Parse("#set($name = 1)#foreach($x in [1])#end#set($new = 1)", nil)
	if err != nil {
		t.Fatal(err)
	}
	vars := sample()
	if _, err := parsed.Render(context.Background(), vars); err != nil || vars["name"] != "World" || vars["new"] != nil {
		t.Error(err, vars["name"], vars["new"])
	}
}

// host is an object with a method.
type host struct{}

func (host) Get(name string) any {
	if name == "body" {
		return "text"
	}
	return nil
}

func (host) Call(name string, arguments []any) (any, error) {
	if len(arguments) != 1 {
		return nil, errors.New("it takes one argument")
	}
	return arguments[0], nil
}

func (host) String() string { return "a host" }

func TestObjectsOfTheHostHaveMembersAndMethods(t *testing.T) {
	for text, want := range map[string]string{
		"$h $h.body $h['body'] $!h.none $h.echo([1, 2]) $h.echo({'a': 1}).a": "a host text text  [1, 2] 1",
		"$h.echo()":    "line 1, column 3: echo: it takes one argument",
		"\n$h.other()": "line 2, column 3: the method other is not supported here",
	} {
		parsed, err := Parse(text, &Options{Methods: []string{"echo"}})
		var out []byte
		if err == nil {
			out, err = parsed.Render(context.Background(), map[string]any{"h": host{}})
		}
		if err != nil {
			out = []byte(err.Error())
		}
		if string(out) != want {
			t.Errorf("%q: %q, want %q", text, out, want)
		}
	}
}

func TestAListOfJSONIsPrintedAsJSON(t *testing.T) {
	m := NewMap(func(m *Map) { m.Put("a", nil); m.Put("b", 1.5) })
	l := &List{Items: []any{int64(1), "x\"\n\x01", m, true, big.NewInt(7), &List{Items: []any{"y"}}}, JSON: true}
	parsed, err := Parse("$l $m $l.count() $m.l", nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := parsed.Render(context.Background(), map[string]any{"l": l, "m": m})
	if want := `[1,"x\"\n\u0001",{"a":null,"b":1.5},true,7,["y"]] {a=null, b=1.5} 6 $m.l`; err != nil || string(out) != want {
		t.Errorf("%s, %v, want %s", out, err, want)
	}
}

// Each method of the list is in one template at least, which Velocity has rendered.
func TestEveryMethodIsHeldAgainstVelocity(t *testing.T) {
	_, texts := templates(t)
	var all strings.Builder
	for _, text := range texts {
		all.WriteString(text)
	}
	ours := map[string]bool{"count": true, "getParent": true, "parseLong": true, "parseBoolean": true}
	for name := range Methods() {
		if !ours[name] && !strings.Contains(all.String(), "."+name+"(") {
			t.Errorf("no template has the method %s", name)
		}
	}
}

func FuzzTemplates(f *testing.F) {
	_, texts := templates(f)
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse(text, nil)
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Line < 1 || e.Column < 1 {
				t.Fatalf("%v", err)
			}
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		out, err := parsed.Render(ctx, sample())
		if _, ok := errors.AsType[*Error](err); err != nil && !ok {
			t.Fatalf("%v", err)
		}
		if len(out) > MaxText {
			t.Errorf("%d bytes", len(out))
		}
		if !strings.ContainsAny(text, `$#\`) && string(out) != text {
			t.Errorf("%q became %q", text, out)
		}
	})
}
