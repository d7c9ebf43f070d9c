package dev

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

func TestTheAuthorityVouchesForThisMachineOnly(t *testing.T) {
	folder := Folder(t.TempDir())
	now := time.Now()
	a, err := openAuthority(folder, now)
	if err != nil {
		t.Fatal(err)
	}
	again, err := openAuthority(folder, now)
	if err != nil || !again.certificate.Equal(a.certificate) {
		t.Errorf("the authority does not stay: %v", err)
	}
	for _, file := range []string{folder.authorityFile(), folder.authorityKeyFile()} {
		if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, fi.Mode(), err)
		}
	}
	config, err := a.serve(now, net.IPv4(127, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = config
	server.StartTLS()
	defer server.Close()
	bundle, _, err := a.bundles(readRoots(""), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in the bundle")
	}
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for _, host := range []string{"localhost", "127.0.0.1"} {
		r, err := client.Get("https://" + host + ":" + port)
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		r.Body.Close()
	}

	// One that has the key cannot speak for another host.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial(), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), DNSNames: []string{"example.com"},
	}, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := forged.Verify(x509.VerifyOptions{Roots: roots, DNSName: "example.com"}); err == nil {
		t.Error("a certificate of the authority for example.com is believed")
	}
}

func TestABrokenAuthorityIsExplained(t *testing.T) {
	folder := Folder(t.TempDir())
	if err := os.WriteFile(folder.authorityFile(), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder.authorityKeyFile(), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openAuthority(folder, time.Now()); err == nil || !strings.Contains(err.Error(), "certificate authority of this folder") {
		t.Errorf("openAuthority: %v", err)
	}
}
