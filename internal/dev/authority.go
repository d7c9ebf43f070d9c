package dev

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/hint"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// leafLife is how long the certificate of one run is valid.
	leafLife = 90 * 24 * time.Hour
)

// trust is the part that has the certificates: the one that the gateway shows, and the
// roots that functions trust.
type trust struct {
	c        *Config
	listener *listener
	nothingToStop

	authority *authority
	tls       *tls.Config
}

func (t *trust) start(context.Context) (err error) {
	t.c.Report.Begins("reading the folder " + string(t.c.Folder))
	if t.authority, err = openAuthority(t.c.Folder, time.Now()); err != nil {
		return err
	}
	if t.authority.said != "" {
		t.c.Report.Hint(t.authority.said)
	}
	t.tls, err = t.authority.serve(time.Now(), t.listener.address().IP)
	return err
}

// authorityFile is the certificate of the folder's authority, for people to trust.
func (f Folder) authorityFile() string { return f.file("ca.pem") }

func (f Folder) authorityKeyFile() string { return f.file("ca-key.pem") }

// authority is a certificate authority of this folder, which vouches for this
// machine and, by its name constraints, for nothing else: the one that trusts it has
// opened no other door. A handler that is written as AWS's documentation shows it
// posts to https://{domainName}/{stage}, and is only told whom to trust.
type authority struct {
	folder      Folder
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
	said        string // what the user has to know of it; may be empty
}

// openAuthority reads the folder's authority, and makes one where there is none,
// where it ends soon, and where a full disk or lost power has left nothing of it that
// could be used.
func openAuthority(folder Folder, now time.Time) (*authority, error) {
	a, err := readAuthority(folder)
	if err == nil && now.Add(2*leafLife).Before(a.certificate.NotAfter) {
		return a, nil
	}
	lost, isLost := errors.AsType[lostAuthority](err)
	if err != nil && !isLost && !errors.Is(err, fs.ErrNotExist) {
		return nil, hint.New(fmt.Errorf("read the certificate authority of this folder: %w", err), "remove "+folder.authorityFile()+" and "+folder.authorityKeyFile()+"; new ones are made")
	}
	if a, err = makeAuthority(folder, now); err == nil && isLost {
		a.said = fmt.Sprintf("%s, so a new authority was made; what trusts the old %s has to read it again", lost, folder.authorityFile())
	}
	return a, err
}

// lostAuthority says why nothing can be used of the files of an authority.
type lostAuthority string

func (l lostAuthority) Error() string { return string(l) }

func readAuthority(folder Folder) (*authority, error) {
	var all [2][]byte
	for i, file := range []string{folder.authorityFile(), folder.authorityKeyFile()} {
		var err error
		if all[i], err = atomicfile.Read(file); err != nil {
			return nil, err
		}
		if len(bytes.Trim(all[i], "\x00\n")) == 0 {
			return nil, lostAuthority(file + " was empty")
		}
	}
	cert, key := all[0], all[1]
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		if isPEM(cert, "CERTIFICATE") && isPEM(key, "PRIVATE KEY") && strings.Contains(err.Error(), "does not match") {
			// One of the two was renewed and the other was not.
			return nil, lostAuthority(folder.authorityKeyFile() + " was not the key of " + folder.authorityFile())
		}
		return nil, err
	}
	private, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("%s is not an authority that wirepost made", folder.authorityFile())
	}
	return &authority{folder: folder, certificate: pair.Leaf, key: private, pem: cert}, nil
}

func isPEM(text []byte, kind string) bool {
	block, rest := pem.Decode(text)
	return block != nil && block.Type == kind && len(bytes.TrimSpace(rest)) == 0
}

func makeAuthority(folder Folder, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "wirepost dev, this machine only"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost"},
		PermittedIPRanges: []*net.IPNet{
			{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
			{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
		},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a := &authority{folder: folder, certificate: certificate, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	// The key first: a certificate without its key could be used for nothing.
	if err := atomicfile.Write(folder.authorityKeyFile(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return nil, err
	}
	return a, atomicfile.Write(folder.authorityFile(), a.pem, 0o600)
}

// serve is what the gateway shows: a certificate for this machine's own names and the
// loopback address that it listens on, made anew for each run and kept nowhere.
func (a *authority) serve(now time.Time, address net.IP) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(leafLife),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if address.IsLoopback() {
		template.IPAddresses = append(template.IPAddresses, address)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der, a.certificate.Raw}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, nil
}

// bundles writes the roots, and behind them the authority of this folder and that of this
// run, which may be nil, into one file: programs take one file, and functions call AWS
// too. The second file is for programs that take more roots than they have: it has the
// authorities, and the certificates of the file extra, which may be empty.
func (a *authority) bundles(roots []byte, extra string, ofRun []byte) (all, more string, err error) {
	own := slices.Concat(a.pem, ofRun)
	if extra != "" {
		if text, err := os.ReadFile(extra); err == nil {
			own = slices.Concat(bytes.TrimSpace(text), []byte("\n"), own)
		}
	}
	all, more = a.folder.file("ca-bundle.pem"), a.folder.file("ca-functions.pem")
	if err := atomicfile.Write(all, slices.Concat(roots, a.pem, ofRun), 0o600); err != nil {
		return "", "", err
	}
	if err := atomicfile.Write(more, own, 0o600); err != nil {
		return "", "", err
	}
	return absolute(all), absolute(more), nil
}

// readRoots are the roots that this machine trusts: those of a file that the caller
// named, if it can be read, else the system's. Empty if they are nowhere.
func readRoots(named string) []byte {
	for _, file := range append([]string{named}, rootFiles...) {
		if file == "" {
			continue
		}
		if roots, err := os.ReadFile(file); err == nil {
			return append(bytes.TrimSpace(roots), '\n')
		}
	}
	return nil
}

// rootFiles are where systems keep the roots they trust as one file: Debian,
// Fedora, openSUSE, Alpine and macOS.
var rootFiles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return n
}
