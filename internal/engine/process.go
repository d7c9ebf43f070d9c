package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// command is how an engine is run.
type command struct {
	args []string // the program first
	env  []string // next to the environment of this process
	data string   // the folder of its data, which is its working folder
}

// process is an engine's process. It ends when its standard input does: the other end
// is held by this process alone, and closed by the kernel however that ends.
type process struct {
	cmd   *exec.Cmd
	input io.Closer
	said  *said
	ended chan struct{}
	err   error // set before ended is closed
}

// start starts the process. note is told its ID before anything else happens; if it
// fails, the process is ended again.
func (c command) start(note func(pid int) error) (*process, error) {
	p := &process{said: &said{listening: make(chan int, 1)}, ended: make(chan struct{})}
	p.cmd = exec.Command(c.args[0], c.args[1:]...)
	p.cmd.Dir, p.cmd.Env = c.data, append(os.Environ(), c.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.SysProcAttr = ownGroup()
	p.cmd.WaitDelay = 5 * time.Second
	input, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.input = input
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	// It ends with the process, which end ends.
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	if err := note(p.pid()); err != nil {
		p.end(context.Background())
		return nil, err
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// port waits for the line that says where the engine listens.
func (p *process) port(ctx context.Context) (int, error) {
	select {
	case port := <-p.said.listening:
		return port, nil
	case <-p.ended:
		return 0, p.how()
	case <-ctx.Done():
		return 0, fmt.Errorf("%w; it printed:\n%s", context.Cause(ctx), p.said)
	}
}

// how says how the process ended; nil if it has not.
func (p *process) how() error {
	select {
	case <-p.ended:
		why := "exit status 0"
		if p.err != nil {
			why = p.err.Error()
		}
		return fmt.Errorf("its process ended: %s; it printed:\n%s", why, cmp.Or(p.said.String(), "nothing"))
	default:
		return nil
	}
}

// endTime is how long an engine may take to end by itself. What it has answered is on
// disk by then anyway.
const endTime = 2 * time.Second

// end ends the process, and kills it if it does not end in time.
func (p *process) end(ctx context.Context) {
	p.input.Close()
	timer := time.NewTimer(endTime)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
	case <-ctx.Done():
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return // it is another user's by now, or not to be killed: there is nothing to wait for
	}
	<-p.ended
}

// said is what an engine prints: its end is kept, and the line with its port read.
type said struct {
	listening chan int

	mu   sync.Mutex
	kept []byte
	told bool
}

// keptBytes bounds what is kept.
const keptBytes = 4 << 10

// Write implements io.Writer.
func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, p...)
	if !s.told {
		if port := portIn(s.kept); port != 0 {
			s.told = true
			s.listening <- port
		}
	}
	if extra := len(s.kept) - keptBytes; extra > 0 {
		s.kept = append(s.kept[:0], s.kept[extra:]...)
	}
	return len(p), nil
}

// String is the end of what was printed.
func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimSpace(string(s.kept))
}

var listens = regexp.MustCompile(`(?m)^listening on port (\d{1,5})\r?\n`)

// portIn is the port of the line that says it; zero if that is not whole yet.
func portIn(text []byte) int {
	m := listens.FindSubmatch(text)
	if m == nil {
		return 0
	}
	port, err := strconv.Atoi(string(m[1]))
	if err != nil || port > 1<<16-1 {
		return 0
	}
	return port
}
