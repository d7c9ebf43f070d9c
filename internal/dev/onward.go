package dev

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/awslocal"
)

// onward has AWS answer a request: as it came if it was for a host of AWS's. One that a
// client was led here with by AWS_ENDPOINT_URL is signed for this machine, and is signed
// again for AWS's host, with the credentials that the function has.
type onward struct {
	pair   func() gateway.Credentials
	region string
	aws    http.Handler // sends a request to the https host that it names
}

func (o onward) forward(s awslocal.Service, w http.ResponseWriter, r *http.Request) {
	if !loopbackHost(r.Host) {
		o.aws.ServeHTTP(w, r)
		return
	}
	again, err := o.resigned(s, r)
	if err != nil {
		http.Error(w, "sign the request for AWS: "+err.Error(), http.StatusInternalServerError)
		return
	}
	o.aws.ServeHTTP(w, again)
}

func loopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// resigned is a request for AWS's host of the service, in the region that it was signed
// for.
func (o onward) resigned(s awslocal.Service, r *http.Request) (*http.Request, error) {
	body, err := io.ReadAll(r.Body) // it has been bounded
	if err != nil {
		return nil, err
	}
	region := awslocal.RegionOf(r)
	if region == "" {
		region = o.region
	}
	host := fmt.Sprintf("%s.%s.amazonaws.com", s, region)
	if strings.HasPrefix(region, "cn-") {
		host += ".cn"
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, "https://"+host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		switch name {
		case "Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256", "Connection", "Accept-Encoding":
		default:
			out.Header[name] = values
		}
	}
	service := strings.TrimPrefix(string(s), "streams.") // streams are signed for dynamodb, too
	pair, sum := o.pair(), sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: pair.AccessKeyID, SecretAccessKey: pair.SecretAccessKey, SessionToken: pair.SessionToken}, out, hex.EncodeToString(sum[:]), service, region, time.Now())
	return out, err
}
