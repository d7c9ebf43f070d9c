package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// told collects notices.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (n *told) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *told) count(text string) (times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, line := range n.lines {
		if strings.Contains(line, text) {
			times++
		}
	}
	return times
}

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestLoosePathsAreTakenWhereTheyAreAskedForAndToldOnce(t *testing.T) {
	const id = "L0SM9cOFvHcCIhw%3D" // nobody's: a call that is taken is answered 410
	for _, c := range []struct {
		name, path, signed string
		status, loose      int
	}{
		{"as AWS has it", "/dev/@connections/" + id, "", 410, 410},
		{"a slash at the endpoint's end, signed as sent", "/dev//@connections/" + id, "", 403, 410},
		{"a slash at the endpoint's end, signed without it", "/dev//@connections/" + id, "/dev/@connections/" + id, 403, 410},
		{"no stage", "/@connections/" + id, "", 403, 410},
		{"no stage, and a slash", "//@connections/" + id, "", 403, 410},
		{"no stage, and a slash that is not signed", "//@connections/" + id, "/@connections/" + id, 403, 410},
		{"a slash before the stage", "//dev/@connections/" + id, "", 403, 410},
		{"another stage", "/prod/@connections/" + id, "", 403, 403},
		{"another stage, and a slash", "/prod//@connections/" + id, "", 403, 403},
		{"the signature of another path", "/dev//@connections/" + id, "/dev/@connections/x", 403, 403},
		{"more than a stage", "/a/b//@connections/" + id, "", 403, 403},
		{"a stage that is signed and not sent", "/@connections/" + id, "/dev/@connections/" + id, 403, 403},
	} {
		for _, loose := range []bool{false, true} {
			var notices told
			s := &Server{Function: newRecorder(), LoosePaths: loose, Notice: notices.add, Credentials: []Credentials{DevelopmentCredentials()}}
			for range 2 {
				r := httptest.NewRequest(http.MethodPost, c.path, strings.NewReader("x"))
				if c.signed != "" {
					other := httptest.NewRequest(http.MethodPost, c.signed, strings.NewReader("x"))
					signedBy(t, other, []byte("x"), DevelopmentCredentials(), "us-east-1", "execute-api", time.Now())
					r.Header = other.Header
				} else {
					signedBy(t, r, []byte("x"), DevelopmentCredentials(), "us-east-1", "execute-api", time.Now())
				}
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				want := c.status
				if loose {
					want = c.loose
				}
				if w.Code != want {
					t.Errorf("%s (loose: %v): %d %s, want %d; %q", c.name, loose, w.Code, w.Body, want, notices.lines)
				}
			}
			if loose && c.loose == 410 {
				if slash, want := notices.count("a slash at its end"), strings.Count(c.path, "//"); slash != want {
					t.Errorf("%s: a slash is told %d times, want %d: %q", c.name, slash, want, notices.lines)
				}
				if stage := notices.count("has no stage"); stage != 1-min(1, strings.Count(c.path, "/dev")) {
					t.Errorf("%s: a missing stage is told %d times: %q", c.name, stage, notices.lines)
				}
			}
		}
	}
}

func TestTheAPIsOwnNameIsTakenOnlyFromWhoeverHasBroughtTheRequest(t *testing.T) {
	s := &Server{Function: newRecorder(), APIID: "abcdefghij", Hosts: []string{"localhost"}, Credentials: []Credentials{DevelopmentCredentials()}}
	for _, c := range []struct {
		host    string
		through http.Handler
		status  int
	}{
		{"localhost", s, 410},
		{"localhost", s.OwnName(), 410},
		{"abcdefghij.execute-api.us-east-1.amazonaws.com", s, 403},
		{"abcdefghij.execute-api.us-east-1.amazonaws.com", s.OwnName(), 410},
		{"ABCDEFGHIJ.execute-api.cn-north-1.amazonaws.com.cn:443", s.OwnName(), 410},
		{"abcdefghik.execute-api.us-east-1.amazonaws.com", s.OwnName(), 403},
		{"ABCDEFGHIK.execute-api.us-east-1.amazonaws.com", s.OwnName("zyxwvutsrq", "abcdefghik"), 410},
		{"abcdefghij.execute-api.us-east-1.amazonaws.com", s.OwnName("abcdefghik"), 410},
		{"abcdefghil.execute-api.us-east-1.amazonaws.com", s.OwnName("abcdefghik"), 403},
		{"abcdefghik.evil.test", s.OwnName("abcdefghik"), 403},
		{"abcdefghij.evil.test", s.OwnName(), 403},
		{"evil.test", s.OwnName(), 403},
		{"execute-api.abcdefghij", s.OwnName(), 403},
	} {
		r := httptest.NewRequest(http.MethodPost, "/dev/@connections/L0SM9cOFvHcCIhw%3D", strings.NewReader("x"))
		r.Host = c.host
		signedBy(t, r, []byte("x"), DevelopmentCredentials(), "us-east-1", "execute-api", time.Now())
		w := httptest.NewRecorder()
		c.through.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s through %T: %d %s, want %d", c.host, c.through, w.Code, w.Body, c.status)
		}
	}
}

// AWS's client for JavaScript signs :authority over HTTP/2, where there is no Host.
func TestOverHTTP2TheAuthorityMayBeSignedInThePlaceOfTheHost(t *testing.T) {
	now := time.Date(2026, 11, 23, 4, 13, 22, 0, time.UTC)
	k := newKeyring(nil, "us-east-1", 5*time.Minute)
	for _, major := range []int{1, 2} {
		r := httptest.NewRequest(http.MethodPost, "/dev/@connections/x", nil)
		r.Host, r.ProtoMajor = "abcdefghij.execute-api.us-east-1.amazonaws.com", major
		r.Header.Set("X-Amz-Date", now.Format(amzDateLayout))
		// Made by hand: AWS's signer for Go signs host.
		canonical := "POST\n/dev/%40connections/x\n\n:authority:" + r.Host + "\nx-amz-date:" + now.Format(amzDateLayout) + "\n\n:authority;x-amz-date\n" + hexSum("")
		key := k.signingKey("wirepost", "20261123", "us-east-1")
		mac := hmacSHA256(key[:], []byte("AWS4-HMAC-SHA256\n"+now.Format(amzDateLayout)+"\n20261123/us-east-1/execute-api/aws4_request\n"+hexSum(canonical)))
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=wirepost/20261123/us-east-1/execute-api/aws4_request, SignedHeaders=:authority;x-amz-date, Signature="+hex.EncodeToString(mac[:]))
		c, refused := k.check(r, []Credentials{DevelopmentCredentials()}, now)
		if refused == nil {
			refused = k.verify(r, c, nil)
		}
		if (refused == nil) != (major == 2) {
			t.Errorf("over HTTP/%d: %v", major, refused)
		}
	}
}
