package dev

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestTheControlAddressSaysWhatRunsAndInvokesItsFunctions(t *testing.T) {
	r := start(t, chained(t, "First", "Second"))
	at := partOf[*controlServer](r.dev).at
	ask := func(method, path, body string) (int, string) {
		q, err := http.NewRequestWithContext(t.Context(), method, at.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+at.Token)
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		b, _ := io.ReadAll(a.Body)
		return a.StatusCode, string(b)
	}
	var d Description
	status, body := ask("GET", "/run/description", "")
	if err := json.Unmarshal([]byte(body), &d); err != nil || status != 200 || d.Stage != "prod" || d.Region != "us-east-1" || d.Account != "000000000000" || d.Endpoint != r.await(t, "endpoint ") ||
		len(d.APIID) != 10 || !strings.HasPrefix(d.DomainName, "localhost:") || d.Lambda != partOf[*lambdaEndpoint](r.dev).url() || strings.Join(d.Functions, " ") != "First Second" {
		t.Errorf("%d %s", status, body)
	}
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/run/route", `{"action":"go"}`, 200, `{"route":"go"}`},
		{"/run/route", `{"action":"other"}`, 200, `{"route":""}`},
		{"/run/invoke?function=Second", `{}`, 200, `{"answer":"stack-Second-1","lines":["the end of the chain"]}`},
		{"/run/invoke?function=stack-Second-1", `{"Fail":true}`, 200, `"error":"errorString: it was to fail"`},
		{"/run/invoke?function=Third", `{}`, 404, `has no function \"Third\"; it has First, Second`},
		{"/run/invoke?function=Second", `{`, 400, `it is not JSON`},
	} {
		if status, body := ask("POST", c.path, c.body); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %d %s, want %d %s", c.path, c.body, status, body, c.status, c.says)
		}
	}
}
