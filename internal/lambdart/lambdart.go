// Package lambdart runs an unchanged Lambda function on this machine: any program
// that speaks the Lambda Runtime API, or a Node.js or Python handler file.
//
// A Function is a number of child processes of one program. Each has a Runtime API
// of its own on a loopback port and runs one invocation at a time, as on Lambda;
// more are started when all are busy, up to a bound.
//
//	source, err := lambdart.ParseSource([]string{"./bootstrap"}, "")
//	function, err := lambdart.Start(ctx, lambdart.Config{Name: "chat", Source: source, Env: os.Environ()})
//	answer, err := function.Invoke(ctx, event)
//
// Facts about Lambda come from its developer guide ("AWS docs"): the pages on the
// Runtime API and its OpenAPI document, on environment variables, and on quotas.
// Where nothing authoritative was found the code says UNCERTAIN.
//
// # Who can reach a Runtime API
//
// It listens on 127.0.0.1 only, and refuses with 403 whatever a web page could
// send: a request with an Origin or a Sec-Fetch header (see accept.FromPage), or with a Host that is not
// its own address. The protocol has no secret. On Linux it refuses what comes from
// another program than the function's process, what that has started, and any process that was
// given the address in AWS_LAMBDA_RUNTIME_API. Elsewhere other programs on this machine
// can reach it, those of other users too; what waits for the next invocation is not
// replaced by them.
//
// # Debuggers
//
// With Config.DebugPort there is one process, nothing has a time limit, and nothing
// is frozen. Node.js is run with --inspect=127.0.0.1:PORT. Python is run as
// python -m debugpy --listen 127.0.0.1:PORT, which needs the package debugpy. A
// go: source is built without optimisation, and for it and for any other program
// nothing listens on the port: attach with dlv attach PID, or dlv's flags in place
// of the program. The log has the PID, at level info.
//
// # Limits
//
// Extensions, the Telemetry API, response streaming (an answer is taken whole) and
// memory limits are not emulated. Layers are folders, see Around: require and import
// find what is in them below /opt, and any other use of /opt does not. On Windows a
// process is killed without a SIGTERM before, its own children are left alone, and
// Freeze is refused.
package lambdart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"time"
)

// What a Config without a value gets, and this package's own limits.
const (
	DefaultConcurrency = 10
	DefaultTimeout     = 29 * time.Second
	DefaultIdleEnd     = time.Minute
	DefaultMemoryMB    = 128

	// initLimit is how long a process may take to its first /next (AWS docs: the
	// init phase is limited to 10 seconds).
	initLimit = 10 * time.Second
	// endGrace is the time between SIGTERM and SIGKILL.
	endGrace = 2 * time.Second
	// payloadLimit is that of a synchronous invocation, each way (AWS docs: 6 MB).
	// That it is this number of bytes is what Lambda's error messages say.
	payloadLimit = 6<<20 + 100
)

// Config says what to run and how. Name and Source are needed.
type Config struct {
	// Name is the function's: letters, digits, - and _, 64 at most. It is in the
	// environment, in the ARN and before each line of output. Functions with the same
	// Folder need different names.
	Name string

	// Source is what to run.
	Source Source

	// Around is what the function finds outside its folder.
	Around Around

	// From is the folder that the Source was made of, which hints name in the place of
	// the Source's. Empty means that the Source is what people write.
	From string

	// Env is the whole environment of the processes, as os.Environ gives it; what a
	// function on Lambda has on top is added. Values are never logged.
	Env []string

	// ForProcess, if not nil, is asked before each process starts for variables that this
	// process alone has; they win over all others. current is the context of the
	// invocation that the process has been given and has not come back from, or nil; it
	// may be called at any time. ended is called once when the process has ended, or
	// has not started; it may be nil.
	ForProcess func(current func() context.Context) (env []string, ended func())

	// Region and AccountID are in the environment and in the ARN. Empty means
	// us-east-1 and 000000000000.
	Region, AccountID string

	// MemoryMB is AWS_LAMBDA_FUNCTION_MEMORY_SIZE. Zero means 128. Nothing holds a
	// process to it.
	MemoryMB int

	// Concurrency is how many processes there may be. Zero means 10. While a
	// Restart runs there may be one more.
	Concurrency int

	// Timeout is the time an invocation may take in its process, until that asks for
	// the next; the process is then killed, as on Lambda. Zero means 29 s.
	Timeout time.Duration

	// NoTimeout lets an invocation take any time. The function is told a day.
	NoTimeout bool

	// IdleEnd ends a process that had nothing to do for so long, if it is not the
	// only one. Zero means a minute.
	IdleEnd time.Duration

	// Freeze stops a process between invocations, as Lambda does: its timers and
	// connections stand still. It is an error on Windows.
	Freeze bool

	// DebugPort is the port of a debugger; see the package's doc. Zero means none.
	DebugPort int

	// Folder is where built programs and the bootstraps of handler files go, such as
	// .wirepost; this function has a folder of its own name in it. Empty means a
	// temporary one that Close removes.
	Folder string

	// Output gets what the processes write to standard output and standard error,
	// one Write a line, as "[name] line". Lines longer than 16 KiB are cut into
	// several. Nil means nowhere. A process waits for a Write that blocks, and so does
	// Close.
	Output io.Writer

	// Logger gets what happens to processes, never payloads or the environment. Nil
	// means nowhere.
	Logger *slog.Logger

	// Now is the clock of deadlines and trace IDs. Nil means time.Now.
	Now func() time.Time

	// Random is in [0,1) and spreads the back-off of starts that fail. Nil means
	// math/rand/v2.
	Random func() float64

	// OnLog, if not nil, gets each line too, with the ID of the invocation that its
	// process had been given last when the line was read, empty before the first, and
	// the context of the Invoke that it came with, which may have ended: its values
	// are of use. It is called from one goroutine a process.
	OnLog func(ctx context.Context, requestID, line string)

	// after is time.AfterFunc, for tests of the back-off.
	after func(time.Duration, func()) (stop func() bool)
	// peerOf finds out who has opened a connection to the Runtime API of a child, for
	// tests of what is done where nobody can.
	peerOf func(here, there netip.AddrPort, child int, api string) peer
}

// Stats is what a Function does at this moment, and how often it did it.
type Stats struct {
	Processes int // alive, whatever they do
	Starting  int // of these: have not asked for their first invocation
	Idle      int // of these: wait for an invocation
	Waiting   int // invocations that wait for a process

	Invocations  int64 // given to a process
	Failed       int64 // of these: an error, of the function or of its process
	TimedOut     int64 // of these: took longer than Timeout
	Starts       int64 // processes started
	FailedStarts int64 // of these: ended before their first invocation
	Restarts     int64 // calls of Restart that took effect, without that of the first start
}

// Function is a Lambda function on this machine. Its methods may be called
// concurrently.
type Function struct {
	c         Config
	folder    string
	temporary bool
	replacing chan struct{} // holds one: who starts or restarts
	builds    int           // how often the source was prepared; for a caller that replaces
	running   sync.WaitGroup

	first   attempts        // until the first process has started
	life    context.Context // ends with Close
	endLife context.CancelFunc

	pool
}

var functionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Start starts the first process and returns when it has asked for an invocation,
// or with a *StartError or a *BuildError. ctx bounds the start only.
func Start(ctx context.Context, c Config) (*Function, error) {
	f, err := New(c)
	if err != nil {
		return nil, err
	}
	if err := f.Restart(ctx); err != nil {
		// What is left ends within endGrace, whether ctx has ended or not.
		_ = f.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return f, nil
}

// New makes a function and starts nothing. Restart starts its first process, and so
// does Invoke, as on Lambda: while no start has worked, each Invoke tries again, but
// one at a time, and after two failures in a row no sooner than up to 200 ms, then 400
// ms and so on up to 10 s after the last one; until then it returns that start's error.
// The error of New is a mistake in c, or of the folder.
func New(c Config) (*Function, error) {
	switch {
	case !functionName.MatchString(c.Name):
		return nil, fmt.Errorf("start function %q: its name must be 1 to 64 letters, digits, - and _", c.Name)
	case c.Source.Kind == 0:
		return nil, fmt.Errorf("start function %s: it has no Source; ParseSource makes one", c.Name)
	case c.Concurrency < 0 || c.Timeout < 0 || c.IdleEnd < 0 || c.DebugPort < 0 || c.DebugPort > 65535:
		return nil, fmt.Errorf("start function %s: Concurrency, Timeout, IdleEnd and DebugPort must not be negative, and a port is at most 65535", c.Name)
	case c.Freeze && !canFreeze:
		return nil, fmt.Errorf("start function %s: Freeze is not possible on %s; run it without", c.Name, runtime.GOOS)
	}
	c.setDefaults()
	f := &Function{c: c, replacing: make(chan struct{}, 1)}
	f.life, f.endLife = context.WithCancel(context.Background())
	f.pool.init()
	if err := f.makeFolder(); err != nil {
		return nil, fmt.Errorf("start function %s: %w", c.Name, err)
	}
	return f, nil
}

func (c *Config) setDefaults() {
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.AccountID == "" {
		c.AccountID = "000000000000"
	}
	if c.MemoryMB == 0 {
		c.MemoryMB = DefaultMemoryMB
	}
	if c.Concurrency == 0 {
		c.Concurrency = DefaultConcurrency
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.IdleEnd == 0 {
		c.IdleEnd = DefaultIdleEnd
	}
	if c.DebugPort != 0 {
		c.Concurrency, c.NoTimeout, c.Freeze = 1, true, false
	}
	if c.Output == nil {
		c.Output = io.Discard
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("function", c.Name)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.after == nil {
		c.after = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	if c.peerOf == nil {
		c.peerOf = peerOf
	}
	c.Output = &lineWriter{to: c.Output, prefix: "[" + c.Name + "] "}
}

func (f *Function) makeFolder() (err error) {
	if f.c.Folder == "" {
		f.temporary = true
		if f.folder, err = os.MkdirTemp("", "wirepost-"+f.c.Name+"-"); err != nil {
			return fmt.Errorf("make a temporary folder: %w", err)
		}
		return nil
	}
	if f.folder, err = filepath.Abs(filepath.Join(f.c.Folder, "functions", f.c.Name)); err != nil {
		return fmt.Errorf("find the folder for the function's files: %w", err)
	}
	if err := os.MkdirAll(f.folder, 0o700); err != nil {
		return fmt.Errorf("make the folder for the function's files: %w", err)
	}
	return nil
}

// Invoke gives an event to a process and returns its answer. If all processes are
// busy it waits, in the order of arrival. When ctx ends it returns an error that
// wraps ctx's; an invocation that a process has been given by then runs on, as on
// Lambda when API Gateway has given up. An event is given to a process once, never
// again, whatever becomes of it.
//
// The function's own error is a *FunctionError. Other errors are *ExitError,
// *TimeoutError, *StartError, ErrClosed and a payload of more than 6 MB. The payload
// must not be changed afterwards.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f.InvokeWith(ctx, payload, nil)
}

// InvokeWith is Invoke with options; nil means none.
func (f *Function) InvokeWith(ctx context.Context, payload []byte, o *InvokeOptions) ([]byte, error) {
	if o == nil {
		o = &InvokeOptions{}
	}
	if len(payload) > payloadLimit {
		return nil, fmt.Errorf("invoke function %s: the event has %d bytes and may have %d", f.c.Name, len(payload), payloadLimit)
	}
	enters, err := f.enter(o.Try)
	if err != nil {
		return nil, err
	}
	defer enters.end()
	if err := f.ensureStarted(ctx); err != nil {
		return nil, err
	}
	for {
		p, err := f.acquire(ctx, enters)
		if err != nil {
			return nil, err
		}
		answer, err := p.invoke(ctx, payload, o)
		if errors.Is(err, errNotGiven) {
			// The process ended in the moment it was chosen.
			if err := p.startError(); err != nil {
				return nil, err
			}
			continue
		}
		return answer, err
	}
}

// Restart builds the source anew if it is built, starts a new process, and when
// that has asked for an invocation lets it and others like it take over. Running
// invocations end in their old processes, which then end. If the build or the start
// fails, the error says why and the old processes stay.
//
// With a DebugPort the old process ends first, because it has the port; if the new
// one then does not start, the next invocation tries again.
//
// It waits while there are more processes than Concurrency, and for another Restart or
// first start.
func (f *Function) Restart(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("start function %s: %w", f.c.Name, err)
	}
	select {
	case f.replacing <- struct{}{}:
		defer func() { <-f.replacing }()
	case <-ctx.Done():
		return fmt.Errorf("restart function %s: another restart runs: %w", f.c.Name, ctx.Err())
	}
	started := f.Started()
	if err := f.attempt(ctx); err != nil || !started {
		return err
	}
	f.mu.Lock()
	f.stats.Restarts++
	f.mu.Unlock()
	return nil
}

// Close ends every process with SIGTERM, and after 2 s or at the end of ctx with
// SIGKILL, and waits for them. Invocations that run or wait get ErrClosed. It may be
// called again, and it never waits for an invocation.
func (f *Function) Close(ctx context.Context) error {
	f.close()
	f.endLife() // a first start that an Invoke waits for
	ended := make(chan struct{})
	go func() { f.running.Wait(); close(ended) }() // every process ends, see below
	select {
	case <-ended:
	case <-ctx.Done():
		f.killAll()
		<-ended
	}
	if f.temporary {
		if err := os.RemoveAll(f.folder); err != nil {
			return fmt.Errorf("close function %s: remove its temporary folder: %w", f.c.Name, err)
		}
	}
	return nil
}

// Stats says what f does at this moment.
func (f *Function) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Failed += f.notAnswered.Load()
	s.TimedOut = f.timedOut.Load()
	s.Processes, s.Idle, s.Waiting = len(f.processes), len(f.idle), f.waiting.Len()
	for p := range f.processes {
		if !p.ready {
			s.Starting++
		}
	}
	return s
}
