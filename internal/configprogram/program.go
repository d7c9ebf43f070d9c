// Package configprogram runs a program that describes an app, such as serverless.ts, and
// takes its result.
//
// The program runs with Node.js of the PATH, in its own folder, for at most 30 s, and
// prints at most 8 MB. Its result stands between marks in what it prints, which nobody
// can know before, so that whatever else it prints is not taken for it.
package configprogram

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// most is how many bytes a program may print.
const most = 8 << 20

// Options says how a program runs.
type Options struct {
	Folder string        // the working directory
	Env    []string      // the whole environment, NAME=VALUE each
	Limit  time.Duration // how long it may take; 0 means 30 s
	Part   bool          // the result is a part of an app, which may be any value
}

// NewMark is a mark that no program can know.
func NewMark() string { return "wirepost-" + rand.Text() }

// After is the code that comes behind a program and prints its result: what the file
// exports, what a function makes that it exports, and what a promise of these comes to.
// program is the namespace of the file. With an address, such as a.b, the result is what
// is there, and functions on the way are called, too; the framework's options are what
// functions get (Serverless Framework 3 docs, "Variables").
func After(mark, address string, options map[string]string) string {
	names := []string{}
	if address != "" {
		names = strings.Split(address, ".")
	}
	return `
import { writeSync as __wirepost_write } from 'node:fs';
const names = ` + text(names) + `;
const missing = (name) => async () => { throw new Error(name + ' is only in the Serverless Framework, not in wirepost dev'); };
const given = { options: ` + text(options) + `, resolveVariable: missing('resolveVariable'), resolveConfigurationProperty: missing('resolveConfigurationProperty') };
let result = program;
for (let i = 0; i < 4 && result !== null && typeof result === 'object' && !(names.length > 0 && names[0] in result) && ('default' in result || 'module.exports' in result); i++) {
  result = 'default' in result ? result.default : result['module.exports'];
}
result = await result;
if (typeof result === 'function') result = await result(given);
for (const name of names) {
  result = await result?.[name];
  if (typeof result === 'function') result = await result(given);
}
let text = Buffer.from('\n` + mark + `' + JSON.stringify(result ?? null) + '` + mark + `\n');
while (text.length > 0) {
  try {
    text = text.subarray(__wirepost_write(1, text));
  } catch (error) {
    if (error.code !== 'EAGAIN') throw error;
    await new Promise((then) => setTimeout(then, 5));
  }
}
process.exit(0);
`
}

// text is a value as JavaScript.
func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil || string(data) == "null" {
		return "{}"
	}
	return string(data)
}

// Run runs the source of a module, with what After has behind it, and gives the JSON of
// its result. What it prints otherwise is not shown, but for the end of its
// errors in an error. An error is one clause that begins with a verb. When Run returns,
// the program and what it has started have ended.
func Run(ctx context.Context, source []byte, mark string, o Options) ([]byte, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errors.New("needs Node.js, and there is no node in the PATH")
	}
	limit := cmp.Or(o.Limit, 30*time.Second)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := exec.CommandContext(limited, node, "--input-type=module", "-")
	c.Dir, c.Env, c.Stdin = o.Folder, o.Env, bytes.NewReader(source)
	out, said := &output{cancel: cancel, left: most}, &output{left: 64 << 10}
	c.Stdout, c.Stderr = out, said
	c.WaitDelay = time.Second
	end := alone(c)
	err = c.Run()
	end()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("was stopped: %w", ctx.Err())
	case out.full:
		return nil, fmt.Errorf("prints more than %d bytes", most)
	case limited.Err() != nil:
		return nil, fmt.Errorf("has not ended after %v", limit)
	}
	result, found := Marked(out.kept.Bytes(), mark)
	switch {
	case found == nil && !o.Part && !bytes.HasPrefix(bytes.TrimSpace(result), []byte("{")):
		return nil, errors.New("exports nothing that describes an app")
	case found == nil:
		return result, nil
	case err != nil:
		return nil, fmt.Errorf("fails: %s", lastError(said.kept.String(), err))
	}
	return nil, found
}

// Marked is what stands between the last two marks in an output: valid JSON.
func Marked(output []byte, mark string) ([]byte, error) {
	end := bytes.LastIndex(output, []byte(mark))
	if end < 0 {
		return nil, errors.New("ends before it has a result")
	}
	begin := bytes.LastIndex(output[:end], []byte(mark))
	if begin < 0 {
		return nil, errors.New("ends before it has printed its result")
	}
	result := output[begin+len(mark) : end]
	if !json.Valid(result) {
		return nil, errors.New("has a result that is not JSON")
	}
	return result, nil
}

// An output keeps the first bytes of what a program prints. One that prints more is
// ended.
type output struct {
	kept   bytes.Buffer // not embedded: its ReadFrom would read everything
	left   int
	full   bool
	cancel context.CancelFunc
}

func (o *output) Write(p []byte) (int, error) {
	if len(p) > o.left {
		o.full = true
		if o.cancel != nil {
			o.cancel()
		}
		return len(p), nil
	}
	o.left -= len(p)
	return o.kept.Write(p)
}

var errorLine = regexp.MustCompile(`^(?:\w*Error|Uncaught \w+)\b.*`)

// lastError is the line of Node.js's output that says what is wrong, or how the program
// ended.
func lastError(said string, ended error) string {
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); errorLine.MatchString(line) {
			if r := []rune(line); len(r) > 300 {
				line = string(r[:300]) + "…"
			}
			return line
		}
	}
	return ended.Error()
}
