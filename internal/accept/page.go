package accept

import (
	"net/http"
	"strings"
)

// FromPage reports whether a browser may have sent a request for a page: it has an Origin
// or a Sec-Fetch header. The fetch of Node.js sends Sec-Fetch-Mode: cors and nothing else of
// that (undici, lib/web/fetch/util.js, appendFetchMetadata). A browser's request in
// that mode has an Origin, or a Sec-Fetch-Site too (W3C, Fetch Metadata Request Headers §2).
func FromPage(header http.Header) bool {
	for name, values := range header {
		ofNode := name == "Sec-Fetch-Mode" && len(values) == 1 && values[0] == "cors"
		if name == "Origin" || strings.HasPrefix(name, "Sec-Fetch-") && !ofNode {
			return true
		}
	}
	return false
}
