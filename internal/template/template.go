package template

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Options says what a template cannot know. Nil means the defaults.
type Options struct {
	// Parameters are values of the template's parameters, and of ${param:}.
	// What is not given has its default.
	Parameters map[string]string

	// API and Stage choose one where the template has several: an API by its
	// logical ID or its name. For serverless.yml Stage is also ${opt:stage},
	// unless CLI has one.
	API, Stage string

	// LocalAPIID is what Ref of the API is; empty means local. AccountID
	// empty means 000000000000. Region empty means provider.region of
	// serverless.yml, or us-east-1.
	LocalAPIID, Region, AccountID string

	// LocalEndpoint is the address of a stage here, such as
	// http://localhost:3001/dev. Nil means that no address is rewritten.
	LocalEndpoint func(stage string) string

	// Env is ${env:}. Nil, or an empty answer, means that it is not set.
	Env func(name string) string

	// CLI is ${opt:}.
	CLI map[string]string
}

// API is one stage of one WebSocket API, and everything in its template that
// it may need.
type API struct {
	Format         Format
	Name           string
	LogicalID      string
	Stage          string
	Region         string
	RouteSelection string // the route selection expression

	Routes         []Route
	Authorizers    []Authorizer
	Functions      []Function // every one of the template, routed or not
	Tables         []Table
	StageVariables map[string]string

	// DisabledEndpoint says that clients reach the API through a custom
	// domain only. UNCERTAIN: whether AWS refuses posts to it, too.
	DisabledEndpoint bool

	Notes []Note // what Read returned

	Position Position
}

// Format is the language of a template.
type Format string

// The formats that Read knows.
const (
	CloudFormation Format = "CloudFormation"
	SAM            Format = "SAM"
	Serverless     Format = "serverless.yml"
)

// Route is what happens with the events of one route key.
type Route struct {
	Key         string
	Integration string // AWS_PROXY, AWS, HTTP_PROXY, HTTP or MOCK
	Function    string // logical ID, for AWS_PROXY, and for AWS where it is a function
	URL, Method string // for HTTP_PROXY and HTTP

	TwoWay         bool   // has a route response
	Answer         string // what a MOCK answers with on a two-way route
	Authorization  string // NONE, CUSTOM or AWS_IAM
	Authorizer     string // logical ID of the authorizer, for CUSTOM
	APIKeyRequired bool

	// Timeout of the integration; zero means AWS's, 29 s.
	Timeout time.Duration

	Position Position
}

// Authorizer is a REQUEST authorizer.
type Authorizer struct {
	LogicalID, Name string
	Function        string   // logical ID
	IdentitySources []string // such as route.request.header.Authorization
	Position        Position
}

// Function is a Lambda function and where its code is.
type Function struct {
	LogicalID, Name  string
	Handler, Runtime string
	Kind             string // Zip or Image
	Architecture     string // x86_64 or arm64

	// Code is the path of the code, a folder or a zip file, as it would be
	// opened from where the template was. Empty if it is not on this machine,
	// is inline, or is an image.
	Code, Inline string

	// Image is what ImageUri says. Dockerfile and DockerContext, a path like
	// Code, are those of SAM's Metadata. Command replaces the image's own.
	Image, Dockerfile, DockerContext string
	Command                          []string

	BuildMethod string // SAM's Metadata.BuildMethod, such as esbuild or makefile

	// Env is the function's environment as far as it can be known here. What
	// is not known is left out and has a Note.
	Env     map[string]string
	Timeout time.Duration
	Memory  int // MB
	Layers  []Layer

	Position Position
}

// Layer is a layer of a function: of this template, with the path of its
// content, or one that is only on AWS, with its ARN.
type Layer struct {
	LogicalID, ARN string
	Content        string
}

// Table is a DynamoDB table as it would be created.
type Table struct {
	LogicalID, Name string
	Keys            []Key
	Attributes      []Attribute
	Global, Local   []Index
	Billing         string // PAY_PER_REQUEST or PROVISIONED
	Read, Write     int64  // capacity units, for PROVISIONED
	TTL             string // the attribute, empty if off
	Stream          string // the view type; nothing here reads streams
	Position        Position
}

// Key is one part of a key: HASH or RANGE.
type Key struct{ Attribute, Type string }

// Attribute is one that a key uses: S, N or B.
type Attribute struct{ Name, Type string }

// Index is a secondary index of a table.
type Index struct {
	Name        string
	Keys        []Key
	Projection  string // ALL, KEYS_ONLY or INCLUDE
	NonKey      []string
	Read, Write int64
}

// Read reads the template in file and says which API it describes. It reads
// that file and, for ${file()} of serverless.yml, files under its directory; it
// runs nothing and asks no network.
//
// An error is an *Error with the place to correct, or an error of reading the
// file. The notes are in the order of the file and are returned with an error
// too. Read may be called concurrently if o's functions may be.
func Read(file string, o *Options) (*API, []Note, error) {
	if o == nil {
		o = &Options{}
	}
	n := &notes{}
	api, err := read(file, *o, n)
	all := n.sorted(file)
	if err != nil {
		return nil, all, err
	}
	api.Notes = all
	return api, all, nil
}

func read(file string, o Options, n *notes) (*API, error) {
	switch filepath.Ext(file) {
	case ".ts", ".js", ".cjs", ".mjs", ".cts", ".mts", ".py", ".go":
		return nil, mistake(Position{File: file}, "is a program, which is never run here: give the template that it makes, such as cdk.out/NAME.template.json")
	}
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return readTemplate(file, data, o, n)
}

// readTemplate is Read of bytes that are there already.
func readTemplate(file string, data []byte, o Options, n *notes) (*API, error) {
	root, err := parse(file, data, n.add)
	if err != nil {
		return nil, err
	}
	r := newReader(file, o, n)
	switch {
	case root.kind != mapping:
		return nil, mistake(root.pos, "is not a template: it has no Resources and no functions")
	case root.get("Resources") != nil:
		r.format = CloudFormation
		err = r.load(root)
	case root.get("provider") != nil || root.get("service") != nil && root.get("functions") != nil:
		r.format = Serverless
		if root, err = r.serverless(root); err == nil {
			err = r.load(root)
		}
	default:
		return nil, mistake(root.pos, "is not a template: it has neither Resources, as CloudFormation and SAM have, nor a provider, as serverless.yml has")
	}
	if err != nil {
		return nil, err
	}
	api, err := r.api()
	if missing := r.missing(); missing != nil {
		return nil, missing
	}
	if r.fatal != nil {
		return nil, r.fatal
	}
	return api, err
}

func newReader(file string, o Options, n *notes) *reader {
	r := &reader{options: o, notes: n, file: file, dir: filepath.Dir(file)}
	r.options.LocalAPIID = cmp.Or(o.LocalAPIID, "local")
	r.options.AccountID = cmp.Or(o.AccountID, "000000000000")
	return r
}

// readFile reads a plain file of a bounded size, and waits for no other kind.
func readFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		for _, name := range []string{"template.yaml", "template.yml", "template.json", "serverless.yml", "serverless.yaml"} {
			if inside := filepath.Join(file, name); isPlain(inside) {
				return nil, mistake(Position{File: file}, "is a folder: name the file in it, %s", inside)
			}
		}
		return nil, mistake(Position{File: file}, "is a folder: name the file of the template in it")
	}
	if !info.Mode().IsRegular() {
		return nil, mistake(Position{File: file}, "is not a plain file")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxBytes+1))
}

func isPlain(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular()
}
