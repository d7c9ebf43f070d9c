package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// Another program may have the port of a dev that has ended.
func TestARedirectOfWhatIsNotOursIsNotFollowed(t *testing.T) {
	t.Chdir(t.TempDir())
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, status)
		}))
		if err := os.MkdirAll(string(folder), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(string(folder), "control.json"), fmt.Appendf(nil, `{"url":%q,"token":"secret"}`, server.URL), 0o600); err != nil {
			t.Fatal(err)
		}
		var out any
		asked := map[string]error{
			"a question": askControl(t.Context(), http.MethodGet, "/faults", nil, &out),
			"new faults": askControl(t.Context(), http.MethodPut, "/faults", []byte(`[]`), &out),
		}
		_, asked["a stream"] = followControl(t.Context(), "/stream")
		for what, err := range asked {
			if err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) {
				t.Errorf("%d, %s: %v", status, what, err)
			}
		}
		server.Close()
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}
