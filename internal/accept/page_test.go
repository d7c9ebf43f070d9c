package accept

import (
	"net/http"
	"testing"
)

func TestAPageIsKnownByItsHeadersAndTheFetchOfNodeJSIsNone(t *testing.T) {
	for _, c := range []struct {
		header http.Header
		page   bool
	}{
		{http.Header{"Content-Type": {"text/plain"}}, false},
		{http.Header{"Sec-Fetch-Mode": {"cors"}, "User-Agent": {"node"}}, false},
		{http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"cross-site"}}, true},
		{http.Header{"Sec-Fetch-Mode": {"cors"}, "Origin": {"null"}}, true},
		{http.Header{"Sec-Fetch-Mode": {"cors", "cors"}}, true},
		{http.Header{"Sec-Fetch-Mode": {"no-cors"}}, true},
		{http.Header{"Sec-Fetch-Mode": {"navigate"}}, true},
		{http.Header{"Sec-Fetch-Mode": {}}, true},
		{http.Header{"Sec-Fetch-Site": {"none"}}, true},
		{http.Header{"Sec-Fetch-Dest": {"empty"}}, true},
		{http.Header{"Origin": {""}}, true},
	} {
		if got := FromPage(c.header); got != c.page {
			t.Errorf("%v: %v", c.header, got)
		}
	}
}
