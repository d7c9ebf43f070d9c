package doctor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/awsconfig"
)

// developmentPair opens a gateway on this machine, and nothing else.
var developmentPair = aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost", Source: "wirepost development pair"}

// services are AWS's, by the name that their requests are signed for: the variable
// that replaces the endpoint, and the first label of the host if it differs.
var services = map[string]struct{ variable, label string }{
	"sts":          {"AWS_ENDPOINT_URL_STS", ""},
	"apigateway":   {"AWS_ENDPOINT_URL_APIGATEWAYV2", ""},
	"lambda":       {"AWS_ENDPOINT_URL_LAMBDA", ""},
	"cloudtrail":   {"AWS_ENDPOINT_URL_CLOUDTRAIL", ""},
	"apigatewayv1": {"AWS_ENDPOINT_URL_API_GATEWAY", "apigateway"},
}

// base is the URL of a service: AWS's own in the endpoint's region, or what the
// environment says instead.
func (d *run) base(service string) string {
	s := services[service]
	if v := d.o.Getenv(s.variable); v != "" {
		return strings.TrimSuffix(v, "/")
	}
	return "https://" + d.ownHost(service)
}

// ownHost is AWS's host of a service in the endpoint's region.
func (d *run) ownHost(service string) string {
	return orElse(services[service].label, service) + "." + d.endpoint.Region + dnsSuffix(d.endpoint.Region)
}

// errNotTrusted keeps signed requests at home.
var errNotTrusted = errors.New("a signed request goes to AWS, to this machine and to trusted hosts only")

// do signs a request for a service, in the endpoint's region, and sends it.
func (d *run) do(req *http.Request, service string, body []byte) (*http.Response, error) {
	return d.doIn(d.endpoint.Region, req, service, body)
}

func (d *run) doIn(region string, req *http.Request, service string, body []byte) (*http.Response, error) {
	host := req.URL.Hostname()
	own := req.URL.Scheme == "https" && req.URL.Host == d.ownHost(service)
	if !own && !d.mayBeSigned(host, req.URL.Host) {
		return nil, fmt.Errorf("%s: %w", req.URL.Host, errNotTrusted)
	}
	if body != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	sum := sha256.Sum256(body)
	service = strings.TrimSuffix(service, "v1")
	if err := v4.NewSigner().SignHTTP(req.Context(), d.credentials, req, hex.EncodeToString(sum[:]), service, region, d.o.Now()); err != nil {
		return nil, err
	}
	return d.client.Do(req)
}

// identify finds the credentials and asks whose they are.
func (d *run) identify(ctx context.Context) {
	if d.gone != "" {
		d.skip("identity", d.gone)
		return
	}
	if d.o.Credentials == nil && d.loopback && d.o.LoopbackCredentials != nil {
		d.o.Credentials = d.o.LoopbackCredentials
	}
	if d.o.Credentials == nil && d.loopback {
		d.credentials = developmentPair
		d.report.Identity = "the development pair of a gateway on this machine"
		d.ok("identity", d.report.Identity)
		return
	}
	step, cancel := d.step(ctx)
	defer cancel()
	if err := d.retrieve(step); err != nil {
		d.gone = "there are no credentials to sign with"
		d.add(unsigned(err))
		return
	}
	if d.loopback {
		d.report.Identity = "key " + d.credentials.AccessKeyID
		d.ok("identity", d.report.Identity)
		return
	}
	d.whoAmI(ctx)
}

// errNoCredentials is of a provider that has none, and does not say why.
var errNoCredentials = errors.New("the credentials are empty")

// unsigned says that there is nothing to sign with, and why, if the one that should have it
// says so: a session that is over, a file that cannot be read.
func unsigned(err error) Check {
	sentence, fix := "no AWS credentials: requests of AWS's client would go out unsigned, without an error", ""
	if !errors.Is(err, errNoCredentials) && !errors.Is(err, awsconfig.ErrNoCredentials) {
		sentence = "the AWS credentials could not be had: " + oneLine(err.Error())
		if timedOut(err) {
			sentence = "the AWS credentials could not be had: who gives them did not answer in time"
		}
	}
	if known, ok := errors.AsType[interface {
		error
		Fix() string
	}](err); ok {
		fix = known.Fix()
	}
	return found("identity", Fail, wirepost.ProblemCredentialsMissing, sentence, fix)
}

func (d *run) retrieve(ctx context.Context) error {
	provider := d.o.Credentials
	if provider == nil {
		cfg, err := awsconfig.Load(ctx, nil)
		if err != nil {
			return err
		}
		provider = cfg.Credentials
	}
	if provider == nil {
		return errNoCredentials
	}
	c, err := provider.Retrieve(ctx)
	if err == nil && !c.HasKeys() {
		err = errNoCredentials
	}
	d.credentials = c
	return err
}

// whoAmI asks STS. That it does not answer is no proof of anything: a VPC may have no
// way to it.
func (d *run) whoAmI(ctx context.Context) {
	step, cancel := d.step(ctx)
	defer cancel()
	form := url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}}.Encode()
	req, err := http.NewRequestWithContext(step, http.MethodPost, d.base("sts")+"/", nil)
	if err != nil {
		d.skip("identity", fmt.Sprintf("sts could not be asked: %v", err))
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	resp, err := d.do(req, "sts", []byte(form))
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		d.skip("identity", fmt.Sprintf("sts did not answer: %v", err))
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	// Four fields do not need a parser of XML, which every function would link.
	said := struct{ ARN, Account, Code, Message string }{element(body, "Arn"), element(body, "Account"), element(body, "Code"), element(body, "Message")}
	switch {
	case resp.StatusCode == http.StatusOK && said.ARN != "":
		d.account = said.Account
		d.report.Identity = said.ARN
		d.ok("identity", said.ARN)
	case said.Code == "SignatureDoesNotMatch" && strings.Contains(said.Message, "Signature expired"):
		d.gone = "the clock is wrong"
		d.add(answered(found("identity", Fail, wirepost.ProblemClockSkew, "", ""), resp.StatusCode, said.Message))
	case said.Code == "SignatureDoesNotMatch":
		d.gone = "the secret key is wrong"
		d.add(answered(found("identity", Fail, wirepost.ProblemSignatureMismatch, "the secret key does not belong to the access key "+d.credentials.AccessKeyID, "set AWS_SECRET_ACCESS_KEY to the secret of this key"), resp.StatusCode, said.Message))
	case said.Code == "InvalidClientTokenId", said.Code == "ExpiredToken", said.Code == "ExpiredTokenException", said.Code == "UnrecognizedClientException":
		d.gone = "the credentials are not valid"
		d.add(answered(found("identity", Fail, wirepost.ProblemCredentialsInvalid, "AWS does not accept these credentials ("+said.Code+")", ""), resp.StatusCode, said.Message))
	default:
		d.skip("identity", fmt.Sprintf("sts answered %d %s", resp.StatusCode, said.Code))
	}
}

// element is the text of the first element of a name.
func element(xml []byte, name string) string {
	_, rest, _ := strings.Cut(string(xml), "<"+name+">")
	text, _, ok := strings.Cut(rest, "</"+name+">")
	if !ok {
		return ""
	}
	return text
}

func answered(c Check, status int, body string) Check {
	c.Answer = &Answer{status, body}
	return c
}
