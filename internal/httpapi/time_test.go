package httpapi

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/memlisten"
)

// The server's deadline for a request's body is the body's alone.
func TestAFunctionMayTakeLongerThanABody(t *testing.T) {
	for _, body := range []string{"", "abc"} {
		synctest.Test(t, func(t *testing.T) {
			url := apiOf(app.FunctionURL)
			url.LogicalID = "F"
			s := serve(t, url, "")
			s.functions["F"] = func(ctx context.Context, _ []byte) ([]byte, error) {
				select {
				case <-time.After(14 * time.Minute):
					return []byte(`"late"`), nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			l := memlisten.New()
			server := NewServer(s, slog.New(slog.DiscardHandler))
			go server.Serve(l)
			c, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			go io.Copy(c, strings.NewReader("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: "+string(rune('0'+len(body)))+"\r\n\r\n"+body))
			began := time.Now()
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := io.ReadAll(answer.Body); answer.StatusCode != 200 || string(got) != `"late"` || time.Since(began) != 14*time.Minute {
				t.Errorf("with the body %q: %d %q after %v", body, answer.StatusCode, got, time.Since(began))
			}
			c.Close()
			server.Close()
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAClientThatGoesIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, httpAPI("GET /"), "")
		ended := make(chan time.Duration, 1)
		began := time.Now()
		s.functions["F"] = func(context.Context, []byte) ([]byte, error) {
			<-time.After(20 * time.Second) // it goes on
			ended <- time.Since(began)
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		s.ask("GET", "/", "", func(r *http.Request) { *r = *r.WithContext(ctx) })
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("it was waited for %v", took)
		}
		if took := <-ended; took != 20*time.Second {
			t.Errorf("the function ended after %v", took)
		}
	})
}

func TestABodyThatDoesNotComeIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, httpAPI("POST /"), `"x"`)
		l := memlisten.New()
		server := NewServer(s, slog.New(slog.DiscardHandler))
		go server.Serve(l)
		c, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
		began := time.Now()
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil && answer.StatusCode != 400 || time.Since(began) > bodyTime+answerTime || s.event != nil {
			t.Errorf("%v %v after %v", answer, err, time.Since(began))
		}
		c.Close()
		server.Close()
		s.Close(t.Context())
	})
}
