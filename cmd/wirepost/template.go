package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
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
	"github.com/wirepost/wirepost/internal/lambdart"
	"github.com/wirepost/wirepost/internal/template"
)

// templateFlags are what the flags of dev say of a template.
type templateFlags struct {
	file       string
	parameters many // NAME=VALUE
	options    many // NAME=VALUE
	api        string
	dynamodb   string
}

// readTemplate reads the template, if there is one, says what has to be known of
// it, and takes from it what the flags leave open: stage and route selection.
func (c *command) readTemplate(d *devFlags, apiID, domain string) (*template.API, error) {
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
	api, notes, err := template.Read(d.template.file, &template.Options{
		Parameters: parameters, CLI: options, API: d.template.api, Stage: d.stage,
		LocalAPIID: apiID, Region: d.region, Env: os.Getenv,
		LocalEndpoint: func(stage string) string { return "http://" + domain + "/" + stage },
	})
	for _, n := range notes {
		if n.Severity == template.Warning || d.verbose || strings.Contains(n.Text, domain) {
			fmt.Fprintf(c.stderr, "wirepost: hint: %s\n", n)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	d.stage = cmp.Or(d.stage, api.Stage)
	d.selection = cmp.Or(d.selection, api.RouteSelection)
	return api, nil
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
func (all *functions) ofTemplate(ctx context.Context, api *template.API) (map[string]gateway.Route, error) {
	started := map[string]gateway.Function{}
	function := func(logicalID string) (gateway.Function, error) {
		if f := started[logicalID]; f != nil {
			return f, nil
		}
		i := slices.IndexFunc(api.Functions, func(f template.Function) bool { return f.LogicalID == logicalID })
		if i < 0 {
			return nil, fmt.Errorf("the template has no function %s", logicalID)
		}
		f, err := all.ofTemplateFunction(ctx, api.Functions[i])
		if err == nil {
			started[logicalID] = f
		}
		return f, err
	}
	routes := map[string]gateway.Route{}
	for _, r := range api.Routes {
		route := gateway.Route{RouteResponse: r.TwoWay, IntegrationTimeout: r.Timeout}
		var err error
		switch r.Integration {
		case "AWS_PROXY":
			route.Function, err = function(r.Function)
		case "HTTP_PROXY":
			route.Function = &gateway.HTTPProxy{URL: r.URL, Method: r.Method}
		case "MOCK":
			route.Function = &gateway.Mock{Body: r.Answer}
		default:
			err = errors.New("an integration of the type " + r.Integration + " is not emulated; AWS_PROXY, HTTP_PROXY and MOCK are")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: route %s: %w", r.Position, r.Key, err)
		}
		if r.Authorizer != "" {
			i := slices.IndexFunc(api.Authorizers, func(a template.Authorizer) bool { return a.LogicalID == r.Authorizer })
			if i < 0 {
				return nil, fmt.Errorf("%s: route %s: the template has no authorizer %s", r.Position, r.Key, r.Authorizer)
			}
			a := api.Authorizers[i]
			f, err := function(a.Function)
			if err != nil {
				return nil, fmt.Errorf("%s: authorizer %s: %w", a.Position, a.LogicalID, err)
			}
			route.Authorizer = &gateway.Authorizer{Function: unauthorized{f}, IdentitySources: a.IdentitySources}
		}
		routes[r.Key] = route
	}
	return routes, nil
}

// ofTemplateFunction starts one function of a template.
func (all *functions) ofTemplateFunction(ctx context.Context, f template.Function) (gateway.Function, error) {
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
func sourceOf(f template.Function, folder string) (lambdart.Source, error) {
	switch {
	case f.Kind == "Image":
		return lambdart.Source{}, errors.New("it is a container image, which is not run here; give it a folder with its code")
	case f.Inline != "":
		return lambdart.Source{}, errors.New("its code is in the template itself, which is not run here; put it into a file and name its folder")
	case f.Code == "":
		return lambdart.Source{}, errors.New("its code is not on this machine")
	case filepath.Ext(f.Code) == ".jar":
		return lambdart.Source{}, fmt.Errorf("its code %s is an archive of Java, which is not run here", f.Code)
	case filepath.Ext(f.Code) == ".zip":
		err := unpack(f.Code, folder)
		if errors.Is(err, fs.ErrNotExist) {
			return lambdart.Source{}, &hinted{fmt.Errorf("its code %s is not there", f.Code), fmt.Sprintf("'wirepost package --output %s PACKAGE' builds it from a Go package", quote(f.Code))}
		}
		if err != nil {
			return lambdart.Source{}, fmt.Errorf("unpack its code %s: %w", f.Code, err)
		}
		f.Code = folder
	}
	switch {
	case strings.HasPrefix(f.Runtime, "nodejs"):
		return lambdart.ParseSource([]string{"node:" + f.Code}, f.Handler)
	case strings.HasPrefix(f.Runtime, "python"):
		return lambdart.ParseSource([]string{"python:" + f.Code}, f.Handler)
	case strings.HasPrefix(f.Runtime, "provided"), strings.HasPrefix(f.Runtime, "go"):
		// Built, or its source, as SAM takes it too.
		if bootstrap := filepath.Join(f.Code, "bootstrap"); isProgram(bootstrap) {
			return lambdart.ParseSource([]string{bootstrap}, f.Handler)
		}
		return lambdart.ParseSource([]string{"go:" + f.Code}, f.Handler)
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
func (c *command) createTables(ctx context.Context, d *devFlags, api *template.API, all *functions) error {
	if len(api.Tables) == 0 {
		return nil
	}
	if d.template.dynamodb == "" {
		for _, t := range api.Tables {
			all.absentTables = append(all.absentTables, t.Name)
		}
		fmt.Fprintf(c.stderr, "wirepost: hint: the template's tables are not there: %s; name a DynamoDB server with --dynamodb, such as http://127.0.0.1:8000\n", strings.Join(all.absentTables, ", "))
		if slices.ContainsFunc(api.Functions, func(f template.Function) bool { return all.lends(f.Env["WIREPOST_STORE"]) }) {
			fmt.Fprintf(c.stderr, "wirepost: hint: functions whose WIREPOST_STORE is such a table get the store below instead\n")
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tablesTime)
	defer cancel()
	db := dynamodb.New(dynamodb.Options{Region: d.region, BaseEndpoint: &d.template.dynamodb, HTTPClient: &http.Client{Transport: boundedTransport(), CheckRedirect: stay},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			pair := gateway.DevelopmentCredentials()
			return aws.Credentials{AccessKeyID: pair.AccessKeyID, SecretAccessKey: pair.SecretAccessKey}, nil
		})})
	for _, t := range api.Tables {
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
		fmt.Fprintf(c.stderr, "wirepost: hint: created table %s at %s\n", t.Name, d.template.dynamodb)
	}
	if url := storeOfFunctions(api, d.template.dynamodb); url != "" && d.store == "" && os.Getenv("WIREPOST_STORE") == "" {
		fmt.Fprintf(c.stderr, "wirepost: hint: the functions keep their connections in %s; the commands in this folder look there\n", url)
		return keepStoreURL(url)
	}
	return nil
}

// storeOfFunctions is the table that the template gives its functions for a store, on
// this server.
func storeOfFunctions(api *template.API, server string) string {
	for _, f := range api.Functions {
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

func tableInput(t template.Table) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: &t.Name, BillingMode: types.BillingModePayPerRequest, KeySchema: schemaOf(t.Keys)}
	for _, a := range t.Attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String(a.Name), AttributeType: types.ScalarAttributeType(a.Type)})
	}
	projection := func(i template.Index) *types.Projection {
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

func schemaOf(keys []template.Key) (all []types.KeySchemaElement) {
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
