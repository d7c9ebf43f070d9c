package terraform

import "github.com/wirepost/wirepost/internal/app/document"

// table is what the arguments and blocks of a table make.
func (x *instance) table(b *body) []field {
	out := []field{
		{Key: "KeySchema", Value: x.keys(b)},
		{Key: "ProvisionedThroughput", Value: x.throughput(b)},
		{Key: "GlobalSecondaryIndexes", Value: x.indexes(b, "global_secondary_index", b)},
		{Key: "LocalSecondaryIndexes", Value: x.indexes(b, "local_secondary_index", b)},
	}
	attributes := document.NewList(b.pos)
	for _, a := range b.blocks["attribute"] {
		attributes.Items = append(attributes.Items, document.NewMap(a.pos,
			field{Key: "AttributeName", Value: x.argument(a, []string{"name"})}, field{Key: "AttributeType", Value: x.argument(a, []string{"type"})}))
	}
	if a, ok := b.attrs["attribute"]; ok { // JSON
		for _, item := range itemsOf(a.value) {
			attributes.Items = append(attributes.Items, document.NewMap(a.pos,
				field{Key: "AttributeName", Value: x.document(attributeOf(item, "name"), nil, a.pos)}, field{Key: "AttributeType", Value: x.document(attributeOf(item, "type"), nil, a.pos)}))
		}
	}
	out = append(out, field{Key: "AttributeDefinitions", Value: attributes})
	if b.text("stream_enabled") == "true" {
		view := x.argument(b, []string{"stream_view_type"})
		if view == nil {
			view = document.NewText(b.pos, "NEW_AND_OLD_IMAGES")
		}
		out = append(out, field{Key: "StreamSpecification", Value: document.NewMap(b.attrs["stream_enabled"].pos, field{Key: "StreamViewType", Value: view})})
	}
	return out
}

// rows are those that a table has from the beginning, which are resources of their own;
// or nil.
func (x *instance) rows() *value {
	if x.typ != "aws_dynamodb_table" {
		return nil
	}
	list := document.NewList(x.block.pos)
	for _, row := range x.byType["aws_dynamodb_table_item"] {
		o := row.content()
		if a, ok := o.attrs["item"]; ok && o.text("table_name") == text(x.object.GetAttr("name")) {
			list.Items = append(list.Items, row.document(a.value, a.expr, a.pos))
		}
	}
	if len(list.Items) == 0 {
		return nil
	}
	return document.NewMap(x.block.pos, field{Key: "Items", Value: list})
}

// keys is the key of a table, or of an index, which may have blocks for it.
func (x *instance) keys(b *body) *value {
	out := document.NewList(b.pos)
	add := func(from *body, argument, typ string) {
		if v := x.argument(from, []string{argument}); v != nil {
			out.Items = append(out.Items, document.NewMap(v.Pos, field{Key: "AttributeName", Value: v}, field{Key: "KeyType", Value: document.NewText(v.Pos, typ)}))
		}
	}
	add(b, "hash_key", "HASH")
	add(b, "range_key", "RANGE")
	for _, k := range b.blocks["key_schema"] {
		add(k, "attribute_name", k.text("key_type"))
	}
	return out
}

// throughput is the capacity of a table or an index, or nil.
func (x *instance) throughput(b *body) *value {
	read, write := x.argument(b, []string{"read_capacity"}), x.argument(b, []string{"write_capacity"})
	if read == nil && write == nil || b.text("billing_mode") == "PAY_PER_REQUEST" {
		return nil
	}
	return document.NewMap(b.pos, field{Key: "ReadCapacityUnits", Value: read}, field{Key: "WriteCapacityUnits", Value: write})
}

// indexes are the indexes of one kind. A local one has the table's first key.
func (x *instance) indexes(b *body, name string, table *body) *value {
	out := document.NewList(b.pos)
	for _, i := range b.blocks[name] {
		keys := x.keys(i)
		if first := x.argument(table, []string{"hash_key"}); name == "local_secondary_index" && first != nil {
			keys.Items = append([]*value{document.NewMap(first.Pos, field{Key: "AttributeName", Value: first}, field{Key: "KeyType", Value: document.NewText(first.Pos, "HASH")})}, keys.Items...)
		}
		out.Items = append(out.Items, document.NewMap(i.pos,
			field{Key: "IndexName", Value: x.argument(i, []string{"name"})}, field{Key: "KeySchema", Value: keys}, field{Key: "ProvisionedThroughput", Value: x.throughput(i)},
			field{Key: "Projection", Value: document.NewMap(i.pos, field{Key: "ProjectionType", Value: x.argument(i, []string{"projection_type"})}, field{Key: "NonKeyAttributes", Value: x.argument(i, []string{"non_key_attributes"})})}))
	}
	if len(out.Items) == 0 {
		return nil
	}
	return out
}
