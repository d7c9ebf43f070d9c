package dev

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

// rowsServer takes rows by the key id as DynamoDB does, unless they are there already.
type rowsServer struct {
	*httptest.Server
	mu   sync.Mutex
	rows map[string]string
}

func serveRows(t *testing.T) *rowsServer {
	s := &rowsServer{rows: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Item                map[string]map[string]any
			ConditionExpression string
		}
		err := json.NewDecoder(r.Body).Decode(&in)
		s.mu.Lock()
		defer s.mu.Unlock()
		id, ok := in.Item["id"]["S"].(string)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		refuse := func(code string) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"__type": "com.amazonaws.dynamodb.v20120810#` + code + `", "message": "no"}`))
		}
		switch _, there := s.rows[id]; {
		case err != nil || !ok:
			refuse("ValidationException")
		case there && in.ConditionExpression != "":
			refuse("ConditionalCheckFailedException")
		default:
			text, _ := json.Marshal(in.Item)
			s.rows[id] = string(text)
			_, _ = w.Write([]byte("{}"))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestRowsOfTheTemplateArePutUnlessTheyAreThere(t *testing.T) {
	server := serveRows(t)
	said := &reported{}
	tables := &tables{c: &Config{Report: said}}
	table := app.Table{Name: "words", Keys: []app.Key{{Attribute: "id", Type: "HASH"}}}
	at := func(line int, text string) app.Item {
		return app.Item{JSON: text, Position: app.Position{File: "main.tf", Line: line}}
	}
	table.Items = []app.Item{at(1, `{"id": {"S": "a"}, "n": {"N": "1"}, "l": {"L": [{"BOOL": true}, {"NULL": true}]}}`), at(2, `{"id": "b"}`), at(3, `{"id": {"N": "3"}}`), at(4, `{"id": {"S": "d"}}`)}
	server.rows["d"] = "mine"
	for range 2 {
		if err := tables.fill(t.Context(), tablesClient(server.URL, "eu-west-1"), table); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := server.rows["a"], `{"id":{"S":"a"},"l":{"L":[{"BOOL":true},{"NULL":true}]},"n":{"N":"1"}}`; got != want || server.rows["d"] != "mine" || len(server.rows) != 2 {
		t.Errorf("rows %v, want a as %s and d as it was", server.rows, want)
	}
	lines := said.String()
	for _, want := range []string{
		"main.tf:2: an item of table words is left out: it is not DynamoDB's JSON",
		"main.tf:3: an item of table words cannot be put: ValidationException: no",
		"put 1 of the template's items into table words",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("not said: %s\n%s", want, lines)
		}
	}
	if n := strings.Count(lines, "put 1 of"); n != 1 {
		t.Errorf("it says %d times that an item was put:\n%s", n, lines)
	}
	server.Close()
	if err := tables.fill(t.Context(), tablesClient(server.URL, "eu-west-1"), table); err == nil {
		t.Error("a server that is gone is no error")
	}
}
