package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/hint"
)

// maxZip is how large a zip file may be that is uploaded to Lambda as such (AWS docs,
// Lambda developer guide, "Lambda quotas": 50 MB; larger ones come from a bucket).
const maxZip = 50 << 20

func (c *command) packageCommand() *cobra.Command {
	var output, arch string
	cmd := &cobra.Command{
		Use:   "package [FLAGS] [PACKAGE]",
		Short: "build a Go function for AWS Lambda as a zip file",
		Long: `Builds a Go program as an AWS Lambda function for the runtime provided.al2023: a zip
file with the one program bootstrap. PACKAGE is a folder such as ./cmd/function, or
an import path; default the folder that you are in. The same source and the same Go
make the same bytes, so what has not changed is not deployed again. Prints the file,
its size and what AWS Lambda calls its CodeSha256.`,
		Annotations: map[string]string{notes: `It is 'go build' with CGO_ENABLED=0, -trimpath, -buildvcs=false, -tags lambda.norpc
and -ldflags '-s -w'. GOFLAGS and what else Go reads are as they are set.`},
		Example: `    $ wirepost package --output function.zip ./cmd/function
    $ wirepost dev -- ./bootstrap     # what is in it, on a machine of that kind`,
		SuggestFor:        []string{"build", "zip", "pack"},
		ValidArgsFunction: files,
	}
	cmd.Flags().StringVar(&output, "output", "function.zip", "`FILE` default function.zip")
	cmd.Flags().StringVar(&arch, "arch", "arm64", "`NAME` arm64 or amd64; default arm64. A template calls amd64 x86_64")
	completeFlag(cmd, "output", files)
	completeFlag(cmd, "arch", oneOf("arm64", "amd64"))
	cmd.RunE = runs(func(cmd *cobra.Command, args []string) int {
		of := "."
		if len(args) > 0 {
			of = args[0]
		}
		switch {
		case len(args) > 1:
			return c.misuse(fmt.Sprintf("package takes one package, but was also given %q", args[1]), "'wirepost package --help' shows how it is used")
		case arch == "x86_64":
			return c.misuse("--arch x86_64: use amd64 instead", "")
		case arch != "arm64" && arch != "amd64":
			return c.misuse(fmt.Sprintf("--arch %s: AWS Lambda has arm64 and amd64", arch), "")
		case output == "":
			return c.misuse("--output needs a name", "")
		case strings.HasPrefix(of, "-") || strings.Contains(of, "..."):
			return c.misuse(fmt.Sprintf("%q is not one package", of), "name a folder such as ./cmd/function, or an import path")
		}
		return c.pack(cmd.Context(), of, output, arch)
	})
	return cmd
}

func (c *command) pack(ctx context.Context, of, output, arch string) int {
	c.holds() // go, and what it runs
	program, err := buildFunction(ctx, of, arch)
	if err != nil {
		return c.failWith(err)
	}
	var file bytes.Buffer
	if err := zipFunction(&file, program); err != nil {
		return c.fail(fmt.Errorf("make %s: %w", output, err))
	}
	if err := atomicfile.Write(output, file.Bytes(), 0o644); err != nil {
		return c.fail(err)
	}
	sum := sha256.Sum256(file.Bytes())
	c.stdout.Printf("%s  %.2f MB  %s  sha256 %s\n", output, float64(file.Len())/1e6, arch, base64.StdEncoding.EncodeToString(sum[:]))
	if file.Len() > maxZip {
		c.stderr.Printf("wirepost: hint: AWS Lambda takes at most 50 MB in one upload; a larger file has to be in a bucket first\n")
	}
	return exitDone
}

// buildFunction compiles a package for Lambda and is the program.
func buildFunction(ctx context.Context, of, arch string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "wirepost-package-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	defer os.RemoveAll(dir)
	args := []string{"build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", filepath.Join(dir, "bootstrap")}
	folder := ""
	if info, err := os.Stat(of); err == nil && info.IsDir() && !filepath.IsLocal(of) {
		folder, of = of, "." // a folder of another module than the one that we are in
	} else if err == nil && info.IsDir() && !strings.HasPrefix(of, ".") {
		of = "./" + filepath.ToSlash(of) // a folder comes before an import path
	}
	build := exec.CommandContext(ctx, "go", append(args, of)...)
	build.Dir = folder
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	build.WaitDelay = time.Second
	said, err := build.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("build %s: %w", of, ctx.Err())
	case errors.Is(err, exec.ErrNotFound):
		return nil, hint.New(errors.New("go, which builds the function, is not installed or not on the PATH"), "install Go, then try again")
	case err != nil:
		return nil, fmt.Errorf("build %s: go build failed\n\t%s", of, strings.ReplaceAll(strings.TrimSpace(string(said)), "\n", "\n\t"))
	}
	program, err := os.ReadFile(filepath.Join(dir, "bootstrap"))
	if err != nil || !bytes.HasPrefix(program, []byte("\x7fELF")) {
		return nil, hint.New(fmt.Errorf("build %s: it is not package main", of), "name the package that is package main")
	}
	return program, nil
}

// zipFunction writes the zip file of a program: one file, which may be executed, at a
// time that is always the same.
func zipFunction(to io.Writer, program []byte) error {
	z := zip.NewWriter(to)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = w.Write(program)
	}
	if err != nil {
		return err
	}
	return z.Close()
}
