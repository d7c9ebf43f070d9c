//go:build unix

package js_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
)

// built is where the commands of the tests are.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "wirepost-js-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	os.RemoveAll(built)
	os.Exit(status)
}

// command is the built command wirepost.
var command = sync.OnceValues(func() (string, error) { return build("wirepost") })

// build builds a command as the test itself is built, so that the packages need not
// be compiled a second time.
func build(name string) (string, error) {
	args := []string{"build", "-o", filepath.Join(built, name)}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				args = append(args, "-race")
			}
		}
	}
	if out, err := exec.Command("go", append(args, "../../cmd/"+name)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return filepath.Join(built, name), nil
}

// dev is a 'wirepost dev' in a process of its own, which can be killed.
type dev struct {
	folder  string
	process *exec.Cmd
	said    map[string]string // by the first word of its first lines
}

func startDev(t *testing.T, args ...string) *dev {
	t.Helper()
	d := &dev{folder: t.TempDir()}
	d.start(t, append([]string{"--listen", "127.0.0.1:0"}, args...)...)
	t.Cleanup(d.kill)
	return d
}

func (d *dev) start(t *testing.T, args ...string) {
	t.Helper()
	path, err := command()
	if err != nil {
		t.Fatal(err)
	}
	d.process = exec.Command(path, append([]string{"dev"}, args...)...)
	d.process.Dir = d.folder
	d.process.Env = append(os.Environ(), "WIREPOST_STORE=")
	d.process.Stderr = os.Stderr
	out, err := d.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.process.Start(); err != nil {
		t.Fatal(err)
	}
	d.said = map[string]string{}
	for scan := bufio.NewScanner(out); d.said["store"] == "" && scan.Scan(); {
		what, value, _ := strings.Cut(scan.Text(), " ")
		d.said[what] = strings.TrimSpace(value)
	}
	if d.said["store"] == "" {
		t.Fatalf("the dev did not start; it said %q", d.said)
	}
}

func (d *dev) kill() {
	d.process.Process.Kill()
	d.process.Wait()
}

func (d *dev) where(t *testing.T) *url.URL {
	t.Helper()
	u, err := url.Parse(d.said["connect"])
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = ""
	return u
}

// page is a folder with the scenario as a page.
func scenarioPage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for from, to := range map[string]string{"scenario.html": "index.html", "scenario.js": "scenario.js"} {
		b, err := os.ReadFile(filepath.Join("test", from))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// limits are a thousandth of API Gateway's, or so: the client is told of 8 s of age,
// so that a machine that stalls has 4 s more than that.
var limits = []string{"--idle-timeout", "3s", "--max-age", "12s"}

// follow lets the scenario run: next is what it tells, resume lets it go on.
func follow(t *testing.T, d *dev, args []string, next func() string, resume func()) {
	t.Helper()
	var calm struct {
		States      map[string][]string
		Sent, Twice int
	}
	var end struct {
		Took           float64
		Reached, Twice int
		Left           string
	}
	for {
		what, value, _ := strings.Cut(next(), " ")
		switch what {
		case "calm":
			if err := json.Unmarshal([]byte(value), &calm); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d messages while all connections were replaced", calm.Sent)
			for name, states := range calm.States {
				if strings.Join(states, " ") != "open" {
					t.Errorf("the %s was %q; a replacement is not to be seen", name, states)
				}
			}
			if calm.Twice != 0 || calm.Sent < 10 {
				t.Errorf("%d of %d messages were shown twice", calm.Twice, calm.Sent)
			}
		case "kill":
			d.kill()
		case "away":
			port := d.where(t).Port()
			d.start(t, append([]string{"--listen", "127.0.0.1:" + port}, args...)...)
			resume()
		case "end":
			if err := json.Unmarshal([]byte(value), &end); err != nil {
				t.Fatal(err)
			}
			t.Logf("connected again %.0f ms after the server was back", end.Took)
			if end.Twice != 0 || end.Reached != 1 || end.Left != "closed" {
				t.Errorf("at the end: %+v", end)
			}
			return
		default:
			t.Fatalf("the scenario said %s %s", what, value)
		}
	}
}

func TestTheClientStaysConnectedInNode(t *testing.T) {
	node := tool(t, "node")
	for name, socket := range map[string]string{"the global WebSocket": "", "the package ws": filepath.Join(nodeModule(t, "ws"), "wrapper.mjs")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDev(t, limits...)
			args := []string{"test/node.js", d.where(t).String()}
			if socket != "" {
				args = append(args, socket)
			} else if exec.CommandContext(t.Context(), node, "-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)").Run() != nil {
				args = append([]string{"--experimental-websocket"}, args...) // Node.js 20 has it, but hides it
			}
			script := exec.CommandContext(t.Context(), node, args...)
			script.Stderr = os.Stderr
			in, err := script.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := script.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := script.Start(); err != nil {
				t.Fatal(err)
			}
			defer script.Wait()
			late := time.AfterFunc(2*time.Minute, func() { script.Process.Kill() })
			defer late.Stop()
			lines := bufio.NewScanner(out)
			follow(t, d, limits, func() string {
				if !lines.Scan() {
					return "nothing more"
				}
				return lines.Text()
			}, func() { io.WriteString(in, "\n") })
			in.Close()
			if lines.Scan() {
				t.Errorf("after its end the script said %s", lines.Text())
			}
		})
	}
}

func TestTheClientOutlivesItsTokens(t *testing.T) {
	node, ws := tool(t, "node"), filepath.Join(nodeModule(t, "ws"), "wrapper.mjs")
	t.Parallel()
	bootstrap, err := build("wirepost-function")
	if err != nil {
		t.Fatal(err)
	}
	secret := base64.StdEncoding.EncodeToString([]byte("a secret of the test that is long enough"))
	env := filepath.Join(t.TempDir(), "env")
	settings := "WIREPOST_HANDLERS=websocket\nWIREPOST_JWT_KEY=hmac:" + secret + "\nWIREPOST_JWT_ISSUER=https://id.example.com\nWIREPOST_JWT_AUDIENCE=chat\n"
	if err := os.WriteFile(env, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDev(t, "--env-file", env, "--route-response", "$default", "--", bootstrap)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, node, "test/tokens.js", d.where(t).String(), secret, ws).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
