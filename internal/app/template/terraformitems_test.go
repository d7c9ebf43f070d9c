package template

import (
	"fmt"
	"strings"
	"testing"
)

func TestItemsOfATableAreReadFromTerraform(t *testing.T) {
	written(t, map[string]string{"code/index.js": handler, "main.tf": wsAPI + `resource "aws_apigatewayv2_integration" "i" {
  api_id           = aws_apigatewayv2_api.ws.id
  integration_type = "AWS_PROXY"
  integration_uri  = aws_lambda_function.f.invoke_arn
}
resource "aws_apigatewayv2_route" "r" {
  api_id    = aws_apigatewayv2_api.ws.id
  route_key = "$default"
  target    = "integrations/${aws_apigatewayv2_integration.i.id}"
}
data "archive_file" "code" {
  type        = "zip"
  source_dir  = "code"
  output_path = "code.zip"
}
resource "aws_lambda_function" "f" {
  function_name = "f"
  handler       = "index.handler"
  runtime       = "nodejs22.x"
  filename      = data.archive_file.code.output_path
  role          = "x"
}
resource "aws_dynamodb_table" "words" {
  name         = "Words"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "word"
  attribute {
    name = "word"
    type = "S"
  }
}
resource "aws_dynamodb_table" "other" {
  name         = "Other"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
}
resource "aws_dynamodb_table_item" "all" {
  for_each   = toset(["car", "truck"])
  table_name = aws_dynamodb_table.words.name
  hash_key   = aws_dynamodb_table.words.hash_key
  item       = jsonencode({ word = { S = each.key } })
}
resource "aws_dynamodb_table_item" "made" {
  table_name = "Words"
  hash_key   = "word"
  item       = aws_elasticache_cluster.c.cache_nodes
}
`})
	a, notes, err := readHere(".", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, table := range a.Tables {
		line := table.Name
		for _, item := range table.Items {
			line += fmt.Sprintf(" %s:%d %s", item.Position.File, item.Position.Line, item.JSON)
		}
		got = append(got, line)
	}
	if text, want := strings.Join(got, "\n"), `Words main.tf:54 {"word":{"S":"car"}} main.tf:54 {"word":{"S":"truck"}}`+"\nOther"; text != want {
		t.Errorf("tables\n%s\nwant\n%s", text, want)
	}
	said := ""
	for _, n := range notes {
		said += n.String() + "\n"
	}
	if !strings.Contains(said, "main.tf:59: an item of table aws_dynamodb_table.words is left out: ") {
		t.Errorf("notes %s", said)
	}
}
