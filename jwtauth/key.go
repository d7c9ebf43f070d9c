package jwtauth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// key is a key with the one algorithm that it is for.
type key struct {
	alg    string
	public any    // as golang-jwt takes it; a []byte for HS256
	kid    string // in a key set; may be empty
}

// minSecret is the least size of an HMAC secret: that of the hash (RFC 7518, 3.2).
const minSecret = 32

// parseKey reads [Options].Key. Its errors say nothing of the key itself, which
// may be a secret.
func parseKey(s string) (*key, error) {
	if secret, ok := strings.CutPrefix(strings.TrimSpace(s), "hmac:"); ok {
		raw, err := decodeBase64(secret)
		if err != nil {
			return nil, errors.New("what follows hmac: in the key is not base64")
		}
		if len(raw) < minSecret {
			return nil, fmt.Errorf("the secret has %d bytes; HS256 needs %d at least, such as: openssl rand -base64 32", len(raw), minSecret)
		}
		return &key{alg: "HS256", public: raw}, nil
	}
	if !strings.Contains(s, "\n") {
		s = strings.ReplaceAll(s, `\n`, "\n")
	}
	block, rest := pem.Decode([]byte(s))
	if block == nil {
		return nil, errors.New("the key is neither a PEM block nor hmac: and a base64 secret")
	}
	if len(strings.TrimSpace(string(rest))) > 0 {
		return nil, errors.New("something follows the first PEM block of the key; give one key")
	}
	var public any
	var err error
	switch {
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("the key is a private key; give its public key, which is all that checking a token needs")
	case block.Type == "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = c.PublicKey
		}
	default:
		return nil, fmt.Errorf("the key's PEM block is a %q; a PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE is needed", clip(block.Type))
	}
	if err != nil {
		return nil, fmt.Errorf("the key's PEM block cannot be read: %w", err)
	}
	return newKey(public)
}

// newKey is the place where a key gets its algorithm.
func newKey(public any) (*key, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		// Larger ones cost the one that checks them more than any use of them is worth.
		if n := k.N.BitLen(); n < 2048 || n > 8192 {
			return nil, fmt.Errorf("the RSA key has %d bits; 2,048 to 8,192 are possible", n)
		}
		return &key{alg: "RS256", public: k}, nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return nil, fmt.Errorf("the key is of the curve %s; ES256 is of P-256", k.Curve.Params().Name)
		}
		return &key{alg: "ES256", public: k}, nil
	case ed25519.PublicKey:
		return &key{alg: "EdDSA", public: k}, nil
	}
	return nil, fmt.Errorf("a key of type %T cannot be used with RS256, ES256 or EdDSA", public)
}

// decodeBase64 reads both alphabets, padded or not.
func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(strings.TrimSpace(s), "=")
	s = strings.NewReplacer("+", "-", "/", "_").Replace(s)
	return base64.RawURLEncoding.DecodeString(s)
}
