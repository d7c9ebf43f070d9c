package main

import (
	"crypto/x509"
	"os"
)

// bundles are where Go finds all authorities in one file (crypto/x509,
// root_linux.go); the second is Amazon Linux's.
var bundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}

// loadRoots reads the authorities of TLS, which the first connection would wait
// for: with 145 of them that is the longest step of a first invocation. Where there
// is a bundle, Go reads the same certificates again from a directory of single
// files, which takes three times as long as all the rest.
//
// That a directory is left out is set before anything else runs. The returned
// function is for a goroutine of its own; it ends when the roots are loaded.
func loadRoots() func() {
	files := bundles
	if f := os.Getenv("SSL_CERT_FILE"); f != "" {
		files = []string{f}
	}
	if os.Getenv("SSL_CERT_DIR") == "" {
		for _, f := range files {
			if i, err := os.Stat(f); err == nil && i.Mode().IsRegular() && i.Size() > 0 {
				os.Setenv("SSL_CERT_DIR", os.DevNull)
				break
			}
		}
	}
	return func() { x509.SystemCertPool() }
}
