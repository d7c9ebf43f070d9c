//go:build unix

package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// devOn runs dev in a folder on a disk whose files end at so many blocks of 512 bytes,
// and ends it as soon as it serves.
func devOn(t *testing.T, dir string, blocks int, args ...string) (served bool, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	limit := ""
	if blocks >= 0 {
		limit = fmt.Sprintf("ulimit -f %d; ", blocks)
	}
	c := exec.CommandContext(ctx, "sh", append([]string{"-c", limit + `exec wirepost dev --listen 127.0.0.1:0 "$@"`, "dev"}, args...)...)
	c.Dir, c.WaitDelay = dir, time.Second
	c.Env = append(os.Environ(), "WIREPOST_STORE=", "WIREPOST_ENDPOINT=")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for scan := bufio.NewScanner(out); scan.Scan(); {
		if strings.HasPrefix(scan.Text(), "store ") {
			served = true
			c.Process.Signal(syscall.SIGINT)
		}
	}
	if err := c.Wait(); ctx.Err() != nil {
		t.Fatalf("dev with room for %d blocks does not end: %v\n%s", blocks, err, stderr.String())
	}
	return served, stderr.String()
}

func TestNoFullDiskKeepsTheNextDevFromStarting(t *testing.T) {
	t.Parallel()
	started := 0
	for _, blocks := range []int{0, 1, 2, 3, 4, 8, 12, 16, 24, 32, 48, 64, 128, 256, 1024} {
		dir := t.TempDir()
		for range 2 { // the second finds what the first has left
			served, said := devOn(t, dir, blocks)
			if served {
				started++
			} else if !strings.Contains(said, "wirepost: error: ") {
				t.Errorf("with room for %d blocks dev ends without a word: %s", blocks, said)
			}
		}
		if served, said := devOn(t, dir, -1); !served {
			t.Errorf("after a disk with room for %d blocks dev does not start:\n%s", blocks, said)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".wirepost", ".new-*")); len(left) > 0 {
			t.Errorf("after a disk with room for %d blocks there are %v", blocks, left)
		}
	}
	if started == 0 || started == 30 {
		t.Errorf("dev started %d times of 30: the disks are not of the sizes that matter", started)
	}
}

func TestWhatAKilledDevLeftIsGoneAtTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left := []string{".wirepost/.new-1", ".wirepost/functions/chat/.new-2/big", ".wirepost/functions/gone/.new-3/lib/a"}
	kept := []string{".wirepost/functions/chat/code/index.mjs", ".wirepost/functions/note"}
	for _, name := range slices.Concat(left, kept) {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if served, said := devOn(t, dir, -1); !served {
		t.Fatal(said)
	}
	for _, name := range left {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range kept {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestAZipFileOnAFullDiskLeavesNothing(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 300<<10)
	rand.Read(noise)
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	w, err := z.Create("bootstrap")
	if err == nil {
		_, err = w.Write(noise)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	template := `AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: a, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  Route: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub "integrations/${Integration}"}}
  Integration: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Fn.Arn}/invocations"}}
  Fn: {Type: AWS::Serverless::Function, Properties: {FunctionName: chat, Runtime: provided.al2023, Handler: bootstrap, CodeUri: function.zip}}
`
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "template.yaml"), []byte(template), 0o600), os.WriteFile(filepath.Join(dir, "function.zip"), archive.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	served, said := devOn(t, dir, 512, "--strict", "--template", "template.yaml")
	if served || !regexp.MustCompile(`(?m)^wirepost: error: template\.yaml:7: function Fn, which route \$default needs, cannot be run here: its code function\.zip cannot be unpacked: "bootstrap": file too large; give --function Fn=FUNCTION$`).MatchString(said) {
		t.Errorf("served %v: %s", served, said)
	}
	var left []string
	filepath.WalkDir(filepath.Join(dir, ".wirepost", "functions"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() || strings.Contains(path, ".new-") {
			left = append(left, path)
		}
		return nil
	})
	if len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}
