package dynamolocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// startLimit bounds how long a server may take to answer.
	startLimit = time.Minute
	// startPorts is how many ports are tried.
	startPorts = 3
)

// guard runs a server and ends it when standard input does, which is a pipe whose
// other end only the test process holds: the kernel closes it however that process
// ends. $1 is the server's folder, the rest its command. The guard ends with the
// server's own status if that ends first.
//
// An interrupt from the terminal goes to the test process too, and from there
// through the pipe. When the owner has gone, what the shell has to say about the
// killed server must not end the shell before it has removed the folder.
const guard = `
trap '' INT HUP
folder=$1
shift
cd "$folder" || exit
exec 3<&0
"$@" <&3 3<&- &
server=$!
{ read -r _ <&3; kill -9 $server; } </dev/null &
watcher=$!
exec 3<&- >/dev/null 2>&1
wait $server
status=$?
kill -9 $watcher
cd /
rm -rf "$folder"
exit $status
`

// server is a running server.
type server struct {
	url    string
	output *tail
	// owner is the end of the guard's standard input that keeps the server running.
	owner io.Closer
	// reserved keeps the port from other test processes, which start theirs the same
	// way and could otherwise mistake this server for their own.
	reserved io.Closer
	// ended is closed when the server has, and err is set then.
	ended chan struct{}
	err   error
}

// start finds a server's programs, runs it on a free port, and returns when it
// answers.
func start(kind Kind, find func() (command, error)) (*server, error) {
	command, err := find()
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		s, err := run(command)
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", kind, err)
		}
		err = s.wait()
		if err == nil {
			return s, nil
		}
		s.stop()
		output := s.output.String()
		// Between the look for a free port and its use somebody else may take it.
		if taken := strings.Contains(strings.ToLower(output), "address already in use"); taken && try < startPorts {
			continue
		}
		return nil, fmt.Errorf("start %s: %w; it said:\n%s", kind, err, output)
	}
}

// run starts the process.
func run(command command) (_ *server, err error) {
	port, reserved, err := freePort()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "dynamolocal")
	if err != nil {
		reserved.Close()
		return nil, err
	}
	s := &server{
		url:      "http://127.0.0.1:" + strconv.Itoa(port),
		output:   &tail{},
		reserved: reserved,
		ended:    make(chan struct{}),
	}
	args, err := command(port, folder)
	if err != nil {
		reserved.Close()
		os.RemoveAll(folder)
		return nil, err
	}
	cmd := exec.Command("sh", append([]string{"-c", guard, "dynamolocal", folder}, args...)...)
	// Never the test's own output: go test would wait for the server to close it.
	cmd.Stdout, cmd.Stderr = s.output, s.output
	// Nor does this process wait for whatever else might keep it open.
	cmd.WaitDelay = 10 * time.Second
	s.owner, err = cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		reserved.Close()
		os.RemoveAll(folder)
		return nil, err
	}
	// It ends with the server, which stop and the end of this process end.
	go func() {
		s.err = cmd.Wait()
		close(s.ended)
	}()
	return s, nil
}

// stop ends the server and returns when it has ended.
func (s *server) stop() {
	s.owner.Close()
	<-s.ended
	s.reserved.Close()
}

// wait returns when the server answers, has ended, or has not answered in time.
func (s *server) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := listTables(ctx, client, s.url)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("it ended before it answered (%v)", s.err)
		case <-ctx.Done():
			return fmt.Errorf("it did not answer within %v: %w", startLimit, err)
		case <-tick.C:
		}
	}
}

// listTables asks for the tables, which each server answers only when it is ready.
// Both want a signature, and neither checks it.
func listTables(ctx context.Context, client *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
	r.Header.Set("X-Amz-Date", "20200101T000000Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`"TableNames"`)) {
		return fmt.Errorf("ListTables was answered with %s: %s", response.Status, body)
	}
	return nil
}

// freePort is a TCP port that nobody listens on. The test processes of several
// packages look for one at the same time, so the UDP port of the same number stays
// taken as a sign for the others, until it is closed or the process ends.
func freePort() (port int, reserved io.Closer, err error) {
	var problems []error
	for range 10 {
		sign, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return 0, nil, fmt.Errorf("find a free port: %w", err)
		}
		port := sign.LocalAddr().(*net.UDPAddr).Port
		// Every interface, as DynamoDB Local does, and its own port on each of them.
		var last error
		for _, host := range []string{"", "127.0.0.1"} {
			l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
			if err != nil {
				last = err
				break
			}
			l.Close()
		}
		if last == nil {
			return port, sign, nil
		}
		sign.Close()
		problems = append(problems, last)
	}
	return 0, nil, fmt.Errorf("find a free port: %w", errors.Join(problems...))
}

// tail is the last of what was written to it. It may be written and read at the
// same time.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

// tailLimit is in bytes.
const tailLimit = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - tailLimit; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
