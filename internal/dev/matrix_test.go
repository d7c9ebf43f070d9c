package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/wirepost/wirepost/internal/intercept"
	"github.com/wirepost/wirepost/wireposttest"
)

// awsClient is a client of AWS's, or of nobody's, as a function uses it.
type awsClient struct {
	name     string
	route    string // and the function
	protocol string // that it speaks with a server that has both
}

var awsClients = []awsClient{
	{"boto3", "python", "HTTP/1.1"}, {"requests", "python", "HTTP/1.1"}, {"go-v1", "go-v1", "HTTP/2.0"}, {"go-v2", "go-v2", "HTTP/2.0"},
	{"js-2", "js-2", "HTTP/1.1"}, {"js-3-old", "js-3-old", "HTTP/1.1"}, {"js-3", "js-3", "HTTP/1.1"}, {"http2", "js-3", "HTTP/2.0"}, {"fetch", "js-3", "HTTP/1.1"},
}

// setting is what a dev and its caller have.
type setting struct {
	name    string
	inherit bool
	proxied bool
	env     []string
	more    Environment
	where   []string // in which threads and processes the function calls; "" is its own
}

var settings = []setting{
	{name: "dev", where: []string{"", "worker", "child"}},
	{name: "dev, own proxy", proxied: true, where: []string{""}},
	{name: "dev, NO_PROXY", proxied: true, env: []string{"NO_PROXY=.amazonaws.com", "no_proxy=.amazonaws.com", "PATH=/usr/bin:" + os.Getenv("PATH")}, where: []string{""}},
	{name: "dev, account", env: []string{"AWS_ACCOUNT_ID=111122223333", "AWS_USE_DUALSTACK_ENDPOINT=true"}, more: Environment{"AWS_ACCOUNT_ID=111122223333"}, where: []string{""}},
	{name: "inherit", inherit: true, proxied: true, where: []string{""}},
}

// Each client calls each of three services by the names that they have on AWS. A table
// that is not here is AWS's with inherited credentials.
func TestWhateverClientAFunctionUsesItsCallsArriveHere(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short, and six functions start five times")
	}
	there := installedClients(t)
	results := map[string]map[string]string{}
	var columns []string
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			aws := newFakeAWS(t)
			r, fakes := startClients(t, s, there, aws)
			for _, where := range s.where {
				column := strings.TrimSuffix(s.name+", "+where, ", ")
				columns = append(columns, column)
				for _, c := range awsClients {
					if results[c.name] == nil {
						results[c.name] = map[string]string{}
					}
					results[c.name][column] = fakes.try(t, r, s, c, where, there)
				}
			}
		})
	}
	t.Log("\n" + table(columns, results))
}

func table(columns []string, results map[string]map[string]string) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "client\t"+strings.Join(columns, "\t"))
	for _, c := range awsClients {
		row := c.name
		for _, column := range columns {
			row += "\t" + results[c.name][column]
		}
		fmt.Fprintln(w, row)
	}
	w.Flush()
	return text.String()
}

// installedClients are the functions that can run on this machine, by their routes, with
// how they are named. What cannot is said, and fails with CI=true.
func installedClients(t *testing.T) map[string]string {
	there := map[string]string{}
	missing := func(what string) {
		if os.Getenv("CI") == "true" {
			t.Errorf("%s: not installed; run make test-needs (with CI=true nothing is skipped)", what)
		}
		t.Logf("SKIPPED: %s: not installed; run make test-needs", what)
	}
	clients := moduleFolder(t, "testdata/clients")
	if exec.Command("python3", "-c", "import boto3, requests").Run() == nil && exec.Command("/usr/bin/python3", "-c", "import boto3, requests").Run() == nil {
		there["python"] = "python:" + filepath.Join(clients, "python") + "#app.handler"
	} else {
		missing("boto3 and requests, for python3 and for /usr/bin/python3")
	}
	for _, js := range []string{"js-2", "js-3-old", "js-3"} {
		modules := moduleFolder(t, "../../.tools/sdk-"+js+"/node_modules")
		if _, err := os.Stat(modules); err != nil || exec.Command("node", "--version").Run() != nil {
			missing("the client for Node.js of " + js)
			continue
		}
		to := filepath.Join(t.TempDir(), js)
		if err := os.CopyFS(to, os.DirFS(filepath.Join(clients, js))); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(modules, filepath.Join(to, "node_modules")); err != nil {
			t.Fatal(err)
		}
		there[js] = "node:" + to + "#index.handler"
	}
	for _, v := range []string{"go-v1", "go-v2"} {
		build := exec.Command("go", "build", "-o", os.DevNull, ".")
		build.Dir = filepath.Join(clients, v)
		if out, err := build.CombinedOutput(); err != nil {
			missing(v + " (" + string(out) + ")")
			continue
		}
		there[v] = "go:" + build.Dir
	}
	return there
}

// fakes stand for the services that other parts of a dev have.
type fakes struct {
	inherit  bool
	onward   http.Handler
	calls    chan intercept.Call // of the last call
	protocol chan string
}

// startClients starts a dev with the functions that there are.
func startClients(t *testing.T, s setting, there map[string]string, aws *fakeAWS) (*running, *fakes) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": fakeKey, "AWS_SECRET_ACCESS_KEY": fakeSecret, "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(name, value)
	}
	named := &Named{}
	for route, function := range there {
		named.Routes = append(named.Routes, NamedRoute{route, function})
		named.RouteResponses = append(named.RouteResponses, route)
	}
	env := append(os.Environ(), s.env...)
	if s.proxied {
		env = append(env, "HTTPS_PROXY="+aws.proxy, "https_proxy="+aws.proxy, "SSL_CERT_FILE="+aws.roots)
	}
	c, said := complete(t, Config{Named: named, Inherit: s.inherit, More: s.more, Processes: Processes{Concurrency: 1, Timeout: 25 * time.Second}, Env: env})
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakes{inherit: s.inherit, calls: make(chan intercept.Call, 100), protocol: make(chan string, 100)}
	partOf[*arrivals](d).instead = map[string]http.Handler{"dynamodb": http.HandlerFunc(f.dynamoDB), "lambda": http.HandlerFunc(f.lambda)}
	r := begin(t, d, said)
	r.await(t, "store ")
	f.onward = partOf[*interception](d).at.Onward()
	return r, f
}

func (f *fakes) seen(r *http.Request) {
	call, _ := intercept.CallOf(r)
	if r.TLS == nil || r.TLS.ServerName != call.Host.Name || r.Host != call.Host.Name {
		call.Host.Name = fmt.Sprintf("the request is for %s, the connection for %s", r.Host, call.Host.Name)
	}
	f.protocol <- r.Proto
	f.calls <- call
}

// last is the call that has arrived, and its version of HTTP; nothing if none has.
func (f *fakes) last() (intercept.Call, string) {
	select {
	case call := <-f.calls:
		return call, <-f.protocol // which came first
	default:
		return intercept.Call{Client: &intercept.Client{}}, "nothing"
	}
}

func (f *fakes) dynamoDB(w http.ResponseWriter, r *http.Request) {
	f.seen(r)
	body, _ := readAll(r)
	var in struct{ TableName string }
	json.Unmarshal(body, &in)
	switch {
	case in.TableName == "here":
		answerItem(w, "here")
	case f.inherit:
		f.onward.ServeHTTP(w, r)
	default:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no table %s"}`, in.TableName)
	}
}

func (f *fakes) lambda(w http.ResponseWriter, r *http.Request) {
	f.seen(r)
	fmt.Fprintf(w, `{"path":%q}`, r.URL.Path)
}

// try has one client call the API, a table and a function, and says how that went.
func (f *fakes) try(t *testing.T, r *running, s setting, c awsClient, where string, there map[string]string) string {
	if there[c.route] == "" {
		return "skipped"
	}
	if where != "" && !strings.HasPrefix(c.route, "js") {
		return "-"
	}
	id, region := partOf[*apiID](r.dev).id, "us-east-1"
	client := r.dial(t, "")
	defer client.Close()
	failed, endpoint := 0, "https://"+id+".execute-api."+region+".amazonaws.com/dev"
	ask := func(do, table string, want ...string) {
		message, _ := json.Marshal(map[string]string{"action": c.route, "client": c.name, "do": do, "table": table, "where": where, "endpoint": endpoint})
		if got := exchange(t, client, string(message), len(want)); !slices.Equal(got, want) {
			failed++
			t.Errorf("%s, %s, %s %s: %q, want %q", c.name, where, do, table, got, want)
			return
		}
		if do == "api" {
			return
		}
		call, protocol := f.last()
		service := map[string]string{"table": "dynamodb", "invoke": "lambda"}[do]
		if call.Host.Service != service || call.Host.Region != region || call.Client.Name == "" || protocol != c.protocol || strings.Contains(call.Host.Name, " ") {
			failed++
			t.Errorf("%s, %s, %s: it arrives as %+v of %q by %s", c.name, where, do, call.Host, call.Client.Name, protocol)
		}
	}
	ask("api", "", "hello", "posted")
	for _, other := range []string{endpoint + "/", strings.TrimSuffix(endpoint, "/dev")} { // a slash at its end; a custom domain's
		if endpoint = other; where == "" {
			ask("api", "", "hello", "posted")
		}
	}
	ask("table", "here", "here")
	ask("invoke", "", `{"path":"/2015-03-31/functions/other/invocations"}`)
	if s.inherit {
		ask("table", "elsewhere", "from AWS")
	}
	if failed > 0 {
		return fmt.Sprintf("%d FAILED", failed)
	}
	if s.inherit {
		return "API, table, Invoke, AWS"
	}
	return "API, table, Invoke"
}

// exchange sends a message and receives so many, sorted.
func exchange(t *testing.T, c *wireposttest.Client, message string, n int) (all []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Send(message); err != nil {
		t.Fatal(err)
	}
	for range n {
		got, err := c.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, got); strings.Contains(got, "Internal server error") {
			break
		}
	}
	slices.Sort(all)
	return all
}
