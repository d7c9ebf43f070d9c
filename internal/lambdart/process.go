package lambdart

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// lastWords is how long the output and the requests of a process that has ended are
// waited for.
const lastWords = 500 * time.Millisecond

// process is one child and its Runtime API.
type process struct {
	f           *Function
	generation  int
	replacement bool // until it has taken over, it is not the pool's
	given       chan *invocation
	isReady     chan struct{} // closed when ready is set
	ended       chan struct{} // closed when the pool has forgotten it
	tail        tail

	// Guarded by the pool's lock.
	ready     bool // has come to its first /next
	takenOver bool
	returning bool // has answered, and the pool counts on it
	idleSince time.Time

	mu        sync.Mutex
	address   string      // of its Runtime API
	pid       int         // 0 when there is none
	current   *invocation // until its process comes back to /next
	offered   bool        // the pool has it
	poll      *poll       // the request for /next that waits, or nil
	inLine    bool        // another one waits behind it
	served    int
	frozen    bool
	isEnded   bool // nothing more comes of it
	endWanted bool // it was told to end
	late      bool // it was killed because it did not come to /next
	initError *FunctionError
	failure   error // why it did not start
	stopKill  func() bool

	strangers sync.Once // for what is logged of them
}

// invocation is an event and what becomes of it. Its outcome is put in done once.
type invocation struct {
	ctx     context.Context // of the Invoke; only its values are of use later
	id      string
	payload []byte
	options *InvokeOptions
	done    chan outcome

	// Guarded by the process's lock.
	isGiven  bool
	isDone   bool
	stopTime func() bool
}

type outcome struct {
	answer []byte
	err    error
}

func newProcess(f *Function, generation int, replacement bool) *process {
	return &process{
		f: f, generation: generation, replacement: replacement,
		given:   make(chan *invocation, 1),
		isReady: make(chan struct{}),
		ended:   make(chan struct{}),
	}
}

// run is the life of a process.
func (p *process) run(l *launch) {
	defer p.f.running.Done()
	defer close(p.ended)
	// On Linux the child is to end with this process, and the kernel takes the
	// thread that started it for that. The thread is blocked in Wait anyway.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	state, err := p.live(l)
	p.f.gone(p, p.settle(l, state, err))
}

// live serves the Runtime API to a child and returns the state it ended in, or why
// there was none.
func (p *process) live(l *launch) (state string, err error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen for the Runtime API: %w", err)
	}
	address := listener.Addr().String()
	defer p.serveAPI(listener).end()

	// One pipe for both, so that lines keep their order.
	r, w, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("make a pipe for the output: %w", err)
	}
	c := exec.Command(l.path, l.args...)
	c.Dir = l.dir
	own, ended := p.ownEnvironment()
	defer ended()
	c.Env = append(p.f.environment(l, address), own...)
	c.Stdout, c.Stderr = w, w
	c.SysProcAttr = ownGroup()

	p.mu.Lock()
	p.address = address
	if p.endWanted {
		err = ErrClosed
	} else if err = c.Start(); err == nil {
		p.pid = c.Process.Pid
	}
	p.mu.Unlock()
	w.Close()
	if err != nil {
		r.Close()
		return "", err
	}
	level := p.f.c.Logger.Debug
	if p.f.c.DebugPort != 0 {
		level = p.f.c.Logger.Info
	}
	level("process started", "pid", c.Process.Pid, "runtimeAPI", address)

	read := make(chan struct{})
	go func() { defer close(read); p.readOutput(r) }()
	stopInit := func() bool { return false }
	if p.f.c.DebugPort == 0 {
		stopInit = p.f.c.after(initLimit, p.tooLate)
	}
	_ = c.Wait() // ProcessState says the same
	stopInit()
	p.mu.Lock()
	// What it started ends too, and holds the group's number as long as it lives. A
	// number that nobody holds is not given out again so soon.
	signalGroup(p.pid, sigKill)
	p.pid = 0
	if p.stopKill != nil {
		p.stopKill()
	}
	p.mu.Unlock()
	select {
	case <-read:
	case <-time.After(lastWords): // one that left the group has the pipe
	}
	r.Close()
	<-read
	level("process ended", "pid", c.Process.Pid, "state", c.ProcessState.String())
	return c.ProcessState.String(), nil
}

// ownEnvironment is what the caller gives this process alone, and what is to be called
// when it has ended.
func (p *process) ownEnvironment() (env []string, ended func()) {
	if p.f.c.ForProcess == nil {
		return nil, func() {}
	}
	env, ended = p.f.c.ForProcess(func() context.Context {
		p.mu.Lock()
		defer p.mu.Unlock()
		if i := p.current; i != nil && i.isGiven {
			return i.ctx
		}
		return nil
	})
	if ended == nil {
		ended = func() {}
	}
	return env, ended
}

// settle gives the invocation of a process that has ended its error, and says why
// the process did not start, if it did not.
func (p *process) settle(l *launch, state string, err error) (failure error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isEnded = true
	lost := false
	if i := p.current; i != nil {
		if i.stopTime != nil {
			i.stopTime()
		}
		if lost = i.isGiven && !i.isDone; lost {
			p.f.lost(false)
		}
		var exited error
		switch {
		case !i.isGiven:
			exited = errNotGiven
		case p.endWanted:
			exited = ErrClosed
		default:
			exited = &ExitError{RequestID: i.id, State: state, Output: p.tail.lines()}
		}
		p.finish(i, nil, exited)
	}
	switch {
	case p.endWanted && !p.late:
		return nil
	case p.served > 0:
		if !lost {
			p.f.c.Logger.Warn("process ended by itself", "state", state)
		}
		return nil
	}
	p.failure = l.explain(p, state, err)
	return p.failure
}

func (p *process) startError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

func (p *process) isEnding() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.endWanted || p.isEnded
}

// tooLate kills a process that has not come to /next.
func (p *process) tooLate() {
	select {
	case <-p.isReady:
		return
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.endWanted {
		p.endWanted, p.late = true, true
		signalGroup(p.pid, sigKill)
	}
}

// end tells the process and its children to end, and kills them later. It does not
// wait.
func (p *process) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endWanted || p.isEnded {
		return
	}
	p.endWanted = true
	if p.pid == 0 {
		return
	}
	signalGroup(p.pid, sigTerm)
	if p.frozen {
		signalGroup(p.pid, sigContinue)
	}
	p.stopKill = p.f.c.after(endGrace, p.kill)
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endWanted = true
	signalGroup(p.pid, sigKill)
}

func (p *process) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
	signalGroup(p.pid, sigStop)
}

func (p *process) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen {
		p.frozen = false
		signalGroup(p.pid, sigContinue)
	}
}

// invoke gives an event to a process that waits for one and returns its answer.
func (p *process) invoke(ctx context.Context, payload []byte, o *InvokeOptions) ([]byte, error) {
	i := &invocation{ctx: ctx, id: cmp.Or(o.RequestID, newRequestID()), payload: payload, options: o, done: make(chan outcome, 1)}
	p.mu.Lock()
	if p.isEnded {
		p.mu.Unlock()
		return nil, errNotGiven
	}
	p.current = i
	to := p.hand(i) // there is room: the caller has the process for itself
	p.mu.Unlock()
	if to != nil {
		to.event(i)
	}
	select {
	case o := <-i.done:
		return o.answer, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("invoke function %s: request %s has not been answered: %w", p.f.c.Name, i.id, ctx.Err())
	}
}

// hand gives an invocation to the request for /next that waits, or keeps it for the one
// that comes. If it returns a connection, the caller has to write the event to that when
// it has let go of mu, which it holds.
func (p *process) hand(i *invocation) (to *apiConn) {
	q := p.poll
	if q == nil || q.conn == nil || p.isEnded || p.endWanted {
		p.given <- i
		return nil
	}
	p.poll = nil
	q.given = true
	close(q.over)
	p.beginLocked(i)
	return q.conn
}

// begin marks an invocation as given and starts its time. It reports false if the
// process has ended.
func (p *process) begin(i *invocation) bool {
	p.mu.Lock()
	if p.isEnded || p.endWanted {
		p.mu.Unlock()
		return false
	}
	p.beginLocked(i)
	p.mu.Unlock()
	p.f.served()
	return true
}

func (p *process) beginLocked(i *invocation) {
	i.isGiven, p.offered = true, false
	p.served++
	p.tail.begin(i.ctx, i.id)
	if !p.f.c.NoTimeout {
		i.stopTime = p.f.c.after(p.f.timeout(i.options), func() { p.timeOut(i) })
	}
}

// finish gives an invocation its outcome, unless it has one.
func (p *process) finish(i *invocation, answer []byte, err error) {
	if i.isDone {
		return
	}
	i.isDone = true
	i.done <- outcome{answer, err}
}

// timeOut kills a process whose invocation takes too long, or that has answered it
// and does not come back (UNCERTAIN: that Lambda counts that time is what its docs
// say, what it does then was not seen).
func (p *process) timeOut(i *invocation) {
	p.mu.Lock()
	if p.current != i || p.isEnded {
		p.mu.Unlock()
		return
	}
	answered := i.isDone
	if !answered {
		p.f.lost(true)
	}
	p.finish(i, nil, &TimeoutError{RequestID: i.id, Timeout: p.f.timeout(i.options)})
	p.endWanted = true
	signalGroup(p.pid, sigKill)
	p.mu.Unlock()
	if answered {
		p.f.c.Logger.Warn("process was killed: it answered, and did not ask for the next invocation within the timeout", "requestId", i.id)
	}
}

// environment is what the caller gave and what Lambda adds (AWS docs, defined
// runtime environment variables). The docs say that AWS_EXECUTION_ENV is not there
// for programs; the bootstraps set theirs. TZ may be given; the others are Lambda's.
func (f *Function) environment(l *launch, address string) []string {
	now := f.c.Now().UTC()
	all := append(f.c.Env[:len(f.c.Env):len(f.c.Env)],
		apiVariable+"="+address,
		"_HANDLER="+l.handler,
		"AWS_LAMBDA_FUNCTION_NAME="+f.c.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE="+strconv.Itoa(f.c.MemoryMB),
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/"+f.c.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME="+now.Format("2006/01/02")+"/[$LATEST]"+randomHex(16),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_REGION="+f.c.Region,
		"AWS_DEFAULT_REGION="+f.c.Region,
		"LAMBDA_TASK_ROOT="+l.dir,
		"LAMBDA_RUNTIME_DIR="+f.folder,
	)
	all = append(all, l.env...)
	all = append(all, l.around.environment(all)...)
	for _, e := range f.c.Env {
		if strings.HasPrefix(e, "TZ=") {
			return all
		}
	}
	return append(all, "TZ=:UTC")
}

// arn is the function's.
func (f *Function) arn() string {
	partition := "aws"
	switch {
	case strings.HasPrefix(f.c.Region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(f.c.Region, "us-gov-"):
		partition = "aws-us-gov"
	}
	return "arn:" + partition + ":lambda:" + f.c.Region + ":" + f.c.AccountID + ":function:" + f.c.Name
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// newRequestID is a UUID of version 4.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
