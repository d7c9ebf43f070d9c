package awslocal

import (
	"encoding/json"
	"hash/crc32"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// serveDynamoDB answers for tables and their streams.
func (s *Services) serveDynamoDB(service Service, w http.ResponseWriter, r *http.Request, body []byte) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	tables := tablesIn(body)
	var err error
	if s.c.Tables != nil {
		var a *answer
		if a, err = s.ask(s.c.Tables, r, r.Header, "/", s.withServerARNs(body)); err == nil {
			if !noSuchTable(a) {
				s.withRealARNs(r, a).write(w)
				return
			}
			if s.forward(service, w, r, body, tables) {
				return
			}
			s.miss(r, service, operation, tables, nil)
			a.write(w)
			return
		}
	} else if s.forward(service, w, r, body, tables) {
		return
	}
	if err != nil && !notReached(err) { // it may have been done: clients try again, as on AWS
		failDynamoDB(w, http.StatusInternalServerError, "InternalServerError", err.Error())
		return
	}
	failDynamoDB(w, http.StatusBadRequest, "ResourceNotFoundException", s.miss(r, service, operation, tables, err))
}

func failDynamoDB(w http.ResponseWriter, status int, code, sentence string) {
	text, err := json.Marshal(map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#" + code, "message": sentence})
	if err != nil {
		text = []byte("{}")
	}
	a := &answer{status: status, body: text, header: http.Header{
		"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {ownRequestID()}}}
	a.sum()
	a.write(w)
}

// forward has somebody else answer for what is not here, if nothing of it is the app's.
func (s *Services) forward(service Service, w http.ResponseWriter, r *http.Request, body []byte, names []string) bool {
	kind := service
	if kind == Streams {
		kind = DynamoDB
	}
	if s.c.Forward == nil || slices.ContainsFunc(names, func(name string) bool { return s.c.Own(kind, name) }) {
		return false
	}
	restore(r, body)
	s.c.Forward(service, w, r)
	return true
}

// miss tells of a request for what is not here.
func (s *Services) miss(r *http.Request, service Service, operation string, names []string, err error) (sentence string) {
	kind := service
	if kind == Streams {
		kind = DynamoDB
	}
	// The first that is somebody else's is what is missing, unless nothing is here.
	name := ""
	for _, n := range names {
		if name == "" || s.c.Own(kind, name) && !s.c.Own(kind, n) {
			name = n
		}
	}
	return s.c.Missing(r, Miss{Service: service, Operation: operation, Name: name, Err: err})
}

// noSuchTable reports whether the server has no such table or stream.
func noSuchTable(a *answer) bool {
	var e struct {
		Type string `json:"__type"`
	}
	return a.status == http.StatusBadRequest && json.Unmarshal(a.body, &e) == nil && strings.HasSuffix(e.Type, "#ResourceNotFoundException")
}

// sum gives an answer the checksum of its body, which clients compare.
func (a *answer) sum() {
	a.header.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(a.body)), 10))
}

// DynamoDB Local has one region and one account of its own. In JSON of DynamoDB's the
// value of an attribute is never a string, so what a member ending with Arn has is an ARN
// and nothing of a row's.
const serverARN = "arn:aws:dynamodb:ddblocal:000000000000:"

var (
	serverARNs = regexp.MustCompile(`("[A-Za-z]*Arn"\s*:\s*")arn:aws:dynamodb:ddblocal:000000000000:`)
	realARNs   = regexp.MustCompile(`("(?:[A-Za-z]*Arn|TableName)"\s*:\s*")arn:aws(?:-[a-z]+)*:dynamodb:([a-z0-9-]+):(\d{12}):`)
	ofServer   = regexp.MustCompile(`("awsRegion"\s*:\s*")ddblocal"`)
)

// withServerARNs gives the ARNs of the app's account in a request as the server has them.
func (s *Services) withServerARNs(body []byte) []byte {
	if !s.ddblocal.Load() {
		return body
	}
	return realARNs.ReplaceAllFunc(body, func(found []byte) []byte {
		m := realARNs.FindSubmatch(found)
		if string(m[3]) != s.c.Account {
			return found
		}
		return append(slices.Clone(m[1]), serverARN...)
	})
}

// withRealARNs gives the ARNs in an answer as AWS would have them.
func (s *Services) withRealARNs(r *http.Request, a *answer) *answer {
	if !strings.Contains(string(a.body), "ddblocal") {
		return a
	}
	region := s.regionOf(r)
	before := len(a.body)
	real := "${1}arn:aws:dynamodb:" + region + ":" + s.c.Account + ":"
	changed := serverARNs.ReplaceAll(a.body, []byte(real))
	changed = ofServer.ReplaceAll(changed, []byte("${1}"+region+`"`))
	if len(changed) == before && string(changed) == string(a.body) {
		return a // it is in somebody's row
	}
	s.ddblocal.Store(true)
	a.body = changed
	a.sum()
	return a
}

// statementTable is the table of a PartiQL statement.
var statementTable = regexp.MustCompile(`(?i)\b(?:from|into|update)\s+"?([a-z0-9_.-]+)`)

// tablesIn are the tables that a request names, each once, in no order.
func tablesIn(body []byte) []string {
	var request struct {
		TableName, TableArn, ResourceArn, StreamArn, Statement, SourceTableName, TargetTableName string

		RequestItems  map[string]json.RawMessage
		TransactItems []map[string]json.RawMessage
		Statements    []struct{ Statement string }

		TransactStatements []struct{ Statement string }
	}
	if json.Unmarshal(body, &request) != nil {
		return nil
	}
	var all []string
	add := func(name string) {
		if _, after, ok := strings.Cut(name, ":table/"); ok {
			name, _, _ = strings.Cut(after, "/")
		}
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for _, name := range []string{request.TableName, request.TableArn, request.ResourceArn, request.StreamArn, request.SourceTableName, request.TargetTableName} {
		add(name)
	}
	for name := range request.RequestItems {
		add(name)
	}
	for _, item := range request.TransactItems {
		for _, one := range item {
			var of struct{ TableName string }
			if json.Unmarshal(one, &of) == nil {
				add(of.TableName)
			}
		}
	}
	for _, statement := range append(append(request.Statements, request.TransactStatements...), struct{ Statement string }{request.Statement}) {
		if m := statementTable.FindStringSubmatch(statement.Statement); m != nil {
			add(m[1])
		}
	}
	return all
}
