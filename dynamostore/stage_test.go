package dynamostore_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
)

// operations notes what is asked of a table, and may end a caller's context before it
// is.
type operations struct {
	next http.RoundTripper
	end  func(operation string)

	mu  sync.Mutex
	all []string
}

func (o *operations) RoundTrip(r *http.Request) (*http.Response, error) {
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if name == "Query" && bytes.Contains(body, []byte(`{"S":"s"}`)) {
		name += " of stages"
	}
	o.mu.Lock()
	o.all = append(o.all, name)
	end := o.end
	o.mu.Unlock()
	if end != nil {
		end(name)
	}
	return o.next.RoundTrip(r)
}

func TestAListingThatIsCancelledDoesNotHideTheStagesFromOthers(t *testing.T) {
	endpoint := dynamolocal.Start(t, dynamolocal.DynamoDBLocal)
	s := create(t, endpoint, &dynamostore.Options{})
	id := wirepost.Identity{APIID: "abc123", Stage: "prod", Region: "eu-west-1"}
	now := time.Now()
	if err := s.Put(t.Context(), wirepost.Connection{ID: "c1", Endpoint: id, Topics: []string{"x"}, ConnectedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	fresh := again(t, s, endpoint, &dynamostore.Options{})
	var o *operations
	dynamostore.Through(fresh, func(next http.RoundTripper) http.RoundTripper { o = &operations{next: next}; return o })
	list := func(ctx context.Context) (n int, err error) {
		for l, e := range fresh.Connections(ctx, wirepost.ToTopic("x"), wirepost.ListOptions{}) {
			if e != nil {
				return n, e
			}
			if n++; l.Endpoint != id {
				t.Errorf("the connection is of %s", l.Endpoint)
			}
		}
		return n, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.end = func(name string) {
		if strings.HasSuffix(name, "of stages") {
			cancel()
		}
	}
	if n, err := list(ctx); err == nil {
		t.Fatalf("the cancelled listing has %d connections; %v were asked", n, o.all)
	}
	o.end, o.all = nil, nil
	if n, err := list(t.Context()); n != 1 || err != nil {
		t.Errorf("the next listing has %d connections, %v", n, err)
	}
	if !slices.Contains(o.all, "Query of stages") {
		t.Errorf("the next listing took the stage for one that is gone: it asked %v", o.all)
	}
}
