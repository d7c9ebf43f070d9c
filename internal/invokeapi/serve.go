package invokeapi

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/accept"
)

const (
	pathPrefix = "/2015-03-31/functions/"
	pathSuffix = "/invocations"

	// maxBody is what is read of a request: more than the largest payload, so that its
	// refusal says how long it was.
	maxBody = MaxSyncBytes + 64<<10
	// maxDiscard is what is read of a body that is too large.
	maxDiscard = 64 << 20
	// A body comes within bodyTime, and an answer is taken within answerTime.
	bodyTime   = 30 * time.Second
	answerTime = time.Minute
)

// apiError is an error that the API itself answers with. Its members are those of the
// SDK model; the spelling of "Message" is ResourceNotFoundException's alone.
type apiError struct {
	status  int
	kind    string // type
	message string
	reason  string // of TooManyRequestsException
}

func (e *apiError) write(w http.ResponseWriter) {
	said := map[string]string{"Type": "User"}
	name := "message"
	switch {
	case e.kind == "ResourceNotFoundException":
		name = "Message"
	case e.status == http.StatusForbidden: // of the signature: there is no Type
		delete(said, "Type")
	case e.status >= 500:
		said["Type"] = "Service"
	}
	said[name] = e.message
	if e.reason != "" {
		said["Reason"] = e.reason
	}
	body, _ := json.Marshal(said) // strings only
	w.Header().Set("X-Amzn-Errortype", e.kind)
	answer(w, e.status, body)
}

func answer(w http.ResponseWriter, status int, body []byte) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
	if len(body) > 0 {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// serve answers one request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, host func(string) bool) {
	id := NewRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	refuse := func(e *apiError) { e.write(w) }
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(bodyTime))
	switch {
	case accept.FromPage(r.Header):
		w.Header().Set("Connection", "close")
		refuse(&apiError{status: http.StatusForbidden, kind: "AccessDeniedException", message: "the Invoke API answers no page of a browser"})
		return
	case !host(r.Host):
		w.Header().Set("Connection", "close")
		refuse(&apiError{status: http.StatusForbidden, kind: "AccessDeniedException", message: "the Invoke API does not have this name"})
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if len(body) > maxBody {
		_, _ = io.CopyN(io.Discard, r.Body, maxDiscard) // or the client would see a reset and no answer
		w.Header().Set("Connection", "close")
		refuse(&apiError{status: http.StatusRequestEntityTooLarge, kind: "RequestTooLargeException",
			message: fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", MaxSyncBytes)}) // text UNCERTAIN
		return
	} else if err != nil {
		refuse(&apiError{status: http.StatusBadRequest, kind: "InvalidRequestContentException", message: "Could not read the request body"}) // UNCERTAIN
		return
	}
	control.SetReadDeadline(time.Time{}) // an invocation may take 15 minutes
	control.SetWriteDeadline(time.Time{})
	region, err := s.Verify(r, body)
	if err != nil {
		status, kind, message := s.Refused(err)
		s.notice("a call of the Invoke API was refused: %v", err)
		refuse(&apiError{status: status, kind: kind, message: message})
		return
	}
	name, ok := invocationPath(r)
	if !ok {
		s.elsewhere(w, r, region, body, fmt.Sprintf("%s %.80q of Lambda's API", r.Method, r.URL.Path), "of that API only Invoke is emulated")
		return
	}
	s.invoke(w, r, id, region, name, body)
}

// invocationPath is the function's name in the path of an invocation.
func invocationPath(r *http.Request) (name string, ok bool) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), pathPrefix)
	if !ok || r.Method != http.MethodPost {
		return "", false
	}
	if rest, ok = strings.CutSuffix(rest, pathSuffix); !ok || strings.Contains(rest, "/") {
		return "", false
	}
	name, err := url.PathUnescape(rest)
	return name, err == nil
}

// elsewhere answers what is not here.
func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request, region string, body []byte, what, why string) {
	if s.Forward != nil {
		s.Forward(w, r, region, body)
		return
	}
	s.notice("%s was called, and %s", what, why)
	(&apiError{status: http.StatusNotFound, kind: "ResourceNotFoundException", message: what + ": " + why}).write(w)
}

// find is the function that a request names, or what is answered in its place.
func (s *Server) find(r *http.Request, text string) (id string, t target, wrong *apiError) {
	t, ok := parseName(text)
	if !ok {
		return "", t, invalid("1 validation error detected: Value '%.256s' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", text, functionName)
	}
	if q := r.URL.Query().Get("Qualifier"); q != "" {
		switch {
		case !qualifier.MatchString(q) || len(q) > 128:
			return "", t, invalid("1 validation error detected: Value '%.128s' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", q, qualifier)
		case t.qualifier != "" && t.qualifier != q:
			return "", t, &apiError{status: http.StatusBadRequest, kind: "InvalidParameterValueException", message: "The derived qualifier from the function name does not match the specified qualifier."}
		}
		t.qualifier = q
	}
	if (t.account == "" || t.account == s.Account) && (t.region == "" || t.region == s.Region) {
		if found, ok := s.Functions.Find(t.name); ok {
			id = found
		}
	}
	return id, t, nil
}

// invalid is the answer to a value that the model does not have.
func invalid(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: "ValidationException", message: fmt.Sprintf(format, args...)} // type and text UNCERTAIN
}

// readCall is what the headers of an invocation say.
func readCall(r *http.Request, id string, t target) (kind string, tail bool, c *Call, wrong *apiError) {
	kind, log := r.Header.Get("X-Amz-Invocation-Type"), r.Header.Get("X-Amz-Log-Type")
	c = &Call{RequestID: id, Qualifier: t.qualifier}
	switch kind {
	case "":
		kind = "RequestResponse"
	case "RequestResponse", "Event", "DryRun":
	default:
		return "", false, nil, invalid("1 validation error detected: Value '%.80s' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]", kind)
	}
	if log != "" && log != "None" && log != "Tail" {
		return "", false, nil, invalid("1 validation error detected: Value '%.80s' at 'logType' failed to satisfy constraint: Member must satisfy enum value set: [None, Tail]", log)
	}
	if text := r.Header.Get("X-Amz-Client-Context"); text != "" && kind == "RequestResponse" { // for these only (SDK model)
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(text) > maxClientContext || !isObject(decoded) {
			return "", false, nil, &apiError{status: http.StatusBadRequest, kind: "InvalidRequestContentException", message: "Client context must be a valid Base64-encoded JSON object."} // text UNCERTAIN
		}
		var compact bytes.Buffer
		_ = json.Compact(&compact, decoded) // it is JSON; in one line, for it becomes a header
		c.ClientContext = compact.String()
	}
	c.Event = kind == "Event"
	return kind, log == "Tail" && kind == "RequestResponse", c, nil
}

func isObject(text []byte) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(text, &object) == nil && object != nil
}

// invoke answers a request to invoke a function.
func (s *Server) invoke(w http.ResponseWriter, r *http.Request, id, region, name string, body []byte) {
	function, t, wrong := s.find(r, name)
	if wrong != nil {
		wrong.write(w)
		return
	}
	if function == "" {
		s.another(w, r, region, t, body)
		return
	}
	if region != s.Region && t.region == "" {
		s.notice("function %s was invoked in the region %s, and the app's is %s: on AWS that is another function", t.name, region, s.Region)
	}
	kind, tail, call, wrong := readCall(r, id, t)
	most := MaxSyncBytes
	if kind == "Event" {
		most = MaxAsyncBytes
	}
	if len(body) == 0 {
		body = []byte("{}") // UNCERTAIN
	}
	switch {
	case wrong != nil:
	case len(body) > most:
		wrong = &apiError{status: http.StatusRequestEntityTooLarge, kind: "RequestTooLargeException",
			message: fmt.Sprintf("%d byte payload is too large for the %s invocation type (limit %d bytes)", len(body), kind, most)}
	case !json.Valid(body):
		wrong = &apiError{status: http.StatusBadRequest, kind: "InvalidRequestContentException", message: "Could not parse request body into json: " + whyNotJSON(body)} // the rest of the text is Java's on AWS
	}
	switch {
	case wrong != nil:
		wrong.write(w)
	case kind == "DryRun":
		answer(w, http.StatusNoContent, nil)
	case kind == "Event":
		s.enqueue(w, function, t, body, call)
	default:
		s.call(w, r, function, body, call, tail)
	}
}

func whyNotJSON(body []byte) string {
	var v any
	return json.Unmarshal(body, &v).Error()
}

// another answers for a function that is not of the app.
func (s *Server) another(w http.ResponseWriter, r *http.Request, region string, t target, body []byte) {
	if s.Forward != nil {
		s.Forward(w, r, region, body)
		return
	}
	if t.region != "" {
		region = t.region
	}
	account := t.account
	if account == "" {
		account = s.Account
	}
	why := "the app that runs here has no function of that name"
	if _, own := s.Functions.Find(t.name); own {
		why = fmt.Sprintf("the one that runs here is of the region %s and the account %s", s.Region, s.Account)
	}
	s.notice("function %s was invoked, and %s; --credentials inherit calls it on AWS", arn(region, account, t), why)
	(&apiError{status: http.StatusNotFound, kind: "ResourceNotFoundException", message: "Function not found: " + arn(region, account, t)}).write(w)
}

// enqueue takes an asynchronous invocation.
func (s *Server) enqueue(w http.ResponseWriter, function string, t target, body []byte, call *Call) {
	if err := s.Queue.Add(function, body, call); err != nil {
		s.notice("an event for function %s was refused: %v", t.name, err)
		(&apiError{status: http.StatusTooManyRequests, kind: "TooManyRequestsException", message: "Rate Exceeded.", reason: "FunctionInvocationRateLimitExceeded"}).write(w) // reason UNCERTAIN
		return
	}
	answer(w, http.StatusAccepted, nil)
}

// call answers a synchronous invocation.
func (s *Server) call(w http.ResponseWriter, r *http.Request, function string, body []byte, call *Call, tail bool) {
	var log logTail
	if tail {
		call.Line = log.add
	}
	began := time.Now()
	said, err := s.Functions.Invoke(r.Context(), function, body, call)
	failed, isFunctions := errors.AsType[*FunctionError](err)
	switch {
	case errors.Is(err, ErrBusy):
		(&apiError{status: http.StatusTooManyRequests, kind: "TooManyRequestsException", message: "Rate Exceeded.", reason: "ReservedFunctionConcurrentInvocationLimitExceeded"}).write(w)
		return
	case r.Context().Err() != nil: // the caller has gone
		return
	case isFunctions:
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		said = failed.Body
	case err != nil:
		(&apiError{status: http.StatusInternalServerError, kind: "ServiceException", message: err.Error()}).write(w)
		return
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	if took := time.Since(began); tail {
		Settle(log.count)
		w.Header().Set("X-Amz-Log-Result", log.result(call.RequestID, took))
	}
	answer(w, http.StatusOK, said)
}

// NewRequestID is the ID of a new invocation, a UUID of version 4.
func NewRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
