//go:build unix

package js_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// builtFiles are what clients/js/build makes.
var builtFiles = []string{
	"presence.cjs", "presence.d.cts", "presence.d.ts", "presence.js",
	"stream.cjs", "stream.d.cts", "stream.d.ts", "stream.js",
	"wirepost.cjs", "wirepost.d.cts", "wirepost.d.ts", "wirepost.js",
}

// run runs a program in a folder, for two minutes at most.
func run(t *testing.T, folder, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	c.Dir = folder
	// The package must install without a registry: it has no dependencies.
	c.Env = append(os.Environ(), "npm_config_offline=true", "npm_config_audit=false", "npm_config_fund=false", "npm_config_update_notifier=false")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// packed is the package as npm makes it.
func packed(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	run(t, ".", tool(t, "npm"), "pack", "--pack-destination", to)
	made, err := filepath.Glob(filepath.Join(to, "*.tgz"))
	if err != nil || len(made) != 1 {
		t.Fatalf("npm pack made %q, %v", made, err)
	}
	return made[0]
}

// filesIn are the files of a package, by their paths in it.
func filesIn(t *testing.T, tarball string) map[string]string {
	t.Helper()
	f, err := os.Open(tarball)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "package/")] = string(text)
	}
}

func TestThePackageHasItsFilesAndNoOthersAndPassesTheCheckers(t *testing.T) {
	t.Parallel()
	publint, attw := filepath.Join(nodeModule(t, "publint"), "src", "cli.js"), filepath.Join(nodeModule(t, "@arethetypeswrong/cli"), "dist", "index.js")
	tarball := packed(t)
	files := filesIn(t, tarball)
	want := append([]string{"LICENSE", "README.md", "package.json"}, builtFiles...)
	for name := range files {
		if !slices.Contains(want, name) {
			t.Errorf("the package has %s, which nobody needs", name)
		}
	}
	for _, name := range want {
		if files[name] == "" {
			t.Errorf("the package has no %s", name)
		}
	}
	license, err := os.ReadFile(filepath.Join("..", "..", "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	if files["LICENSE"] != string(license) {
		t.Error("clients/js/LICENSE is not LICENSE: copy it")
	}
	// On the page of a registry a link has nothing to be relative to.
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(files["README.md"], -1) {
		if !strings.HasPrefix(link[1], "https://") && !strings.HasPrefix(link[1], "#") {
			t.Errorf("README.md links to %s, which leads nowhere in the package", link[1])
		}
		if page, ok := strings.CutPrefix(link[1], "https://github.com/wirepost/wirepost/blob/main/"); ok {
			page, _, _ = strings.Cut(page, "#")
			if _, err := os.Stat(filepath.Join("..", "..", page)); err != nil {
				t.Errorf("README.md links to %s: %v", link[1], err)
			}
		}
	}
	node := tool(t, "node")
	if out := run(t, t.TempDir(), node, publint, "--strict", tarball); !strings.Contains(out, "All good!") {
		t.Errorf("publint says\n%s", out)
	}
	if out := run(t, t.TempDir(), node, attw, tarball, "--no-emoji", "--no-color"); !strings.Contains(out, "No problems found") {
		t.Errorf("arethetypeswrong says\n%s", out)
	}
}

// installed is an empty folder into which the package was installed.
func installed(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	run(t, folder, tool(t, "npm"), "install", "--no-save", "--ignore-scripts", packed(t))
	return folder
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// uses is a program that talks to itself over a gateway. It is given its URL.
const uses = `
async function use(WebSocket, url) {
  if (new Refusal("x").code !== "x" || typeof streams !== "function") throw new Error("something is missing");
  const client = connect(url + "?user=alice", { topics: ["lobby"], WebSocket });
  const here = presence(client, "lobby");
  const got = new Promise((resolve) => client.on("message", resolve));
  await client.send("topic:lobby", "hi");
  console.log((await got).data, here.count >= 0);
  const { id } = await streams(client).ask("nothing", {}).named.catch((e) => (e instanceof Refusal ? { id: "refused" } : Promise.reject(e)));
  console.log(id);
  client.close();
}
`

func TestThePackageWorksByImportAndRequireInAnEmptyFolder(t *testing.T) {
	ws := nodeModule(t, "ws")
	t.Parallel()
	folder, d := installed(t), startDev(t)
	path, _ := json.Marshal(filepath.Join(ws, "index.js"))
	write(t, folder, "use.mjs", `import { connect, Refusal } from "wirepost";
import { streams } from "wirepost/stream";
import { presence } from "wirepost/presence";
import { createRequire } from "node:module";
`+uses+`await use(createRequire(import.meta.url)(`+string(path)+`), process.argv[2]);
`)
	write(t, folder, "use.cjs", `const { connect, Refusal } = require("wirepost");
const { streams } = require("wirepost/stream");
const { presence } = require("wirepost/presence");
`+uses+`use(require(`+string(path)+`), process.argv[2]);
`)
	// What a module of CommonJS exports is found by name.
	write(t, folder, "names.mjs", `import { connect, Refusal } from "./node_modules/wirepost/wirepost.cjs";
console.log(typeof connect, typeof Refusal);
`)
	node := tool(t, "node")
	for file, want := range map[string]string{"use.mjs": "hi true\nrefused\n", "use.cjs": "hi true\nrefused\n", "names.mjs": "function function\n"} {
		if out := run(t, folder, node, file, d.where(t).String()); out != want {
			t.Errorf("%s says\n%swant\n%s", file, out, want)
		}
	}
}

func TestTheTypesOfThePackageAreFoundByEachWayOfTypeScript(t *testing.T) {
	tsc := filepath.Join(nodeModule(t, "typescript"), "bin", "tsc")
	t.Parallel()
	folder := installed(t)
	usage, err := os.ReadFile(filepath.Join("test", "usage.ts"))
	if err != nil {
		t.Fatal(err)
	}
	page := strings.NewReplacer(`"../wirepost.js"`, `"wirepost"`, `"../stream.js"`, `"wirepost/stream"`, `"../presence.js"`, `"wirepost/presence"`).Replace(string(usage))
	write(t, folder, "use.mts", page)
	write(t, folder, "use.ts", page)
	write(t, folder, "use.cts", `import wirepost = require("wirepost");
import { streams } from "wirepost/stream";
import { presence } from "wirepost/presence";
const client: wirepost.Client = wirepost.connect("wss://server/prod");
const refused: Error = new wirepost.Refusal("closed");
// @ts-expect-error there is no such state
const state: wirepost.State = "ajar";
export = [streams(client).ask("ask").at.toFixed(), presence(client, "lobby").count.toFixed(), refused, state];
`)
	write(t, folder, "package.json", `{ "type": "module" }`)
	node := tool(t, "node")
	for _, c := range []struct{ resolution, module string }{{"node16", "node16"}, {"bundler", "es2022"}} {
		files := []string{"use.mts", "use.ts", "use.cts"}
		if c.resolution == "bundler" {
			files = files[:2] // a bundler's modules are not CommonJS
		}
		run(t, folder, node, append([]string{tsc, "--ignoreConfig", "--noEmit", "--strict", "--target", "es2022", "--module", c.module,
			"--moduleResolution", c.resolution, "--lib", "es2022,dom", "--types", ""}, files...)...)
	}
	write(t, folder, "wrong.mts", `import { connect } from "wirepost";
connect(7);
`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	wrong := exec.CommandContext(ctx, node, tsc, "--ignoreConfig", "--noEmit", "--strict", "--module", "node16", "--moduleResolution", "node16", "--types", "", "wrong.mts")
	wrong.Dir = folder
	if out, err := wrong.CombinedOutput(); err == nil || !strings.Contains(string(out), "not assignable") {
		t.Errorf("what is wrong passes: %v\n%s", err, out)
	}
}
