package wirepost

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wirepost/wirepost/internal/awsconfig"
)

// longFunction is the variable that names the function which does long work.
const longFunction = "WIREPOST_LONG_FUNCTION"

// invoker invokes a function of Lambda's asynchronously: it calls Invoke and nothing else
// (AWS, Lambda API reference, "Invoke"), with the credentials of the environment. One
// signed request is not worth a client of AWS's.
type invoker struct {
	getenv func(string) string

	mu          sync.Mutex
	client      *http.Client
	credentials aws.CredentialsProvider
	lastUse     time.Time // by the wall clock
}

// target is the URL of a function, and the region to sign for.
func (i *invoker) target() (target, region string, err error) {
	name := i.getenv(longFunction)
	qualifier := ""
	if name == "" {
		if name = i.getenv("AWS_LAMBDA_FUNCTION_NAME"); name == "" {
			return "", "", &Error{Problem: ProblemLongUnset, Detail: "no function is known that does long work: set " + longFunction + " to its ARN with its alias, or MuxOptions.Later"}
		}
		if version := i.getenv("AWS_LAMBDA_FUNCTION_VERSION"); version != "$LATEST" {
			qualifier = version
		}
	}
	region = cmp.Or(i.getenv("AWS_REGION"), i.getenv("AWS_DEFAULT_REGION"))
	partition := "aws"
	if parts := strings.Split(name, ":"); len(parts) >= 7 && parts[0] == "arn" && parts[2] == "lambda" {
		partition, region = parts[1], parts[3]
	}
	if region == "" {
		return "", "", errors.New("the region of the function that does long work is not known: set AWS_REGION")
	}
	base := strings.TrimSuffix(cmp.Or(i.getenv("AWS_ENDPOINT_URL_LAMBDA"), i.getenv("AWS_ENDPOINT_URL")), "/")
	if base == "" {
		base = "https://lambda." + region + ".amazonaws.com"
		if partition == "aws-cn" || strings.HasPrefix(region, "cn-") {
			base += ".cn"
		}
	}
	// A colon is escaped as AWS's own clients do it.
	target = base + "/2015-03-31/functions/" + strings.ReplaceAll(url.PathEscape(name), ":", "%3A") + "/invocations"
	if qualifier != "" {
		target += "?Qualifier=" + url.QueryEscape(qualifier)
	}
	return target, region, nil
}

// invoke hands a payload on. An error of the problem ProblemNoAnswer, or of the context,
// says that it may have been taken; any other that it was not. A dial that failed is tried
// once more.
func (i *invoker) invoke(ctx context.Context, payload []byte) error {
	target, region, err := i.target()
	if err != nil {
		return err
	}
	client, provider, err := i.prepare(ctx)
	if err != nil {
		return err
	}
	credentials, err := provider.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("find credentials for %s: %w", target, err)
	}
	for attempt := 0; ; attempt++ {
		err = invokeOnce(ctx, client, target, region, payload, credentials)
		var dial *net.OpError
		if attempt > 0 || !errors.As(err, &dial) || dial.Op != "dial" || ctx.Err() != nil {
			return err
		}
	}
}

// prepare makes the client at the first call, and closes connections that are too old to
// trust: a Lambda is frozen between invocations while the other side closes what it holds.
func (i *invoker) prepare(ctx context.Context) (*http.Client, aws.CredentialsProvider, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.credentials == nil {
		c, err := awsconfig.Load(ctx, nil)
		if err != nil {
			return nil, nil, err
		}
		i.credentials = aws.NewCredentialsCache(c.Credentials)
		i.client = &http.Client{
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 2 * time.Second,
				MaxConnsPerHost: 8, MaxIdleConnsPerHost: 8, IdleConnTimeout: 2 * time.Second, MaxResponseHeaderBytes: 32 << 10},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	now := time.Now().Round(0) // the wall clock: the other stands still in a frozen Lambda
	if now.Sub(i.lastUse) > 2*time.Second {
		i.client.CloseIdleConnections()
	}
	i.lastUse = now
	return i.client, i.credentials, nil
}

func invokeOnce(ctx context.Context, client *http.Client, target, region string, payload []byte, credentials aws.Credentials) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Amz-Invocation-Type", "Event")
	sum := sha256.Sum256(payload)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), "lambda", region, time.Now()); err != nil {
		return fmt.Errorf("sign for %s: %w", target, err)
	}
	resp, err := client.Do(r)
	if err != nil {
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			return fmt.Errorf("invoke by %s: %w", target, err)
		}
		return &Error{Problem: ProblemNoAnswer, Endpoint: target, Detail: "an asynchronous Invoke was not answered", Err: err}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 2<<10)) // what it says is for the log
	if resp.StatusCode == http.StatusAccepted {
		return nil
	}
	return refusedInvoke(target, resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), string(body))
}

// refusedInvoke is the error of an Invoke that Lambda has not accepted (AWS, Lambda API
// reference, "Invoke", errors).
func refusedInvoke(target string, status int, code, body string) error {
	e := &Error{Endpoint: target, Status: status, Body: body}
	switch {
	case status >= 500:
		e.Problem, e.Detail = ProblemNoAnswer, "an asynchronous Invoke failed"
	case status == http.StatusNotFound && strings.Contains(code+body, "ResourceNotFound"):
		e.Problem, e.Detail = ProblemLongUnknown, "Lambda knows no function of this name, or not this alias of it"
	case status == http.StatusForbidden && strings.Contains(code+body, "AccessDenied"):
		e.Problem, e.Detail = ProblemLongDenied, "the role of this function may not invoke the one that does long work"
	default:
		return fmt.Errorf("invoke by %s: answered %d: %s", target, status, said(body))
	}
	return e
}

func newInvoker() *invoker { return &invoker{getenv: os.Getenv} }
