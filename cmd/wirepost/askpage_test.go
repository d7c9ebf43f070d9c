//go:build unix

package main

import (
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The page of the example ask: an answer goes on after a reload, and the button stops the
// model, which its log shows.
func TestAnAnswerSurvivesAReloadAndIsStopped(t *testing.T) {
	example, err := filepath.Abs("../../examples/ask")
	if err != nil {
		t.Fatal(err)
	}
	d := startDev(t, "--integration-timeout", "3s", "--route-response", "$default", "--page", filepath.Join(example, "page"), "go:"+filepath.Join(example, "function"))
	at := d.await(t, `^page +(http://\S+)$`)[1]
	page := newBrowser(t, 800, 600)
	long := func(n string) action { return until(`document.querySelector("#answer").textContent.length > ` + n) }
	do(t, page, "ask", chromedp.Navigate(at), until(`document.querySelector("#ask")?.onsubmit`), eval(`document.querySelector("#ask button").click()`), long("300"))
	before := value[string](t, page, `document.querySelector("#answer").textContent`)
	do(t, page, "load it again", chromedp.Reload(), long(`300`))
	after := value[string](t, page, `document.querySelector("#answer").textContent`)
	if len(after) < len(before) || after[:len(before)] != before {
		t.Errorf("before the reload it was\n%.200s\nand then\n%.200s", before, after)
	}
	do(t, page, "go on", long(`1500`))
	start := time.Now()
	do(t, page, "stop", eval(`document.querySelector("#stop").click()`), until(`document.querySelector("#state").textContent === "That is all."`))
	if took := time.Since(start); took > 3*time.Second { // 1.5 s on a machine that does nothing else
		t.Errorf("it stopped after %v", took)
	}
	said := d.await(t, `"the model has stopped".*"because":"([^"]*)"`)
	if !regexp.MustCompile(`cancelled by its reader`).MatchString(said[1]) {
		t.Errorf("the model stopped because %s", said[1])
	}
}
