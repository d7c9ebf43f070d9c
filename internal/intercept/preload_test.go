package intercept

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// node runs a program of Node.js as a client, with the module in a folder whose name needs
// quotes. The program's input ends when until returns.
func node(t *testing.T, i *Interceptor, program string, until func()) string {
	t.Helper()
	if exec.Command("node", "--version").Run() != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Node.js is not installed (with CI=true nothing is skipped)")
		}
		t.Skip("skipped: Node.js is not installed")
	}
	plain := t.TempDir()
	dir := filepath.Join(plain, `a "b"\c`)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{filepath.Join(dir, "preload.cjs"): Preload, filepath.Join(dir, "ca.pem"): i.Authority().PEM(), filepath.Join(plain, "program.mjs"): []byte(program)} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client := i.NewClient("chat", nil, nil)
	run := exec.CommandContext(t.Context(), "node", filepath.Join(plain, "program.mjs"))
	input, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the test
		defer input.Close()
		if until != nil {
			until()
		}
	}()
	run.Env = append(os.Environ(), append(client.Variables(), "NODE_OPTIONS="+NodeOptions("--no-warnings", filepath.Join(dir, "preload.cjs")), "NODE_EXTRA_CA_CERTS="+filepath.Join(dir, "ca.pem"))...)
	out, err := run.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return string(out)
}

const askAll = `
import * as tls from 'node:tls'
import { connect as named } from 'node:tls'
import * as http from 'node:http'
import * as https from 'node:https'
import * as http2 from 'node:http2'
const host = 'dynamodb.us-east-1.amazonaws.com'
const text = (r) => new Promise((done) => { let s = ''; r.setEncoding('utf8'); r.on('data', (d) => { s += d }); r.on('end', () => done(s)) })
const show = (what, s) => console.log(what + ': ' + s)
const answer = (request) => new Promise((done, fail) => { request.on('response', (r) => done(text(r))); request.on('error', fail) })
const lines = (socket) => new Promise((done, fail) => { let s = ''; socket.on('data', (d) => { s += d }); socket.on('end', () => done(s.split('\r\n\r\n')[1])); socket.on('error', fail)
  socket.write('GET /raw HTTP/1.1\r\nHost: ' + host + '\r\nConnection: close\r\n\r\n') })
const once = { agent: new https.Agent({ keepAlive: true }) }
show('https.get of a URL', await answer(https.get('https://' + host + '/1')))
show('https.get of options', await answer(https.get({ host, path: '/2', ...once })))
show('kept alive', await answer(https.get({ host, path: '/3', ...once })))
once.agent.destroy()
show('fetch', await (await fetch('https://' + host + '/4')).text())
show('tls.connect(port, host)', await lines(tls.connect(443, host, { servername: host })))
show('tls.connect(options)', await lines(named({ port: '443', host: host.toUpperCase(), servername: host, ALPNProtocols: Buffer.from('\x08http/1.1') })))
show('http.get of a URL', await answer(http.get('http://' + host + '/5?x')))
show('http.request of a URL and options', await answer(http.request(new URL('http://' + host + '/6'), { method: 'PUT', headers: { 'X-A': 'b' } }).end()))
show('http.request of a host and a port', await answer(http.request({ hostname: host, port: 80, path: '/7', headers: ['Host', host] }).end()))
const session = http2.connect('https://' + host)
const stream = session.request({ ':path': '/8' })
show('http2', await text(stream))
session.close()
const other = http.createServer((q, r) => r.end('other ' + q.url)).listen(0, '127.0.0.1', async () => {
  show('another', await answer(http.get('http://127.0.0.1:' + other.address().port + '/9')))
  show('fetch of another', await (await fetch('http://localhost:' + other.address().port + '/10')).text().catch((e) => e))
  other.close(); other.closeAllConnections()
})
`

func TestNodeJSIsLedHereByEveryWayToConnect(t *testing.T) {
	i, h := running(t, Config{})
	out := node(t, i, askAll, nil)
	for _, want := range []string{
		"https.get of a URL: HTTP/1.1 GET /1 of " + tableHost + " for chat:  (" + tableHost + ") \n", "https.get of options: HTTP/1.1 GET /2 of " + tableHost + " for chat:",
		"kept alive: HTTP/1.1 GET /3 of ", "fetch: HTTP/1.1 GET /4 of ", "tls.connect(port, host): HTTP/1.1 GET /raw of ", "tls.connect(options): HTTP/1.1 GET /raw of ",
		"http.get of a URL: HTTP/1.1 GET /5?x of " + tableHost + " for chat:  (plain) \n", "http.request of a URL and options: HTTP/1.1 PUT /6 of ",
		"http.request of a host and a port: HTTP/1.1 GET /7 of ", "http2: HTTP/2.0 GET /8 of " + tableHost + ":443 for chat:  (" + tableHost + ") \n", "another: other /9\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if said := h.all(); said != "" {
		t.Errorf("told: %s", said)
	}
}

func TestACallOfNodeJSToAWSItselfIsTold(t *testing.T) {
	i, h := running(t, Config{})
	out := node(t, i, `
import * as https from 'node:https'
import * as tls from 'node:tls'
import * as net from 'node:net'
const failed = (e) => console.log(e.code)
https.get('https://s3.us-east-1.amazonaws.com/', { lookup: (h, o, done) => done(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) }).on('error', failed)
https.get('https://example.invalid/', { lookup: (h, o, done) => done(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) }).on('error', failed)
// A socket of the program's own goes where it goes.
const socket = net.connect(1, '127.0.0.1').on('error', () => {})
tls.connect({ socket, port: 443, host: 'dynamodb.us-east-1.amazonaws.com' }).on('error', failed)
process.stdin.resume() // what is told has to arrive first
`, func() {
		select {
		case <-h.told:
		case <-time.After(20 * time.Second):
		}
	})
	if strings.Count(out, "ENOTFOUND") != 2 {
		t.Errorf("it prints %s", out)
	}
	if got := h.all(); got != "chat called s3.us-east-1.amazonaws.com (reached: false)" {
		t.Errorf("told: %s", got)
	}
}

// A module that the program does not expect changes nothing where there is no token.
func TestWithoutVariablesTheModuleDoesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "preload.cjs")
	if err := os.WriteFile(file, Preload, 0o600); err != nil {
		t.Fatal(err)
	}
	if exec.Command("node", "--version").Run() != nil {
		t.Skip("skipped: Node.js is not installed")
	}
	out, err := exec.Command("node", "--require", file, "-p", "[require('tls').connect, require('http').request, require('http').get].map((f) => f.name + f.length)").CombinedOutput()
	if plain, _ := exec.Command("node", "-p", "[require('tls').connect, require('http').request, require('http').get].map((f) => f.name + f.length)").CombinedOutput(); err != nil || string(out) != string(plain) {
		t.Errorf("%v: %s, want %s", err, out, plain)
	}
}

// Another --require may come first, with a module that has bound the names by then.
func TestNamesThatAModuleHasImportedBeforeLeadHereToo(t *testing.T) {
	node := newerNode(t)
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"preload.cjs": Preload,
		"early.mjs":   []byte("import tls, { connect } from 'node:tls'\nimport http, { request, get } from 'node:http'\nprocess.on('exit', () => console.log(connect === tls.connect, request === http.request, get === http.get, connect.name + request.length))\n"),
		"early.cjs":   []byte("require('./early.mjs')\n"),
		"nothing.cjs": nil,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	i, _ := running(t, Config{})
	client := i.NewClient("chat", nil, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	run := exec.CommandContext(ctx, node, "--no-warnings", "--require", "./early.cjs", "--require", "./preload.cjs", "nothing.cjs")
	run.Dir, run.Env = dir, append(os.Environ(), client.Variables()...)
	if out, err := run.CombinedOutput(); err != nil || string(out) != "true true true connect0\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// newerNode is a Node.js that can require modules of ECMAScript, as from 22.12 on.
func newerNode(t *testing.T) string {
	t.Helper()
	installed, _ := filepath.Glob("../../.tools/cache/wirepost/tools/node-*/node_modules/node-*/bin/node")
	for _, node := range append(installed, "node") {
		out, err := exec.Command(node, "-p", "process.features.require_module").Output()
		if err == nil && strings.TrimSpace(string(out)) == "true" {
			if node != "node" {
				node, err = filepath.Abs(node)
			}
			if err != nil {
				t.Fatal(err)
			}
			return node
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("Node.js 22.12 is not installed; run make test-needs (with CI=true nothing is skipped)")
	}
	t.Skip("skipped: Node.js 22.12 is not installed; run make test-needs")
	return ""
}
