package intercept

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// byName connects to the port for server names.
func byName(i *Interceptor, name string, protocols ...string) (*tls.Conn, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(i.Authority().PEM())
	d := &net.Dialer{Timeout: 10 * time.Second}
	return tls.DialWithDialer(d, "tcp", i.Names(), &tls.Config{RootCAs: roots, ServerName: name, NextProtos: protocols})
}

func TestThePortForServerNamesSpeaksWhatTheClientOffers(t *testing.T) {
	i, _ := running(t, Config{})
	client := i.NewClient("chat", nil, nil)
	token := protocolPrefix + client.token
	for _, c := range []struct {
		offered []string
		want    string
	}{
		{[]string{token}, ""}, {[]string{"http/1.1", token}, "http/1.1"}, {[]string{"h2", token}, "h2"}, {[]string{"http/1.1", "h2", token}, "h2"}, {[]string{"spdy/3", token}, ""},
	} {
		nc, err := byName(i, tableHost, c.offered...)
		if err != nil {
			t.Errorf("%q: %v", c.offered, err)
			continue
		}
		if got := nc.ConnectionState().NegotiatedProtocol; got != c.want {
			t.Errorf("%q: %s, want %s", c.offered, got, c.want)
		}
		nc.Close()
	}
	nc, err := byName(i, tableHost, token)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(nc, "POST /x HTTP/1.1\r\nHost: "+tableHost+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	if got, _ := io.ReadAll(nc); !strings.Contains(string(got), "HTTP/1.1 POST /x of "+tableHost+" for chat:  ("+tableHost+") ") {
		t.Errorf("%s", got)
	}
}

func TestWithoutATokenThePortForServerNamesGivesNothing(t *testing.T) {
	i, h := running(t, Config{})
	client := i.NewClient("chat", nil, nil)
	gone := i.NewClient("chat", nil, nil)
	gone.Close()
	token := protocolPrefix + client.token
	for name, c := range map[string]struct {
		server    string
		protocols []string
	}{
		"a browser":                    {tableHost, []string{"h2", "http/1.1"}},
		"no protocols":                 {tableHost, nil},
		"another token":                {tableHost, []string{protocolPrefix + strings.Repeat("0", 32)}},
		"an empty token":               {tableHost, []string{protocolPrefix}},
		"that of a process that ended": {tableHost, []string{protocolPrefix + gone.token}},
		"one that is wrong, too":       {tableHost, []string{token, protocolPrefix + "x"}},
		"a name that is not AWS's":     {"rebound.evil.test", []string{token}},
		"localhost":                    {"localhost", []string{token}},
		"a host that is not here":      {"s3.us-east-1.amazonaws.com", []string{token}},
	} {
		if nc, err := byName(i, c.server, c.protocols...); err == nil {
			nc.Close()
			t.Errorf("%s is let in", name)
		}
	}
	nc, err := net.Dial("tcp", i.Names())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(nc, "POST / HTTP/1.1\r\nHost: "+tableHost+"\r\nOrigin: https://evil.test\r\nContent-Length: 0\r\n\r\n")
	// net/http's own words to those who speak no TLS, with nothing behind them.
	if got, _ := io.ReadAll(nc); len(got) > 0 && !bytes.HasPrefix(got, []byte("HTTP/1.0 400 Bad Request")) && got[0] != 0x15 {
		t.Errorf("without TLS it answers %q", got)
	}
	if said := h.all(); said != "" {
		t.Errorf("it is told: %s", said)
	}
}

// A connection that is opened for one host serves that one: a token and a name let nobody
// reach another's handler by the Host header.
func TestARequestForAnotherHostThanItsConnectionsIsMisdirected(t *testing.T) {
	i, _ := running(t, Config{})
	client := i.NewClient("chat", nil, nil)
	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: sns.us-east-1.amazonaws.com\r\n", "POST / HTTP/1.1\r\nHost: localhost\r\n", "POST / HTTP/1.1\r\nHost: rebound.evil.test\r\n",
		"POST / HTTP/1.1\r\nHost: dynamodb.eu-west-1.amazonaws.com\r\n", "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n", "CONNECT " + tableHost + ":443 HTTP/1.1\r\nHost: " + tableHost + ":443\r\n",
	} {
		nc, err := byName(i, tableHost, protocolPrefix+client.token)
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(nc, request+"Content-Length: 0\r\nConnection: close\r\n\r\n")
		got, _ := io.ReadAll(nc)
		nc.Close()
		if line, _, _ := strings.Cut(string(got), "\r\n"); !strings.Contains(line, "421") && !strings.Contains(line, "405") {
			t.Errorf("%q: %s", request, line)
		}
	}
	// A whole URL by the proxy is for its own host, whatever the header says.
	status, text := raw(t, i.Proxy(), "GET http://"+tableHost+"/ HTTP/1.1\r\nHost: localhost\r\nProxy-Authorization: "+client.authorization()+"\r\nConnection: close\r\n\r\n")
	if status != 200 && status != http.StatusMisdirectedRequest {
		t.Errorf("%d %s", status, text)
	}
}

func TestTheAuthorityOfARunVouchesForNamesOfAWSOnly(t *testing.T) {
	a, err := NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(a.PEM(), []byte("PRIVATE")) {
		t.Error("the certificate comes with its key")
	}
	other, err := NewAuthority(time.Now())
	if err != nil || a.key.Equal(other.key) || a.key.Equal(a.leafKey) {
		t.Errorf("two runs have one key: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.PEM())
	// forged is what anybody who had the key could make.
	forged := func(template *x509.Certificate) *x509.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template.SerialNumber, template.NotBefore, template.NotAfter = serial(), time.Now().Add(-time.Minute), time.Now().Add(time.Minute)
		der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for name, believed := range map[string]bool{
		"dynamodb.us-east-1.amazonaws.com": true, "sqs.cn-north-1.amazonaws.com.cn": true, "lambda.us-east-1.api.aws": true,
		"example.com": false, "localhost": false, "amazonaws.com.evil.test": false, "evilamazonaws.com": false, "aws.amazon.com": false, "127.0.0.1": false, "::1": false,
	} {
		template := &x509.Certificate{DNSNames: []string{name}}
		if ip := net.ParseIP(name); ip != nil {
			template = &x509.Certificate{IPAddresses: []net.IP{ip}}
		}
		if _, err := forged(template).Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); (err == nil) != believed {
			t.Errorf("a certificate for %s is believed: %v, %v", name, err == nil, err)
		}
		if _, err := a.certificateFor(name); (err == nil) != believed {
			t.Errorf("it makes one for %s: %v", name, err)
		}
	}
	for n := range maxLeaves + 10 {
		if _, err := a.certificateFor(strings.Repeat("a", n%60+1) + "." + strings.Repeat("b", n/60+1) + ".amazonaws.com"); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.leaves) > maxLeaves {
		t.Errorf("it keeps %d certificates", len(a.leaves))
	}
}

func TestNODE_OPTIONSKeepsWhatItHas(t *testing.T) {
	for path, want := range map[string]string{
		"/a/b.cjs": `--require "/a/b.cjs" --no-warnings`, `/a b/"c"\d.cjs`: `--require "/a b/\"c\"\\d.cjs" --no-warnings`,
	} {
		if got := NodeOptions("--no-warnings", path); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := NodeOptions("", "/a"); got != `--require "/a"` {
		t.Errorf("%s", got)
	}
}
