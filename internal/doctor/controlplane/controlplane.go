// Package controlplane asks AWS how an API is set up: its stage, routes, functions
// and mappings. It hides four of AWS's services behind one list of checks.
//
// It is apart from the doctor so that nothing but the command links it: what runs in
// a function has no business to read an API's configuration. Its dozen GET requests
// are plain HTTP, signed: AWS's client of API Gateway alone is larger than the whole
// command, and like AWS's other modules it has to be pinned to a version that can
// be downloaded.
package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/doctor"
	"github.com/wirepost/wirepost/internal/terminal"
)

// callTime bounds one request, checkTime all of them.
const (
	callTime  = 3 * time.Second
	checkTime = 8 * time.Second
	maxPages  = 10
)

// API is the configuration of APIs on AWS.
type API struct{}

// errDenied is a call that the credentials may not make.
type errDenied struct{ action string }

func (e errDenied) Error() string { return "not allowed: " + e.action }

// errAbsent is a thing that is not there.
var errAbsent = errors.New("it does not exist")

// asking is one run of the checks.
type asking struct {
	ctx    context.Context
	target doctor.Target
	checks []doctor.Check

	functions    []lambdaFunction
	functionsCut bool // there are more
	functionsErr error
}

// Check implements doctor.ControlPlane.
func (API) Check(ctx context.Context, t doctor.Target) []doctor.Check {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	a := &asking{ctx: ctx, target: t}
	mapping := a.mapping() // it may tell which API it is
	names := []string{"api", "execute-api", "stage", "deployed", "changes", "throttle", "default-route", "route-responses", "invoke"}
	done := 0
	if a.target.APIID == "" {
		a.skipAll(names, "the API of the custom domain is not known")
	} else {
		done = a.api()
		a.skipAll(names[done:], "the API cannot be read")
	}
	a.logRole()
	a.checks = append(a.checks, mapping)
	if done < len(names) {
		a.skip("connect-auth", "the API cannot be read")
	}
	// It is found with the routes and stands behind what is about the API.
	i := slices.IndexFunc(a.checks, func(c doctor.Check) bool { return c.Name == "connect-auth" })
	auth := a.checks[i]
	a.checks = append(slices.Delete(a.checks, i, i+1), auth)
	a.listFunctions()
	a.keep()
	a.long()
	return a.checks
}

func (a *asking) add(c doctor.Check) { a.checks = append(a.checks, c) }

func (a *asking) ok(name, sentence string) {
	a.add(doctor.Check{Name: name, Status: doctor.OK, Sentence: sentence})
}

func (a *asking) skip(name, reason string) {
	a.add(doctor.Check{Name: name, Status: doctor.Skip, Sentence: reason})
}

func (a *asking) skipAll(names []string, reason string) {
	for _, n := range names {
		a.skip(n, reason)
	}
}

// found makes a check of a problem. An empty sentence or fix is the catalogue's.
func (a *asking) found(name string, s doctor.Status, p wirepost.Problem, sentence, fix string) doctor.Check {
	if sentence == "" {
		sentence = p.Sentence()
	}
	if fix == "" {
		fix = strings.NewReplacer("<api-id>", terminal.Word(a.target.APIID), "<stage>", terminal.Word(a.target.Stage), "<region>", terminal.Word(a.target.Region), "<domain>", a.target.Host).Replace(p.Fix())
	}
	return doctor.Check{Name: name, Status: s, Problem: p, Sentence: sentence, Fix: fix, See: p.URL()}
}

func (a *asking) problem(name string, s doctor.Status, p wirepost.Problem, sentence, fix string) {
	a.add(a.found(name, s, p, sentence, fix))
}

// reason is why something could not be asked.
func reason(err error) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return err.Error()
}

// get reads one resource of a service into out.
func (a *asking) get(service, path, action string, out any) error {
	return a.call(service, http.MethodGet, path, action, nil, nil, out)
}

func (a *asking) call(service, method, path, action string, header http.Header, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(a.ctx, callTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.target.Base(service)+path, nil)
	if err != nil {
		return err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := a.target.Do(req, service, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return err
	}
	code, _, _ := strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	switch {
	case resp.StatusCode == http.StatusOK:
		if err := json.Unmarshal(said, out); err != nil {
			return fmt.Errorf("%s gave an answer that is not JSON: %w", req.URL.Host, err)
		}
		return nil
	case resp.StatusCode == http.StatusNotFound && (code != "" || bytes.Contains(said, []byte("essage"))): // and not of a server that has no such service
		return errAbsent
	case strings.HasPrefix(code, "AccessDenied"), bytes.Contains(said, []byte("AccessDenied")), resp.StatusCode == http.StatusForbidden && code == "":
		return errDenied{action}
	}
	return fmt.Errorf("%s answered %d %s", req.URL.Host, resp.StatusCode, code)
}

// pages reads all items of a listing.
func pages[T any](a *asking, path string) ([]T, error) {
	var all []T
	token := ""
	for range maxPages {
		var page struct {
			Items     []T    `json:"items"`
			NextToken string `json:"nextToken"`
		}
		query := "?maxResults=100"
		if token != "" {
			query += "&nextToken=" + url.QueryEscape(token)
		}
		if err := a.get("apigateway", path+query, "apigateway:GET", &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if token = page.NextToken; token == "" {
			break
		}
	}
	return all, nil
}

func (a *asking) path(rest string) string {
	return "/v2/apis/" + url.PathEscape(a.target.APIID) + rest
}
