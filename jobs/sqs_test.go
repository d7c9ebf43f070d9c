package jobs

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
)

func sqsAt(t *testing.T, url string) *SQS {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "session")
	q, err := NewSQS(url, "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestAJobIsSentToTheQueueInOneSignedRequest(t *testing.T) {
	for name, fifo := range map[string]bool{"/123456789012/jobs": false, "/123456789012/jobs.fifo": true} {
		var got http.Header
		var message map[string]string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r.Header
			if r.Method != http.MethodPost || r.URL.Path != "/" {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
				t.Error(err)
			}
			io.WriteString(w, `{"MessageId":"m","MD5OfMessageBody":"x"}`)
		}))
		job := wirepost.Job{Publish: "p", To: wirepost.Everyone(), Text: "x", Part: 3, Parts: 4, After: "c"}
		body, err := json.Marshal(job)
		if err != nil {
			t.Fatal(err)
		}
		if err := sqsAt(t, server.URL+name).Send(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		server.Close()
		if a := got.Get("Authorization"); !strings.Contains(a, "Credential=AKIDEXAMPLE/") || !strings.Contains(a, "/eu-west-1/sqs/aws4_request") || got.Get("X-Amz-Security-Token") != "session" ||
			got.Get("X-Amz-Target") != "AmazonSQS.SendMessage" || got.Get("Content-Type") != "application/x-amz-json-1.0" {
			t.Errorf("%s: the headers are %v", name, got)
		}
		if message["QueueUrl"] != server.URL+name || message["MessageBody"] != string(body) || (message["MessageGroupId"] == "p-3") != fifo || (len(message["MessageDeduplicationId"]) == 64) != fifo {
			t.Errorf("%s: the message is %v", name, message)
		}
		if r, err := Parse([]byte(message["MessageBody"]), "m"); err != nil || len(r.Jobs) != 1 || r.Jobs[0] != job {
			t.Errorf("read back as %+v, %v", r, err)
		}
	}
}

func TestAQueueThatMayHaveTheJobIsNotAskedTwice(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"403": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"__type":"AccessDenied"}`, http.StatusForbidden)
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"a page":       func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"an empty one": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") },
		"a cut":        func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				io.Copy(io.Discard, r.Body)
				answer(w, r)
			}))
			defer server.Close()
			if err := sqsAt(t, server.URL+"/1/q").Send(t.Context(), wirepost.Job{Publish: "p", To: wirepost.Everyone(), Parts: 1}); err == nil || asked.Load() != 1 {
				t.Errorf("%v after %d requests", err, asked.Load())
			}
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there any more
	if err := sqsAt(t, "http://"+l.Addr().String()+"/1/q").Send(t.Context(), wirepost.Job{Publish: "p", To: wirepost.Everyone(), Parts: 1}); err == nil {
		t.Error("a queue that nobody is has taken a job")
	}
}

func TestAQueueURLHasARegion(t *testing.T) {
	for url, want := range map[string]string{
		"https://sqs.eu-west-1.amazonaws.com/123456789012/q":               "eu-west-1",
		"https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/q":      "us-gov-west-1",
		"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q.fifo":      "cn-north-1",
		"https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/123456789012/q":   "here",
		"http://localhost:9324/000000000000/q":                             "here",
		"https://sqs.eu-west-1.amazonaws.com/q":                            "",
		"https://sqs.eu-west-1.amazonaws.com/1/q?Action=SendMessage":       "",
		"https://user:password@sqs.eu-west-1.amazonaws.com/123456789012/q": "",
		"ftp://sqs.eu-west-1.amazonaws.com/123456789012/q":                 "",
	} {
		q, err := NewSQS(url, "here")
		if got := ""; err == nil {
			if got = q.region; got != want {
				t.Errorf("%s is in %q, want %q", url, got, want)
			}
		} else if want != "" || strings.Contains(err.Error(), "password") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestWhoWaitsForCredentialsLeavesWithItsOwnContext(t *testing.T) {
	s := sqsAt(t, "http://127.0.0.1:9/123456789012/jobs")
	begun, let := make(chan struct{}), make(chan struct{})
	s.credentials = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		close(begun)
		<-let
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
	}))
	first := make(chan error, 1)
	go func() { _, err := s.retrieve(t.Context()); first <- err }()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	second := make(chan error, 1)
	go func() { _, err := s.retrieve(ctx); second <- err }()
	select {
	case err := <-second:
		if err == nil {
			t.Error("a call whose context has ended got credentials that nobody had found")
		}
	case <-time.After(10 * time.Second):
		t.Error("a call whose context has ended waits for another's")
	}
	close(let)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
