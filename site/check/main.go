// Check opens each page of the site in Chromium, light and dark, and prints what axe finds.
// It is what `make site-check` runs:
//
//	go run ./site/check bin/site .tools/node/node_modules/axe-core/axe.min.js
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "check: give the folder of the site and axe.min.js")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

func check(site, axeFile string) error {
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		return fmt.Errorf("read axe: %w; run make test-needs", err)
	}
	pages, err := pagesOf(site)
	if err != nil || len(pages) == 0 {
		return fmt.Errorf("find the pages of %s: %w; run make site", site, errors.Join(err, fs.ErrNotExist))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(site)), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	go server.Serve(l) // ends with Close
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		return fmt.Errorf("find chromium: %w; run make test-needs", err)
	}
	profile, err := os.MkdirTemp("", "site-check")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
	browser, stop := chromedp.NewExecAllocator(ctx, chromedp.ExecPath(chromium), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.UserDataDir(profile), chromedp.WindowSize(1280, 900))
	defer stop()
	page, closePage := chromedp.NewContext(browser)
	defer closePage()
	if err := chromedp.Do(page); err != nil {
		return fmt.Errorf("start %s: %w", chromium, err)
	}
	found := 0
	for _, name := range pages {
		for _, scheme := range []string{"light", "dark"} {
			violations, err := violationsOf(page, "http://"+l.Addr().String()+"/"+name, scheme, string(axe))
			if err != nil {
				return fmt.Errorf("open %s: %w", name, err)
			}
			for _, v := range violations {
				fmt.Printf("%s (%s): %s\n", name, scheme, v)
			}
			found += len(violations)
		}
	}
	fmt.Printf("%d pages, light and dark: %d violations\n", len(pages), found)
	if found > 0 {
		return errors.New("not every page is accessible")
	}
	return nil
}

func pagesOf(site string) (pages []string, err error) {
	err = filepath.WalkDir(site, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".html") && d.Name() != "404.html" { // which is VitePress's own
			name, relErr := filepath.Rel(site, path)
			pages = append(pages, filepath.ToSlash(name))
			err = relErr
		}
		return err
	})
	return pages, err
}

// violationsOf are what axe finds on a page, a line each.
func violationsOf(page context.Context, url, scheme, axe string) ([]string, error) {
	ctx, cancel := context.WithTimeout(page, time.Minute)
	defer cancel()
	dress := `document.documentElement.classList.toggle("dark", ` + fmt.Sprint(scheme == "dark") + `); new Promise(r => setTimeout(r, 1500))` // colours fade
	err := chromedp.Do(ctx, chromedp.Navigate(url), chromedp.Evaluate[chromedp.Void](axe, chromedp.EvalAwaitPromise), chromedp.Evaluate[chromedp.Void](dress, chromedp.EvalAwaitPromise))
	if err != nil {
		return nil, err
	}
	return chromedp.Run(ctx, chromedp.Evaluate[[]string](`axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v => v.id + " (" + v.impact + "): " + v.nodes.slice(0, 3).map(n => n.target.join(" ")).join("; ")))`, chromedp.EvalAwaitPromise))
}
