package cloudformation

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// A standing is what is done with a property here: one row of properties.txt.
type standing struct {
	status, text string
}

//go:embed properties.txt
var propertyRows string

// standings are the rows of properties.txt by type and property.
var standings = sync.OnceValue(func() map[string]map[string]standing {
	all := map[string]map[string]standing{}
	for line := range strings.Lines(propertyRows) {
		typ, row, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		property, row, _ := strings.Cut(row, " ")
		status, text, _ := strings.Cut(row, " ")
		if all[typ] == nil {
			all[typ] = map[string]standing{}
		}
		all[typ][property] = standing{status, text}
	}
	return all
})

// leftOutProperties says which properties of a resource are left out here, as their rows have
// it, and which have a name that is nearly that of one.
func (r *reader) leftOutProperties() {
	for _, x := range r.order {
		rows := standings()[x.typ]
		if _, whole := rows["*"]; whole || rows == nil || x.made || !r.present(x) || !r.concerns(x) {
			continue
		}
		r.leftOutOf(x, x.props, "", rows)
	}
}

func (r *reader) leftOutOf(x *resource, v *value, within string, rows map[string]standing) {
	if v != nil && v.Kind == document.List {
		for _, item := range v.Items {
			r.leftOutOf(x, item, within, rows)
		}
	}
	for _, f := range v.Each() {
		row, known := rows[within+f.Key]
		what := document.Clip(within+f.Key) + " of " + document.Clip(x.id)
		switch {
		case f.Value.Empty():
		case row.status == "hint":
			r.Note(f.Pos, app.Warning, "%s is left out: %s", what, row.text)
		case row.status == "verbose":
			r.Note(f.Pos, app.Info, "%s is left out: %s", what, row.text)
		case row.status == "done" && (f.Value.Kind == document.Map || f.Value.Kind == document.List) && within == "":
			r.leftOutOf(x, f.Value, f.Key+".", rows)
		case !known && within == "" && !strings.HasPrefix(f.Key, "Fn::") && f.Key != "Ref":
			var names []string
			for name := range rows {
				if !strings.Contains(name, ".") {
					names = append(names, name)
				}
			}
			if near := app.Nearest(f.Key, names); near != "" {
				r.Note(f.Pos, app.Warning, "%s is not a property of %s that is known here: did you mean %s?", what, x.typ, near)
			}
		}
	}
}

// concerns reports whether a resource is of the API and the stage that are run, or of
// none.
func (r *reader) concerns(x *resource) bool {
	switch {
	case isAPI(x.typ):
		return x == r.api
	case x.typ == "AWS::ApiGatewayV2::Stage" && r.staged && r.eval(x.props.Get("StageName")).Text != r.stage:
		return false
	case strings.HasPrefix(x.typ, "AWS::ApiGatewayV2::"):
		return r.eval(x.props.Get("ApiId")).Text == r.apiID(r.api.id)
	}
	return true
}
