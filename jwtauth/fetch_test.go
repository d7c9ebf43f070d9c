package jwtauth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/jwtauth"
)

// asking is a call of Verify in a goroutine of its own.
func asking(ctx context.Context, v *jwtauth.Verifier, token string) <-chan error {
	result := make(chan error, 1)
	go func() {
		_, err := v.Verify(ctx, token)
		result <- err
	}()
	return result
}

func TestWhoLeavesAFetchTakesNobodyAlong(t *testing.T) {
	keys()
	synctest.Test(t, func(t *testing.T) {
		k := keys()
		p := &idp{body: set(jwk("r", k.rsa)), hold: make(chan struct{})}
		v := p.verifier(t)
		token := p.token(t, "r", k.rsa)
		ctx, cancel := context.WithCancel(t.Context())
		first := asking(ctx, v, token)
		synctest.Wait()
		second := asking(t.Context(), v, token)
		synctest.Wait()
		began := time.Now()
		cancel()
		if err := <-first; !errors.Is(err, jwtauth.ErrKeys) || !errors.Is(err, context.Canceled) || time.Since(began) != 0 {
			t.Errorf("who was cancelled: %v after %v, want ErrKeys and the context's error at once", err, time.Since(began))
		}
		close(p.hold)
		if err := <-second; err != nil {
			t.Errorf("who waited for the same fetch: %v", err)
		}
		if n := p.fetches.Load(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

func TestACallThatWasCancelledIsNoFailureOfTheKeyServer(t *testing.T) {
	k := keys()
	cancelled := func(t *testing.T, p *idp, v *jwtauth.Verifier, token string) {
		t.Helper()
		p.hold = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		first := asking(ctx, v, token)
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, jwtauth.ErrKeys) || !errors.Is(err, context.Canceled) {
			t.Errorf("who was cancelled: %v", err)
		}
		synctest.Wait()
		if n := p.held.Load(); n != 0 {
			t.Errorf("%d fetches run on when nobody waits for them", n)
		}
		p.hold = nil
	}
	for name, before := range map[string]string{"the first key": "", "a new key": set(jwk("old", k.rsa2))} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &idp{body: before}
				v := p.verifier(t)
				if before != "" {
					if _, err := v.Verify(t.Context(), p.token(t, "old", k.rsa2)); err != nil {
						t.Fatal(err)
					}
					p.now = p.now.Add(time.Minute)
				}
				p.body = set(jwk("r", k.rsa))
				token := p.token(t, "r", k.rsa)
				cancelled(t, p, v, token)
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Errorf("in the same moment: %v", err)
				}
			})
		})
	}
}

func TestADeadlineOfACallIsNotThatOfTheFetch(t *testing.T) {
	keys()
	synctest.Test(t, func(t *testing.T) {
		k := keys()
		p := &idp{body: set(jwk("r", k.rsa)), hold: make(chan struct{})}
		v := p.verifier(t)
		token := p.token(t, "r", k.rsa)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		first, second := asking(short, v, token), asking(t.Context(), v, token)
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("the one with a second: %v after %v", err, time.Since(began))
		}
		if err := <-second; !errors.Is(err, jwtauth.ErrKeys) || time.Since(began) != 2*time.Second {
			t.Errorf("the other: %v after %v, want ErrKeys after the fetch's 2s", err, time.Since(began))
		}
		// That was the server's failure, and is remembered.
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwtauth.ErrKeys) || p.fetches.Load() != 1 {
			t.Errorf("at once again: %v after %d fetches", err, p.fetches.Load())
		}
		ended, end := context.WithCancel(t.Context())
		end()
		p.now = p.now.Add(5 * time.Second)
		if _, err := v.Verify(ended, token); !errors.Is(err, context.Canceled) || p.fetches.Load() != 1 {
			t.Errorf("who has gone before it asks: %v after %d fetches", err, p.fetches.Load())
		}
	})
}

func TestACallThatIsCancelledGoesOnWithTheOldKeys(t *testing.T) {
	keys()
	synctest.Test(t, func(t *testing.T) {
		k := keys()
		p := &idp{body: set(jwk("r", k.rsa))}
		v := p.verifier(t)
		token := p.token(t, "r", k.rsa)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		p.now, p.hold = p.now.Add(time.Hour), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		result := asking(ctx, v, token)
		synctest.Wait()
		cancel()
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
}

func TestAFetchThatFailedIsTriedAgainForANewKeyAfterFiveSeconds(t *testing.T) {
	k := keys()
	p := &idp{body: set(jwk("old", k.rsa2))}
	v := p.verifier(t)
	if _, err := v.Verify(t.Context(), p.token(t, "old", k.rsa2)); err != nil {
		t.Fatal(err)
	}
	p.now, p.status, p.body = p.now.Add(time.Minute), 500, set(jwk("old", k.rsa2), jwk("new", k.rsa))
	token := p.token(t, "new", k.rsa)
	for range 2 { // the token may be good: it is not the token that is wrong
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwtauth.ErrKeys) || p.fetches.Load() != 2 {
			t.Errorf("while the server fails: %v after %d fetches", err, p.fetches.Load())
		}
	}
	if _, err := v.Verify(t.Context(), p.token(t, "old", k.rsa2)); err != nil {
		t.Errorf("an old key while the server fails: %v", err)
	}
	p.now, p.status = p.now.Add(5*time.Second), 0
	if _, err := v.Verify(t.Context(), token); err != nil || p.fetches.Load() != 3 {
		t.Errorf("after 5 s: %v after %d fetches", err, p.fetches.Load())
	}
}

type panics struct{}

func (panics) RoundTrip(*http.Request) (*http.Response, error) { panic("in a goroutine") }

func TestATransportThatPanicsDoesNotEndTheProcess(t *testing.T) {
	v := verifier(t, func(o *jwtauth.Options) { o.JWKSURL, o.Transport = jwksURL, panics{} })
	if _, err := v.Verify(t.Context(), (&idp{now: now}).token(t, "r", keys().rsa)); !errors.Is(err, jwtauth.ErrKeys) {
		t.Error(err)
	}
}

// A key server that lies, for real: over TLS, by the transport that is the default.
func TestAKeyServerThatNeverEndsIsLeft(t *testing.T) {
	k := keys()
	var elsewhere, sent atomic.Int64
	drip := func(w http.ResponseWriter, r *http.Request, head string) {
		io.WriteString(w, head)
		for r.Context().Err() == nil {
			n, err := io.WriteString(w, strings.Repeat(" ", 4096))
			if sent.Add(int64(n)); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"a body without an end": func(w http.ResponseWriter, r *http.Request) { drip(w, r, `{"keys":[`) },
		"a body that stops": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"keys":[`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"a header without an end": func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for err == nil {
				var n int
				n, err = io.WriteString(c, "X-Long: "+strings.Repeat("x", 4096)+"\r\n")
				sent.Add(int64(n))
			}
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				elsewhere.Add(1)
				io.WriteString(w, set(jwk("r", k.rsa)))
				return
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"a page":          func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>log in</html>") },
		"nothing":         func(http.ResponseWriter, *http.Request) {},
		"the set, halved": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, set(jwk("r", k.rsa))[:100]) },
	} {
		t.Run(name, func(t *testing.T) {
			sent.Store(0)
			server := httptest.NewTLSServer(answer)
			defer server.Close()
			transport := jwtauth.NewTransport()
			roots := x509.NewCertPool()
			roots.AddCert(server.Certificate())
			transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
			transport.Proxy = nil
			v := verifier(t, func(o *jwtauth.Options) { o.JWKSURL, o.Transport = server.URL+"/jwks.json", transport })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := v.Verify(ctx, (&idp{now: now}).token(t, "r", k.rsa)); !errors.Is(err, jwtauth.ErrKeys) || ctx.Err() != nil {
				t.Error(err)
			}
			// What was sent also lies in the buffers of the network.
			if n := sent.Load(); n > 4<<20 {
				t.Errorf("%d bytes were taken", n)
			}
		})
	}
	if elsewhere.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

// slow is a key server that takes a second.
type slow struct{ *idp }

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(time.Second):
		return s.idp.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// However many come and go, the one that stays as long as the server takes has the keys.
func TestWhoStaysLongEnoughHasTheKeys(t *testing.T) {
	keys()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			k, random := keys(), rand.New(rand.NewPCG(seed, 0))
			p := &idp{body: set(jwk("r", k.rsa)), now: now}
			v := verifier(t, func(o *jwtauth.Options) {
				o.JWKSURL, o.Transport, o.Now = jwksURL, slow{p}, func() time.Time { return now }
			})
			token := p.token(t, "r", k.rsa)
			var all sync.WaitGroup
			for range 50 {
				comes, stays := time.Duration(random.IntN(4000))*time.Millisecond, time.Duration(random.IntN(2000))*time.Millisecond
				all.Go(func() {
					time.Sleep(comes) // in the bubble's time
					ctx, cancel := context.WithTimeout(t.Context(), stays)
					defer cancel()
					began := time.Now()
					_, err := v.Verify(ctx, token)
					if took := time.Since(began); err != nil && stays > time.Second || took > stays || took > time.Second {
						t.Errorf("seed %d: who came after %v and stayed for %v: %v after %v", seed, comes, stays, err, took)
					}
				})
			}
			all.Wait()
		})
	}
}

// With the exponent 1 a signature is the text that is signed, in the form that is.
func TestAKeyForWhichAnybodyCanSignIsNone(t *testing.T) {
	k := keys()
	for _, exponent := range []string{"AQ", "Ag", "AA", "__________8"} {
		key := jwk("r", k.rsa)
		key["e"] = exponent
		p := &idp{body: set(key)}
		v := p.verifier(t)
		text := strings.TrimSuffix(forge(`{"alg":"RS256","kid":"r"}`, claims(nil), nil), ".")
		sum := sha256.Sum256([]byte(text))
		form := []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20} // RFC 8017, 9.2
		padded := slices.Concat([]byte{0, 1}, bytes.Repeat([]byte{0xff}, 256-3-len(form)-len(sum)), []byte{0}, form, sum[:])
		if got, err := v.Verify(t.Context(), text+"."+b64(padded)); err == nil {
			t.Errorf("e=%s: taken: %+v", exponent, got)
		}
	}
}
