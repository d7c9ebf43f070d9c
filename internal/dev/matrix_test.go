package dev

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/internal/intercept"
	"github.com/wirepost/wirepost/wireposttest"
)

// awsClient is a client of AWS's, or of nobody's, as a function uses it.
type awsClient struct {
	name     string
	route    string // and the function
	protocol string // that it speaks with a server that has both
	reads    bool   // AWS_ENDPOINT_URL_DYNAMODB and _LAMBDA, at least in its newer versions
}

var awsClients = []awsClient{
	{"boto3", "python", "HTTP/1.1", true}, {"requests", "python", "HTTP/1.1", false}, {"go-v1", "go-v1", "HTTP/2.0", false}, {"go-v2", "go-v2", "HTTP/2.0", true},
	{"js-2", "js-2", "HTTP/1.1", false}, {"js-3-old", "js-3-old", "HTTP/1.1", false}, {"js-3", "js-3", "HTTP/1.1", true}, {"http2", "js-3", "HTTP/2.0", true}, {"fetch", "js-3", "HTTP/1.1", false},
}

// setting is what a dev and its caller have.
type setting struct {
	name    string
	inherit bool
	proxied bool
	server  bool // of somebody's for tables, in the place of an engine
	env     []string
	more    Environment
	python  string   // the folder of another than the PATH's, whose boto3 may be of before 1.28
	where   []string // in which threads and processes the function calls; "" is its own
}

var settings = []setting{
	{name: "dev", where: []string{"", "worker", "child"}},
	{name: "dev, own proxy", proxied: true, server: true, where: []string{""}},
	{name: "dev, NO_PROXY", proxied: true, server: true, env: []string{"NO_PROXY=.amazonaws.com", "no_proxy=.amazonaws.com"}, python: "/usr/bin", where: []string{""}},
	{name: "dev, account", server: true, env: []string{"AWS_ACCOUNT_ID=111122223333", "AWS_USE_DUALSTACK_ENDPOINT=true"}, more: Environment{"AWS_ACCOUNT_ID=111122223333"}, where: []string{""}},
	{name: "inherit", inherit: true, proxied: true, where: []string{""}},
}

// Each client calls each of three services by the names that they have on AWS, or by the
// variables if it reads them. What is not here is AWS's with inherited credentials.
func TestWhateverClientAFunctionUsesItsCallsArriveHere(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short, and seven functions start five times")
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": fakeKey, "AWS_SECRET_ACCESS_KEY": fakeSecret, "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(name, value)
	}
	there := installedClients(t)
	results := matrix{cells: map[string]map[string]string{}}
	for _, s := range settings {
		went := t.Run(s.name, func(t *testing.T) {
			m := startClients(t, s, there, newFakeAWS(t))
			for _, where := range s.where {
				results.columns = append(results.columns, s.column(where))
			}
			for route := range there {
				t.Run(route, func(t *testing.T) {
					t.Parallel()
					for _, c := range awsClients {
						for _, where := range s.where {
							if c.route == route && (where == "" || strings.HasPrefix(route, "js")) && !t.Failed() {
								results.set(c.name, s.column(where), m.try(t, c, where))
							}
						}
					}
				})
			}
		})
		if !went { // a client may take half a minute to give up
			break
		}
	}
	t.Log("\n" + results.String())
}

func (s setting) column(where string) string { return strings.TrimSuffix(s.name+", "+where, ", ") }

// matrix has what each client has reached, by its name and by the column.
type matrix struct {
	columns []string

	mu    sync.Mutex
	cells map[string]map[string]string
}

func (m *matrix) set(client, column, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cells[client] == nil {
		m.cells[client] = map[string]string{}
	}
	m.cells[client][column] = text
}

func (m *matrix) String() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "client\t"+strings.Join(m.columns, "\t"))
	for _, c := range awsClients {
		row := c.name
		for _, column := range m.columns {
			row += "\t" + cmp.Or(m.cells[c.name][column], "-")
		}
		fmt.Fprintln(w, row)
	}
	w.Flush()
	return text.String() + "*: by the variable that names the address"
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
		program := filepath.Join(t.TempDir(), v)
		build := exec.Command("go", "build", "-o", program, ".")
		build.Dir = filepath.Join(clients, v)
		if out, err := build.CombinedOutput(); err != nil {
			missing(v + " (" + string(out) + ")")
			continue
		}
		there[v] = program
	}
	return there
}

// matrixRun is a dev that runs the functions of clients.
type matrixRun struct {
	*running
	s       setting
	arrived map[string]chan arrivedCall // by the function: what came by a name of AWS's
}

type arrivedCall struct {
	host     intercept.Host
	protocol string
	wrong    string // what is not as it was sent
}

// startClients starts a dev with the functions that there are, one more that is called
// other, with a place for each that invokes it, and a table.
func startClients(t *testing.T, s setting, there map[string]string, aws *fakeAWS) *matrixRun {
	if s.python != "" {
		t.Setenv("PATH", s.python+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	m := &matrixRun{s: s, arrived: map[string]chan arrivedCall{}}
	other := filepath.Join(t.TempDir(), "other")
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, other)
	}
	if err != nil {
		t.Fatal(err)
	}
	named := &Named{Routes: []NamedRoute{{"other", other}}}
	for route, function := range there {
		named.Routes = append(named.Routes, NamedRoute{route, function})
		named.RouteResponses = append(named.RouteResponses, route)
		m.arrived[route] = make(chan arrivedCall, 100)
	}
	env := append(functionDoes("name"), s.env...)
	if s.proxied {
		env = append(env, "HTTPS_PROXY="+aws.proxy, "https_proxy="+aws.proxy, "SSL_CERT_FILE="+aws.roots)
	}
	server, tools := LocalEngine, engineTools(t)
	if s.server {
		server = dynamolocal.Start(t, dynamolocal.Dynalite)
	}
	c, said := complete(t, Config{Named: named, Inherit: s.inherit, More: s.more, Output: t.Output(), Processes: Processes{Concurrency: len(there), Timeout: 25 * time.Second}, Env: env, DynamoDB: server, Tools: tools})
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	partOf[*arrivals](d).around = m.around
	m.running = begin(t, d, said)
	m.await(t, "store ")
	makeTable(t, tablesClient(partOf[*servicePort](d).url(), "us-east-1"))
	return m
}

// makeTable makes the table here with a row, unless it is there.
func makeTable(t *testing.T, db *dynamodb.Client) {
	_, err := db.CreateTable(t.Context(), tableInput(app.Table{Name: "here", Keys: []app.Key{{Attribute: "id", Type: "HASH"}}, Attributes: []app.Attribute{{Name: "id", Type: "S"}}}))
	if there := (*types.ResourceInUseException)(nil); err != nil && !errors.As(err, &there) {
		t.Fatal(err)
	}
	if err := dynamodb.NewTableExistsWaiter(db, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond }).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("here")}, patience); err != nil {
		t.Fatal(err)
	}
	row := map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "1"}, "word": &types.AttributeValueMemberS{Value: "here"}}
	if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("here"), Item: row}); err != nil {
		t.Fatal(err)
	}
}

// around sees the requests for a service that arrive by a name of AWS's.
func (m *matrixRun) around(_ string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, _ := intercept.CallOf(r)
		got := arrivedCall{host: call.Host, protocol: r.Proto}
		if r.TLS == nil || r.TLS.ServerName != call.Host.Name || r.Host != call.Host.Name {
			got.wrong = fmt.Sprintf("the request is for %s, the connection for %s", r.Host, call.Host.Name)
		}
		m.arrived[call.Client.Name] <- got
		h.ServeHTTP(w, r)
	})
}

// try has one client call the API, a table and a function, and says how that went.
func (m *matrixRun) try(t *testing.T, c awsClient, where string) string {
	id, region := partOf[*apiID](m.dev).id, "us-east-1"
	client := m.dial(t, "")
	defer client.Close()
	endpoint := "https://" + id + ".execute-api." + region + ".amazonaws.com/dev"
	ways := map[string]string{}
	ask := func(do, name string, want ...string) {
		if t.Failed() {
			return
		}
		message, _ := json.Marshal(map[string]string{"action": c.route, "client": c.name, "do": do, "name": name, "where": where, "endpoint": endpoint})
		got := exchange(t, client, string(message), len(want))
		way, wrong := m.way(c, do)
		if ways[do] = way; !slices.Equal(got, want) || wrong != "" {
			t.Errorf("%s, %s, %s %s: %q, want %q; %s", c.name, where, do, name, got, want, wrong)
		}
	}
	ask("api", "", "hello", "posted")
	for _, other := range []string{endpoint + "/", strings.TrimSuffix(endpoint, "/dev")} { // a slash at its end; a custom domain's
		if endpoint = other; where == "" {
			ask("api", "", "hello", "posted")
		}
	}
	ask("table", "here", "here")
	ask("invoke", "other", `"other"`)
	more := ""
	if m.s.inherit {
		ask("table", "elsewhere", "from AWS")
		ask("invoke", "elsewhere", `"from AWS"`)
		more = ", AWS"
	}
	if t.Failed() {
		return "FAILED"
	}
	return "API, table" + ways["table"] + ", Invoke" + ways["invoke"] + more
}

// way is how the last call of a client arrived, and what is wrong about that. Only a client
// that reads the variables comes by one, and never to the API.
func (m *matrixRun) way(c awsClient, do string) (way, wrong string) {
	service := map[string]string{"api": "execute-api", "table": "dynamodb", "invoke": "lambda"}[do]
	for came := false; ; came = true {
		select {
		case got := <-m.arrived[c.route]: // more than one if the client has tried again
			if wrong = got.wrong; wrong == "" && (got.host.Service != service || got.host.Region != "us-east-1" || got.protocol != c.protocol) {
				wrong = fmt.Sprintf("it arrives as %+v by %s", got.host, got.protocol)
			}
			continue
		default:
		}
		switch {
		case came:
			return "", wrong
		case do == "api" || !c.reads:
			return "", "it does not arrive by its name"
		}
		return "*", ""
	}
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
		if all = append(all, got); strings.Contains(got, "Internal server error") || strings.HasPrefix(got, notCalled) {
			break
		}
	}
	slices.Sort(all)
	return all
}
