package dynamolocal

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/wirepost/wirepost/internal/engine"
)

// missing is a sentence about what scripts/test-needs would install.
type missing string

func (m missing) Error() string { return string(m) }

// command is the argument vector that runs a server on a port, with folder for its
// temporary files.
type command func(port int, folder string) ([]string, error)

// dynamoDBLocal finds DynamoDB Local, which is one folder of its npm package.
func dynamoDBLocal() (command, error) {
	const needs = missing("DynamoDB Local needs Java 17 and its npm package")
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	tool, err := engine.DynamoDBTool(filepath.Join(root, ".tools/cache/wirepost/tools"))
	java := engine.Java(context.Background())
	if java == "" || err != nil {
		return nil, needs
	}
	return func(port int, folder string) ([]string, error) {
		args, err := engine.DynamoDBCommand(java, tool, folder, "-Dwirepost.port="+strconv.Itoa(port))
		return append(args, "-inMemory"), err
	}, nil
}

// surviveAborts keeps dynalite alive when a client gives a request up, as every
// cancelled context does: it throws that error, which ends Node.js.
const surviveAborts = `data:text/javascript,process.on("uncaughtException",e=>{if(e.code!=="ECONNRESET"&&e.code!=="EPIPE"){console.error(e);process.exit(1)}})`

// dynalite finds dynalite.
func dynalite() (command, error) {
	const needs = missing("dynalite needs Node.js 20 and its npm package")
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	cli := filepath.Join(root, ".tools/node/node_modules/dynalite/cli.js")
	node := program(20, "node", "--version")
	if _, err := os.Stat(cli); err != nil || node == "" {
		return nil, needs
	}
	return func(port int, _ string) ([]string, error) {
		return []string{node, "--import", surviveAborts, cli, "--host", "127.0.0.1", "--port", strconv.Itoa(port),
			"--createTableMs", "0", "--updateTableMs", "0", "--deleteTableMs", "0"}, nil
	}, nil
}

// Java says version "17.0.15", or "1.8.0_402" before it was called 9; Node.js says
// v20.20.2.
var majorVersion = regexp.MustCompile(`(?m)(?:version "|^v)(\d+)`)

// program is the path of a program whose major version is at least that one, or
// nothing. It runs the program to ask: macOS has a java that only says that there
// is no Java.
func program(atLeast int, name, versionFlag string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	said, err := exec.CommandContext(ctx, path, versionFlag).CombinedOutput()
	if err != nil {
		return ""
	}
	m := majorVersion.FindSubmatch(said)
	if m == nil {
		return ""
	}
	if major, err := strconv.Atoi(string(m[1])); err != nil || major < atLeast {
		return ""
	}
	return path
}

// moduleRoot is the folder with go.mod at or above the working folder, which is the
// package's own in a test.
func moduleRoot() (string, error) {
	from, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for folder := from; ; {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		up := filepath.Dir(folder)
		if up == folder {
			return "", fmt.Errorf("find the tools of this module: there is no go.mod at or above %s; call Start before the test changes its folder", from)
		}
		folder = up
	}
}
