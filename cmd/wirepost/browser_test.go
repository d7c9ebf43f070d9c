//go:build unix

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// void is what most actions return.
type void = chromedp.Void

type action = chromedp.Action[void]

// chromium is where Debian, and others, have it.
func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	needs(t, "chromium", false)
	return ""
}

// newBrowser starts a Chromium with nothing in it, until the test ends. Contexts made
// of its own are tabs.
func newBrowser(t testing.TB, width, height int) context.Context {
	t.Helper()
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(chromium(t)), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(width, height))
	ctx, cancel := chromedp.NewContext(allocator)
	ctx, timeout := context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(func() {
		timeout()
		cancel()
		stop()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx
}

// do runs actions in a page and fails the test with the page's own words.
func do(t testing.TB, page context.Context, what string, actions ...action) {
	t.Helper()
	limited, cancel := context.WithTimeout(page, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(limited, actions...); err != nil {
		t.Fatalf("%s: %v\nthe page says:\n%s", what, err, value[string](t, page, `document.body?.innerText ?? ""`))
	}
}

// value is what an expression is in a page, awaited if it is a promise.
func value[T any](t testing.TB, page context.Context, expression string) T {
	t.Helper()
	limited, cancel := context.WithTimeout(page, 20*time.Second)
	defer cancel()
	v, err := chromedp.Run(limited, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("evaluate %.200s: %v", expression, err)
	}
	return v
}

// run evaluates for what it does.
func eval(expression string) action {
	return chromedp.Evaluate[void](expression, chromedp.EvalAwaitPromise)
}

// until waits for an expression of the page to be true. The page allows no eval, which
// chromedp's own polling needs.
func until(expression string) action {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		ticks := time.NewTicker(40 * time.Millisecond)
		defer ticks.Stop()
		for {
			if ok, err := chromedp.Evaluate[bool]("!!("+expression+")")(ctx, target); ok || err != nil {
				return err
			}
			select {
			case <-ticks.C:
			case <-ctx.Done():
				return fmt.Errorf("not yet: %s: %w", expression, ctx.Err())
			}
		}
	})
}

// key presses a key where the page has its focus.
func key(k string) action { return chromedp.KeyEvent(k) }

// accessible fails the test for what axe calls serious or critical.
func accessible(t *testing.T, page context.Context, where string) {
	t.Helper()
	found := value[[]string](t, page, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical")
		.map(v => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? "")).join(" | ")))`)
	for _, f := range found {
		t.Errorf("axe, %s: %s", where, f)
	}
}

// shoot makes the window so large and, with -update, a picture of it.
func shoot(t *testing.T, page context.Context, folder, name, theme string, width, height int64) {
	t.Helper()
	do(t, page, "set the window", chromedp.EmulateViewport(width, height), eval(`document.documentElement.dataset.theme = "`+theme+`"`), until(`innerWidth === `+strconv.FormatInt(width, 10)))
	if !*update {
		return
	}
	do(t, page, "wait for what is over the page", until(`document.querySelector("#toast").hidden`))
	shot, err := chromedp.Run(page, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), paletted(t, shot), 0o644); err != nil {
		t.Fatal(err)
	}
}

// paletted is a picture with its 256 most frequent colours, in a third of the bytes: a
// page has few, and letters have their edges.
func paletted(t *testing.T, shot []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	b := full.Bounds()
	counts := map[color.Color]int{}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			counts[full.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return cmp.Compare(counts[b], counts[a]) })
	small := image.NewPaletted(b, color.Palette(colours[:min(len(colours), 256)]))
	nearest := map[color.Color]uint8{}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := full.At(x, y)
			i, ok := nearest[c]
			if !ok {
				i = uint8(small.Palette.Index(c))
				nearest[c] = i
			}
			small.SetColorIndex(x, y, i)
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
