package intercept

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"sync"
	"time"
)

// Authority is a certificate authority for one run. Its key is in memory only. By its
// name constraints it vouches for names of AWS and nothing else: not for other names, and
// for no IP address.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
	leafKey     *ecdsa.PrivateKey

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

const (
	authorityLife = 90 * 24 * time.Hour
	// maxLeaves bounds the certificates that are kept: programs may make names up.
	maxLeaves = 256
)

// domains are those that an Authority vouches for.
var domains = []string{"amazonaws.com", "amazonaws.com.cn", "api.aws"}

// NewAuthority makes an authority that is valid for 90 days from now.
func NewAuthority(now time.Time) (*Authority, error) {
	a := &Authority{leaves: map[string]*tls.Certificate{}}
	var err error
	for _, key := range []**ecdsa.PrivateKey{&a.key, &a.leafKey} {
		if *key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, fmt.Errorf("make the key of an authority: %w", err)
		}
	}
	every := func(bytes int) *net.IPNet {
		return &net.IPNet{IP: make(net.IP, bytes), Mask: make(net.IPMask, bytes)}
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "wirepost dev, one run, names of AWS only"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         domains,
		ExcludedIPRanges:            []*net.IPNet{every(net.IPv4len), every(net.IPv6len)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("make the certificate of an authority: %w", err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a, nil
}

// PEM is the certificate of the authority, for programs to trust.
func (a *Authority) PEM() []byte { return slices.Clone(a.pem) }

// certificateFor is a certificate for one name of AWS's.
func (a *Authority) certificateFor(name string) (*tls.Certificate, error) {
	host, ok := ParseHost(name)
	if !ok {
		return nil, errors.New("the server name is not one of AWS's")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if leaf := a.leaves[host.Name]; leaf != nil {
		return leaf, nil
	}
	template := &x509.Certificate{
		SerialNumber: serial(), NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter,
		DNSNames: []string{host.Name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &a.leafKey.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %s: %w", host.Name, err)
	}
	if len(a.leaves) >= maxLeaves {
		clear(a.leaves)
	}
	leaf := &tls.Certificate{Certificate: [][]byte{der, a.certificate.Raw}, PrivateKey: a.leafKey}
	a.leaves[host.Name] = leaf
	return leaf, nil
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return n
}
