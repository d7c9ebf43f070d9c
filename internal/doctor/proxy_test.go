package doctor_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/doctor"
)

func TestBehindAProxyWhatOnlyTheProxySeesIsSkipped(t *testing.T) {
	w := newWorld(t)
	w.start()
	var tunnels atomic.Int64
	proxy, err := url.Parse(w.serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(rw, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		tunnels.Add(1)
		host, _, _ := net.SplitHostPort(r.Host)
		out, err := net.Dial("tcp", w.at[w.names[host][0]])
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		defer out.Close()
		in, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		defer in.Close()
		io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		var both sync.WaitGroup
		both.Go(func() { io.Copy(out, in); out.Close() })
		both.Go(func() { io.Copy(in, out); in.Close() })
		both.Wait()
	})))
	if err != nil {
		t.Fatal(err)
	}
	w.proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "https" {
			return proxy, nil
		}
		return nil, nil
	}
	w.names[apiHost] = append(w.names[apiHost][:0:0], publicIP)
	report := w.run()
	if got := report.Problems(); len(got) > 0 || tunnels.Load() == 0 {
		t.Errorf("the doctor finds %v through %d tunnels", got, tunnels.Load())
	}
	for _, c := range report.Checks {
		switch c.Name {
		case "dns", "address", "tcp", "tls":
			if c.Status != doctor.Skip {
				t.Errorf("%s is %s: %s", c.Name, c.Status, c.Sentence)
			}
		case "send":
			if c.Status != doctor.OK {
				t.Errorf("send is %s: %s", c.Status, c.Sentence)
			}
		}
	}
}

func TestAProxyThatIsNotThereIsSaidToBeTheReason(t *testing.T) {
	w := newWorld(t)
	w.start()
	nowhere := &url.URL{Scheme: "http", Host: closed(t)}
	w.proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "https" {
			return nowhere, nil
		}
		return nil, nil
	}
	r := row{want: problems(wirepost.ProblemEndpointUnreachable), says: []string{"the proxy " + nowhere.Host, "correct HTTPS_PROXY"}}
	r.check(t, w.run())
}
