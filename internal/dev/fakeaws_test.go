package dev

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const fakeKey, fakeSecret = "AKIAFAKEFAKEFAKEFAKE", "fake"

// fakeAWS is an AWS that only a proxy reaches: whatever is asked for, it is this.
type fakeAWS struct {
	t     *testing.T
	proxy string // its URL
	roots string // a file with who vouches for it

	refuses bool // it gets calls that are not signed with the caller's key

	mu    sync.Mutex
	hosts []string // that the proxy was asked for
}

func newFakeAWS(t *testing.T) *fakeAWS {
	a := &fakeAWS{t: t, roots: filepath.Join(t.TempDir(), "roots.pem")}
	server := httptest.NewUnstartedServer(http.HandlerFunc(a.answer))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	certificate, root := certificateOf(t, "*.us-east-1.amazonaws.com", "*.ddb.us-east-1.amazonaws.com", "*.execute-api.us-east-1.amazonaws.com")
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	write(t, a.roots, string(root))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.proxy = "http://me:secret@" + l.Addr().String()
	proxy := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.tunnel(w, r, server.Listener.Addr().String()) })}
	done := make(chan struct{})
	go func() { defer close(done); proxy.Serve(l) }()
	t.Cleanup(func() { proxy.Close(); <-done })
	return a
}

// asked are the hosts that the proxy was asked for since the last time.
func (a *fakeAWS) asked() (hosts []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	hosts, a.hosts = a.hosts, nil
	return hosts
}

func (a *fakeAWS) tunnel(w http.ResponseWriter, r *http.Request, to string) {
	a.mu.Lock()
	a.hosts = append(a.hosts, r.Host)
	a.mu.Unlock()
	if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0" {
		http.Error(w, "no", http.StatusProxyAuthRequired)
		return
	}
	there, err := net.Dial("tcp", to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffer, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { io.Copy(there, bufio.NewReader(buffer)); there.Close() }() // ends with here
	io.Copy(here, there)
}

// answer answers as DynamoDB or Lambda, if the signature is right for what has come.
func (a *fakeAWS) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := readAll(r)
	if why := wronglySigned(r, body); why != "" {
		if !a.refuses {
			a.t.Errorf("AWS gets %s %s of %s, %s", r.Method, r.RequestURI, r.Host, why)
		}
		http.Error(w, why, http.StatusForbidden)
		return
	}
	if strings.HasPrefix(r.Host, "lambda.") {
		io.WriteString(w, `"from AWS"`)
		return
	}
	answerItem(w, "from AWS")
}

func answerItem(w http.ResponseWriter, word string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	fmt.Fprintf(w, `{"Item":{"word":{"S":%q}}}`, word)
}

func readAll(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}

var authorizationForm = regexp.MustCompile(`Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)`)

// wronglySigned signs a request once more, with AWS's own signer.
func wronglySigned(r *http.Request, body []byte) string {
	m := authorizationForm.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil || m[1] != fakeKey {
		return "not signed with the caller's key"
	}
	again, err := http.NewRequest(r.Method, "https://"+r.Host+r.RequestURI, nil)
	if err != nil {
		return err.Error()
	}
	if strings.HasPrefix(m[4], ":authority;") && r.ProtoMajor == 2 {
		return "" // which AWS's signer for Go does not sign
	}
	for name := range strings.SplitSeq(m[4], ";") {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256(body)
	err = signer.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: fakeKey, SecretAccessKey: fakeSecret}, again, hex.EncodeToString(sum[:]), m[3], m[2], at)
	if n := authorizationForm.FindStringSubmatch(again.Header.Get("Authorization")); err != nil || n == nil || n[5] != m[5] {
		return fmt.Sprintf("whose signature of %s is not right: %v", m[4], err)
	}
	return ""
}

// certificateOf is a certificate for names, and the root that vouches for it.
func certificateOf(t *testing.T, names ...string) (tls.Certificate, []byte) {
	t.Helper()
	made := func(template, parent *x509.Certificate, by *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if by == nil {
			by = key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
		if err != nil {
			t.Fatal(err)
		}
		return der, key
	}
	now := time.Now()
	root := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "a root of the test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootDER, rootKey := made(root, root, nil)
	leaf := &x509.Certificate{SerialNumber: serial(), DNSNames: names, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	leafDER, leafKey := made(leaf, root, rootKey)
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})
}
