//go:build linux

package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const bundle = "etc/ssl/certs/ca-certificates.crt"

// trusted is the line of the doctor's report on a certificate that somebody vouches for.
var trusted = regexp.MustCompile(`(?m)^ok +tls `)

// devTrusts lets the doctor of the image ask a server on this machine over TLS: it does
// not trust it, and does once the server's certificate is in the container's bundle.
func devTrusts(ctx context.Context, i *image) error {
	name := filepath.Join(i.root, bundle)
	have, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(have) || strings.Count(string(have), "BEGIN CERTIFICATE") < 50 {
		return fmt.Errorf("%s has fewer certificates than authorities that browsers trust", bundle)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it is refused on purpose
	server.StartTLS()
	defer server.Close()
	trusts := func() (yes bool, said string) {
		// It fails in any case: this is no API Gateway.
		said, _ = i.once(ctx, "/usr/bin/wirepost", "doctor", strings.Replace(server.URL, "https", "wss", 1)+"/dev")
		return trusted.MatchString(said), said
	}
	if yes, said := trusts(); yes || !strings.Contains(said, "certificate") {
		return fmt.Errorf("the doctor trusts a server that nobody vouches for, or does not ask it:\n%s", said)
	}
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(name, append(have, own...), 0o644); err != nil {
		return err
	}
	if yes, said := trusts(); !yes {
		return fmt.Errorf("the doctor does not read %s of the image:\n%s", bundle, said)
	}
	return nil
}
