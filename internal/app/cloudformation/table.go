package cloudformation

import (
	"cmp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// tables are all of the template.
func (r *reader) tables() []app.Table {
	var out []app.Table
	for _, x := range r.each("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable") {
		out = append(out, r.table(x))
	}
	for _, x := range r.each("AWS::Serverless::SimpleTable") {
		out = append(out, r.simpleTable(x))
	}
	return out
}

func (r *reader) table(x *resource) app.Table {
	p, what := x.props, "table "+document.Clip(x.id)
	t := app.Table{
		LogicalID: x.id, Name: r.tableName(x), Position: x.pos,
		Keys:    r.keys(p.Get("KeySchema"), what),
		Billing: cmp.Or(r.text(p.Get("BillingMode"), "BillingMode of "+what), "PROVISIONED"),
	}
	t.Read, t.Write = r.units(p.Get("ProvisionedThroughput"), what)
	t.Attributes = r.attributes(p.Get("AttributeDefinitions"), what)
	t.Global = r.indexes(p.Get("GlobalSecondaryIndexes"), what)
	t.Local = r.indexes(p.Get("LocalSecondaryIndexes"), what)
	if ttl := r.eval(p.Get("TimeToLiveSpecification")); r.text(ttl.Get("Enabled"), "TTL of "+what) == "true" {
		t.TTL = r.text(ttl.Get("AttributeName"), "the TTL attribute of "+what)
	}
	if s := p.Get("StreamSpecification"); !s.Empty() {
		t.Stream = r.text(r.eval(s).Get("StreamViewType"), "the stream of "+what)
	}
	if x.typ == "AWS::DynamoDB::GlobalTable" {
		r.Note(x.pos, app.Info, "%s is global: here it is in one place", what)
	}
	if r.options.Origin.Format != "" { // CloudFormation has no rows
		t.Items = r.rows(x.metadata.Get("Items"), what)
	}
	if why := uncreatable(t); why != "" {
		t.Unrunnable = &app.Unrunnable{What: what, Why: why, Position: x.pos}
		r.Add(t.Unrunnable.Note(true))
	}
	return t
}

// rows are those of a table that another language has.
func (r *reader) rows(v *value, what string) []app.Item {
	var out []app.Item
	for _, item := range r.items(v, "the items of "+what) {
		if e := r.eval(item); e.Kind == document.Scalar {
			out = append(out, app.Item{JSON: e.Text, Position: item.Pos})
		} else {
			r.Note(item.Pos, app.Warning, "an item of %s is left out: %s", what, document.OrUnknown(e, item.Pos, "it is not a string").Text)
		}
	}
	return out
}

// uncreatable is why a table cannot be created, or empty.
func uncreatable(t app.Table) string {
	keys := slices.Clone(t.Keys)
	for _, i := range slices.Concat(t.Global, t.Local) {
		keys = append(keys, i.Keys...)
	}
	for _, k := range keys {
		if !slices.ContainsFunc(t.Attributes, func(a app.Attribute) bool { return a.Name == k.Attribute }) {
			return "AttributeDefinitions do not have its key " + document.Clip(k.Attribute) + ", and AWS refuses it"
		}
	}
	if len(t.Keys) == 0 {
		return "it has no KeySchema"
	}
	return ""
}

func (r *reader) attributes(v *value, what string) []app.Attribute {
	var out []app.Attribute
	for _, item := range r.items(v, "AttributeDefinitions of "+what) {
		a := app.Attribute{Name: r.text(item.Get("AttributeName"), "an attribute of "+what), Type: r.text(item.Get("AttributeType"), "the type of an attribute of "+what)}
		if a.Name == "" || !strings.Contains("SNB", a.Type) || len(a.Type) != 1 {
			r.Note(item.Where(), app.Warning, "an attribute of %s has no name or a type that is not S, N or B", what)
			continue
		}
		out = append(out, a)
	}
	return out
}

func (r *reader) tableName(x *resource) string {
	name := r.physical(x, x.pos)
	if name.Kind == document.Scalar {
		return name.Text
	}
	r.Note(x.pos, app.Warning, "the name of table %s is not known here and is its logical ID: %s", document.Clip(x.id), name.Text)
	return x.id
}

// simpleTable is SAM's: one key, id of type S unless it says otherwise.
func (r *reader) simpleTable(x *resource) app.Table {
	key := app.Attribute{Name: "id", Type: "S"}
	if k := x.props.Get("PrimaryKey"); !k.Empty() {
		if n := r.text(k.Get("Name"), "the key of table "+document.Clip(x.id)); n != "" {
			key.Name = n
		}
		switch r.text(k.Get("Type"), "the key of table "+document.Clip(x.id)) {
		case "Number":
			key.Type = "N"
		case "Binary":
			key.Type = "B"
		}
	}
	t := app.Table{LogicalID: x.id, Name: r.tableName(x), Position: x.pos, Billing: "PAY_PER_REQUEST", Attributes: []app.Attribute{key}, Keys: []app.Key{{Attribute: key.Name, Type: "HASH"}}}
	if v := x.props.Get("ProvisionedThroughput"); !v.Empty() {
		t.Billing = "PROVISIONED"
		t.Read, t.Write = r.units(v, "table "+document.Clip(x.id))
	}
	return t
}

func (r *reader) keys(v *value, what string) []app.Key {
	var out []app.Key
	for _, item := range r.items(v, "KeySchema of "+what) {
		k := app.Key{Attribute: r.text(item.Get("AttributeName"), "a key of "+what), Type: r.text(item.Get("KeyType"), "a key of "+what)}
		if k.Attribute == "" || k.Type != "HASH" && k.Type != "RANGE" {
			r.Note(item.Where(), app.Warning, "a key of %s has no name or a type that is not HASH or RANGE", what)
			continue
		}
		out = append(out, k)
	}
	return out
}

func (r *reader) units(v *value, what string) (read, write int64) {
	if v.Empty() {
		return 0, 0
	}
	v = r.eval(v)
	const limit = 1 << 30
	return int64(r.number(v.Get("ReadCapacityUnits"), 1, limit, "ReadCapacityUnits of "+what)), int64(r.number(v.Get("WriteCapacityUnits"), 1, limit, "WriteCapacityUnits of "+what))
}

func (r *reader) indexes(v *value, what string) []app.Index {
	var out []app.Index
	for _, item := range r.items(v, "the indexes of "+what) {
		i := app.Index{Name: r.text(item.Get("IndexName"), "an index of "+what), Projection: "ALL"}
		name := "index " + document.Clip(i.Name) + " of " + what
		i.Keys = r.keys(item.Get("KeySchema"), name)
		if p := r.text(item.Get("Projection", "ProjectionType"), "the projection of "+name); p != "" {
			i.Projection = p
		}
		i.NonKey = r.texts(item.Get("Projection", "NonKeyAttributes"), "the projection of "+name)
		i.Read, i.Write = r.units(item.Get("ProvisionedThroughput"), name)
		if i.Name == "" || len(i.Keys) == 0 {
			r.Note(item.Where(), app.Warning, "an index of %s has no name or no keys and is left out", what)
			continue
		}
		out = append(out, i)
	}
	return out
}
