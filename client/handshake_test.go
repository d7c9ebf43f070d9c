package client

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestARefusedHandshakeSaysItsStatusAndWhatToLookAt(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusUnauthorized:       "the server refused the connection with 401 Unauthorized: the token is missing or not valid",
		http.StatusForbidden:          "the server refused the connection with 403 Forbidden: the URL names a stage that the API does not have, or the token is denied",
		http.StatusServiceUnavailable: "the server refused the connection with 503 Service Unavailable",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
		_, err := dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/dev?token=secret", nil)
		server.Close()
		if err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}
