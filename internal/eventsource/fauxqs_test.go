package eventsource

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// fauxqs starts a real server of SQS, which ends with the test.
func fauxqs(t *testing.T) *Server {
	t.Helper()
	tools, err := filepath.Abs("../../.tools")
	if err != nil {
		t.Fatal(err)
	}
	packages, node := found(tools, "fauxqs"), "node"
	if binary := found(tools, "node-*/bin/node"); binary != "" {
		node = binary
	}
	if packages == "" || !atLeast22(node) {
		if os.Getenv("CI") == "true" {
			t.Fatal("fauxqs needs Node.js 22 and its npm package; run make test-needs (with CI=true nothing is skipped)")
		}
		t.Skip("skipped: fauxqs needs Node.js 22 and its npm package; run make test-needs")
	}
	cmd := exec.Command(node, "--no-warnings", "testdata/fauxqs.mjs", packages, t.TempDir())
	cmd.WaitDelay = 5 * time.Second
	stdin, errIn := cmd.StdinPipe()
	stdout, errOut := cmd.StdoutPipe()
	stderr := &strings.Builder{}
	cmd.Stderr = stderr
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close() // also what ends it if this process is killed
		if err := cmd.Wait(); err != nil {
			t.Logf("fauxqs: %v\n%s", err, stderr)
		}
	})
	killed := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer killed.Stop()
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if port, ok := strings.CutPrefix(lines.Text(), "port "); ok {
			return testServer("http://127.0.0.1:"+port, http.DefaultTransport)
		}
	}
	t.Fatalf("fauxqs said no port:\n%s", stderr)
	return nil
}

// found is the path of what matches a pattern in a folder of packages that test-needs
// has installed, or empty.
func found(tools, pattern string) string {
	if all, _ := filepath.Glob(filepath.Join(tools, "cache/wirepost/tools/*/node_modules", pattern)); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

func atLeast22(node string) bool {
	said, err := exec.Command(node, "--version").Output()
	var major int
	fmt.Sscanf(string(said), "v%d", &major)
	return err == nil && major >= 22
}

func testServer(url string, transport http.RoundTripper) *Server {
	pair := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost"}, nil
	})
	return &Server{URL: url, Region: "eu-west-1", Credentials: pair, Transport: transport}
}
