package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/template"
	"github.com/wirepost/wirepost/internal/lambdart"
	"github.com/wirepost/wirepost/internal/terminal"
)

// templateFlags are what the flags of dev say of a template.
type templateFlags struct {
	file       string
	parameters many // NAME=VALUE
	options    many // NAME=VALUE
	api        string
	dynamodb   string
}

// readTemplate reads the template, if there is one, and takes from it what the flags
// leave open: stage and route selection. It needs no address, so it comes before
// anything listens; resolveTemplate comes after.
func (c *command) readTemplate(d *devFlags) (*app.App, error) {
	if d.template.file == "" {
		d.stage = cmp.Or(d.stage, "dev")
		return nil, nil
	}
	parameters, err := pairs("--parameter", d.template.parameters)
	if err != nil {
		return nil, err
	}
	options, err := pairs("--opt", d.template.options)
	if err != nil {
		return nil, err
	}
	a, notes, err := template.Read(d.template.file, &template.Options{
		Parameters: parameters, CLI: options, API: d.template.api, Stage: d.stage, Region: d.region, Env: d.getenv,
	})
	if err != nil {
		c.tell(notes, d.verbose, "")
		return nil, fmt.Errorf("read the template: %w", err)
	}
	d.stage = cmp.Or(d.stage, a.APIs[0].Stage)
	d.selection = cmp.Or(d.selection, a.APIs[0].RouteSelection)
	return a, nil
}

// resolveTemplate gives a template's app with its variables, and says what has to be
// known of it. A nil app stays nil.
func (c *command) resolveTemplate(d *devFlags, a *app.App, apiID, domain string) (*app.App, error) {
	if a == nil {
		return nil, nil
	}
	a, notes, err := a.Resolve(app.Names{APIs: map[string]app.APIName{a.APIs[0].LogicalID: {
		ID: apiID, Endpoint: func(stage string) string { return "http://" + domain + "/" + stage },
	}}})
	c.tell(notes, d.verbose, domain)
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	return a, nil
}

// tell prints the notes that are warnings or name the domain, if there is one; all of
// them with --verbose.
func (c *command) tell(notes []app.Note, verbose bool, domain string) {
	for _, n := range notes {
		if n.Severity >= app.Warning || verbose || domain != "" && strings.Contains(n.Text, domain) {
			c.stderr.Printf("wirepost: hint: %s\n", n)
		}
	}
}

// getenv is the environment that a template may name, and give to its functions. An
// account's number is in ARNs, which are read all the same.
func (d *devFlags) getenv(name string) string {
	switch {
	case d.inherit || !ofCaller(name):
		return os.Getenv(name)
	case name == "AWS_ACCOUNT_ID":
		return "000000000000"
	}
	return ""
}

func pairs(flag string, all many) (map[string]string, error) {
	out := map[string]string{}
	for _, pair := range all {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%s %q: write NAME=VALUE", flag, pair)
		}
		out[name] = value
	}
	return out, nil
}

// ofTemplate starts the functions that the template's routes and authorizers need,
// and makes the routing table.
func (all *functions) ofTemplate(ctx context.Context, a *app.App) (map[string]gateway.Route, error) {
	started := map[string]gateway.Function{}
	function := func(logicalID string) (gateway.Function, error) {
		if f := started[logicalID]; f != nil {
			return f, nil
		}
		named := a.Function(logicalID)
		if named == nil {
			return nil, fmt.Errorf("the template has no function %s", logicalID)
		}
		f, err := all.ofTemplateFunction(ctx, *named)
		if err == nil {
			started[logicalID] = f
		}
		return f, err
	}
	routes := map[string]gateway.Route{}
	for _, r := range a.APIs[0].Routes {
		route := gateway.Route{RouteResponse: r.TwoWay, IntegrationTimeout: r.Integration.Timeout}
		var err error
		if r.Unrunnable != nil {
			return nil, fmt.Errorf("%s: %s", r.Unrunnable.Position, r.Unrunnable)
		}
		switch i := r.Integration; i.Kind {
		case app.AWSProxy:
			route.Function, err = function(i.Function)
		case app.HTTPProxy:
			route.Function = &gateway.HTTPProxy{URL: i.URL, Method: i.Method}
		case app.Mock:
			route.Function = &gateway.Mock{Body: i.Answer}
		default:
			err = fmt.Errorf("an integration of the type %s is not emulated; AWS_PROXY, HTTP_PROXY and MOCK are", i.Kind)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: route %s: %w", r.Position, r.Key, err)
		}
		if r.Authorizer != "" {
			authorizer := a.APIs[0].Authorizer(r.Authorizer)
			if authorizer == nil {
				return nil, fmt.Errorf("%s: route %s: the template has no authorizer %s", r.Position, r.Key, r.Authorizer)
			}
			if authorizer.Unrunnable != nil {
				return nil, fmt.Errorf("%s: %s", authorizer.Unrunnable.Position, authorizer.Unrunnable)
			}
			f, err := function(authorizer.Function)
			if err != nil {
				return nil, fmt.Errorf("%s: authorizer %s: %w", authorizer.Position, authorizer.LogicalID, err)
			}
			route.Authorizer = &gateway.Authorizer{Function: unauthorized{f}, IdentitySources: authorizer.IdentitySources}
		}
		routes[r.Key] = route
	}
	return routes, nil
}

// ofTemplateFunction starts one function of a template.
func (all *functions) ofTemplateFunction(ctx context.Context, f app.Function) (gateway.Function, error) {
	config := all.config
	config.Name = all.nameOf(nil, cmp.Or(f.Name, f.LogicalID))
	source, err := sourceOf(f, filepath.Join(config.Folder, "functions", config.Name, "code"))
	if err != nil {
		return nil, fmt.Errorf("%s: function %s: %w", f.Position, f.LogicalID, err)
	}
	config.Source = source
	config.Timeout = cmp.Or(config.Timeout, f.Timeout)
	config.MemoryMB = f.Memory
	env := environment(config.Env)
	for _, name := range sortedNames(f.Env) {
		if name == "WIREPOST_STORE" && all.lends(f.Env[name]) {
			continue
		}
		env = env.set(name, f.Env[name])
	}
	config.Env = env
	return all.start(ctx, config)
}

// lends reports whether a store is a table of the template that is nowhere: its
// functions get the store of dev instead.
func (all *functions) lends(store string) bool {
	table, _, _ := strings.Cut(strings.TrimPrefix(store, "dynamodb://"), "?")
	return strings.HasPrefix(store, "dynamodb://") && slices.Contains(all.absentTables, table)
}

func sortedNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// sourceOf is what to run for a function of a template. Where its code is a zip file
// it is unpacked into a folder of its own first.
func sourceOf(f app.Function, folder string) (lambdart.Source, error) {
	switch {
	case f.Code.Kind == app.CodeImage:
		return lambdart.Source{}, errors.New("it is a container image, which is not run here; give it a folder with its code")
	case f.Code.Inline != "":
		return lambdart.Source{}, errors.New("its code is in the template itself, which is not run here; put it into a file and name its folder")
	case f.Code.Path == "":
		return lambdart.Source{}, errors.New("its code is not on this machine")
	case filepath.Ext(f.Code.Path) == ".jar":
		return lambdart.Source{}, fmt.Errorf("its code %s is an archive of Java, which is not run here", f.Code.Path)
	case filepath.Ext(f.Code.Path) == ".zip":
		err := unpack(f.Code.Path, folder)
		if errors.Is(err, fs.ErrNotExist) {
			return lambdart.Source{}, &hinted{fmt.Errorf("its code %s is not there", f.Code.Path), fmt.Sprintf("'wirepost package --output %s PACKAGE' builds it from a Go package", terminal.Word(f.Code.Path))}
		}
		if err != nil {
			return lambdart.Source{}, fmt.Errorf("unpack its code %s: %w", f.Code.Path, err)
		}
		f.Code.Path = folder
	}
	switch {
	case strings.HasPrefix(f.Runtime, "nodejs"):
		return lambdart.ParseSource([]string{"node:" + f.Code.Path}, f.Handler)
	case strings.HasPrefix(f.Runtime, "python"):
		return lambdart.ParseSource([]string{"python:" + f.Code.Path}, f.Handler)
	case strings.HasPrefix(f.Runtime, "provided"), strings.HasPrefix(f.Runtime, "go"):
		// Built, or its source, as SAM takes it too.
		if bootstrap := filepath.Join(f.Code.Path, "bootstrap"); isProgram(bootstrap) {
			return lambdart.ParseSource([]string{bootstrap}, f.Handler)
		}
		return lambdart.ParseSource([]string{"go:" + f.Code.Path}, f.Handler)
	}
	return lambdart.Source{}, fmt.Errorf("the runtime %s is not run here; nodejs, python and provided are", cmp.Or(f.Runtime, "(none)"))
}

func isProgram(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

// tablesTime bounds the creation of the template's tables.
const tablesTime = time.Minute

// createTables creates the template's tables at --dynamodb, or says that nobody
// has: a function that needs one would fail in its own way.
func (c *command) createTables(ctx context.Context, d *devFlags, a *app.App, all *functions) error {
	if len(a.Tables) == 0 {
		return nil
	}
	if d.template.dynamodb == "" {
		for _, t := range a.Tables {
			all.absentTables = append(all.absentTables, t.Name)
		}
		c.stderr.Printf("wirepost: hint: the template's tables are not there: %s; name a DynamoDB server with --dynamodb, such as http://127.0.0.1:8000\n", strings.Join(all.absentTables, ", "))
		if slices.ContainsFunc(a.Functions, func(f app.Function) bool { return all.lends(f.Env["WIREPOST_STORE"]) }) {
			c.stderr.Printf("wirepost: hint: functions whose WIREPOST_STORE is such a table get the store below instead\n")
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tablesTime)
	defer cancel()
	db := dynamodb.New(dynamodb.Options{Region: d.region, BaseEndpoint: &d.template.dynamodb,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			pair := gateway.DevelopmentCredentials()
			return aws.Credentials{AccessKeyID: pair.AccessKeyID, SecretAccessKey: pair.SecretAccessKey}, nil
		})})
	for _, t := range a.Tables {
		_, err := db.CreateTable(ctx, tableInput(t))
		var there *types.ResourceInUseException
		switch {
		case errors.As(err, &there):
			continue // of an earlier run
		case err != nil:
			return &hinted{fmt.Errorf("%s: create table %s at %s: %s", t.Position, t.Name, d.template.dynamodb, cause(err)), "start the DynamoDB server, or leave --dynamodb out"}
		}
		if err := dynamodb.NewTableExistsWaiter(db).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &t.Name}, tablesTime); err != nil {
			return fmt.Errorf("%s: create table %s at %s: %s", t.Position, t.Name, d.template.dynamodb, cause(err))
		}
		c.stderr.Printf("wirepost: hint: created table %s at %s\n", t.Name, d.template.dynamodb)
	}
	if url := storeOfFunctions(a, d.template.dynamodb); url != "" && d.store == "" && os.Getenv("WIREPOST_STORE") == "" {
		c.stderr.Printf("wirepost: hint: the functions keep their connections in %s; the commands in this folder look there\n", url)
		return keepStoreURL(url)
	}
	return nil
}

// storeOfFunctions is the table that the template gives its functions for a store, on
// this server.
func storeOfFunctions(a *app.App, server string) string {
	for _, f := range a.Functions {
		if store := f.Env["WIREPOST_STORE"]; strings.HasPrefix(store, "dynamodb://") {
			separator := "?"
			if strings.Contains(store, "?") {
				separator = "&"
			}
			return store + separator + "endpoint=" + server
		}
	}
	return ""
}

func tableInput(t app.Table) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: &t.Name, BillingMode: types.BillingModePayPerRequest, KeySchema: schemaOf(t.Keys)}
	for _, a := range t.Attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String(a.Name), AttributeType: types.ScalarAttributeType(a.Type)})
	}
	projection := func(i app.Index) *types.Projection {
		return &types.Projection{ProjectionType: types.ProjectionType(cmp.Or(i.Projection, "ALL")), NonKeyAttributes: i.NonKey}
	}
	for _, i := range t.Global {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{IndexName: aws.String(i.Name), KeySchema: schemaOf(i.Keys), Projection: projection(i)})
	}
	for _, i := range t.Local {
		in.LocalSecondaryIndexes = append(in.LocalSecondaryIndexes, types.LocalSecondaryIndex{IndexName: aws.String(i.Name), KeySchema: schemaOf(i.Keys), Projection: projection(i)})
	}
	return in
}

func schemaOf(keys []app.Key) (all []types.KeySchemaElement) {
	for _, k := range keys {
		all = append(all, types.KeySchemaElement{AttributeName: aws.String(k.Attribute), KeyType: types.KeyType(k.Type)})
	}
	return all
}

// cause is what AWS's client heard: the service's code and sentence, or the innermost
// error.
func cause(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": ")
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
