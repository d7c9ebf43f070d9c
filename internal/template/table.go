package template

import "strings"

func (r *reader) tables() []Table {
	var out []Table
	for _, x := range r.each("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable") {
		out = append(out, r.table(x))
	}
	for _, x := range r.each("AWS::Serverless::SimpleTable") {
		out = append(out, r.simpleTable(x))
	}
	return out
}

func (r *reader) table(x *resource) Table {
	p, what := x.props, "table "+clip(x.id)
	t := Table{LogicalID: x.id, Name: r.tableName(x), Position: x.pos, Billing: "PROVISIONED", Keys: r.keys(p.get("KeySchema"), what)}
	if b := r.text(p.get("BillingMode"), "BillingMode of "+what); b != "" {
		t.Billing = b
	}
	t.Read, t.Write = r.units(p.get("ProvisionedThroughput"), what)
	for _, item := range r.items(p.get("AttributeDefinitions"), "AttributeDefinitions of "+what) {
		a := Attribute{Name: r.text(item.get("AttributeName"), "an attribute of "+what), Type: r.text(item.get("AttributeType"), "the type of an attribute of "+what)}
		if a.Name == "" || !strings.Contains("SNB", a.Type) || len(a.Type) != 1 {
			r.note(item.where(), Warning, "an attribute of %s has no name or a type that is not S, N or B", what)
			continue
		}
		t.Attributes = append(t.Attributes, a)
	}
	t.Global = r.indexes(p.get("GlobalSecondaryIndexes"), what)
	t.Local = r.indexes(p.get("LocalSecondaryIndexes"), what)
	if ttl := r.eval(p.get("TimeToLiveSpecification")); r.text(ttl.get("Enabled"), "TTL of "+what) == "true" {
		t.TTL = r.text(ttl.get("AttributeName"), "the TTL attribute of "+what)
	}
	if s := p.get("StreamSpecification"); !s.empty() {
		t.Stream = r.text(r.eval(s).get("StreamViewType"), "the stream of "+what)
		r.note(s.pos, Warning, "the stream of %s is not read here: what it invokes is not invoked", what)
	}
	if x.typ == "AWS::DynamoDB::GlobalTable" {
		r.note(x.pos, Info, "%s is global: here it is in one place", what)
	}
	if len(t.Keys) == 0 {
		r.note(x.pos, Warning, "%s has no KeySchema and cannot be created", what)
	}
	for _, k := range t.Keys {
		if !t.defines(k.Attribute) {
			r.note(x.pos, Warning, "%s has key %s, which AttributeDefinitions do not have: AWS refuses it", what, clip(k.Attribute))
		}
	}
	return t
}

func (t *Table) defines(name string) bool {
	for _, a := range t.Attributes {
		if a.Name == name {
			return true
		}
	}
	return false
}

func (r *reader) tableName(x *resource) string {
	name := r.physical(x, x.pos)
	if name.kind == scalar {
		return name.text
	}
	r.note(x.pos, Warning, "the name of table %s is not known here and is its logical ID: %s", clip(x.id), name.text)
	return x.id
}

// simpleTable is SAM's: one key, id of type S unless it says otherwise.
func (r *reader) simpleTable(x *resource) Table {
	key := Attribute{Name: "id", Type: "S"}
	if k := x.props.get("PrimaryKey"); !k.empty() {
		if n := r.text(k.get("Name"), "the key of table "+clip(x.id)); n != "" {
			key.Name = n
		}
		switch r.text(k.get("Type"), "the key of table "+clip(x.id)) {
		case "Number":
			key.Type = "N"
		case "Binary":
			key.Type = "B"
		}
	}
	t := Table{LogicalID: x.id, Name: r.tableName(x), Position: x.pos, Billing: "PAY_PER_REQUEST", Attributes: []Attribute{key}, Keys: []Key{{key.Name, "HASH"}}}
	if v := x.props.get("ProvisionedThroughput"); !v.empty() {
		t.Billing = "PROVISIONED"
		t.Read, t.Write = r.units(v, "table "+clip(x.id))
	}
	return t
}

func (r *reader) items(v *value, what string) []*value {
	e := r.eval(v)
	if e.kind == unknown {
		r.note(e.where(), Warning, "%s is not known here: %s", what, e.text)
	}
	return e.items
}

func (r *reader) keys(v *value, what string) []Key {
	var out []Key
	for _, item := range r.items(v, "KeySchema of "+what) {
		k := Key{r.text(item.get("AttributeName"), "a key of "+what), r.text(item.get("KeyType"), "a key of "+what)}
		if k.Attribute == "" || k.Type != "HASH" && k.Type != "RANGE" {
			r.note(item.where(), Warning, "a key of %s has no name or a type that is not HASH or RANGE", what)
			continue
		}
		out = append(out, k)
	}
	return out
}

func (r *reader) units(v *value, what string) (read, write int64) {
	if v.empty() {
		return 0, 0
	}
	v = r.eval(v)
	const limit = 1 << 30
	return int64(r.number(v.get("ReadCapacityUnits"), 1, limit, "ReadCapacityUnits of "+what)), int64(r.number(v.get("WriteCapacityUnits"), 1, limit, "WriteCapacityUnits of "+what))
}

func (r *reader) indexes(v *value, what string) []Index {
	var out []Index
	for _, item := range r.items(v, "the indexes of "+what) {
		i := Index{Name: r.text(item.get("IndexName"), "an index of "+what), Projection: "ALL"}
		name := "index " + clip(i.Name) + " of " + what
		i.Keys = r.keys(item.get("KeySchema"), name)
		if p := r.text(item.get("Projection", "ProjectionType"), "the projection of "+name); p != "" {
			i.Projection = p
		}
		i.NonKey = r.texts(item.get("Projection", "NonKeyAttributes"), "the projection of "+name)
		i.Read, i.Write = r.units(item.get("ProvisionedThroughput"), name)
		if i.Name == "" || len(i.Keys) == 0 {
			r.note(item.where(), Warning, "an index of %s has no name or no keys and is left out", what)
			continue
		}
		out = append(out, i)
	}
	return out
}
