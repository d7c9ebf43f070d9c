package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/atomicfile"
)

// recorded is an engine that runs, as its folder has it: the next program that uses
// the folder ends it, if the one that started it could not.
type recorded struct {
	PID  int    `json:"pid"`
	Port int    `json:"port"`
	Data string `json:"data"`

	// Mark is a word of the engine's command line that no other process has: a process ID
	// is given to another program sooner or later.
	Mark string `json:"mark"`

	Of int `json:"of"` // the process that has started it
}

func (r recorded) write(path string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep the engine's process ID: %w", err)
	}
	return nil
}

// endRecorded ends the engine of a file if it still runs, and removes the file. A file
// that cannot be read is of no engine: it is replaced.
func endRecorded(ctx context.Context, path string, say func(string)) error {
	text, err := atomicfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var r recorded
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil || r.PID <= 1 || r.Mark == "" {
		return os.Remove(path)
	}
	if r.runs() {
		say(fmt.Sprintf("ended the process %d of an engine whose 'wirepost dev' (process %d) was killed", r.PID, r.Of))
		if err := r.kill(ctx); err != nil {
			return err
		}
	}
	return os.Remove(path)
}

// runs reports whether the process is still the engine. Where nobody can say it is not,
// and has to end by itself, as it does when its standard input ends.
func (r recorded) runs() bool {
	return r.PID != os.Getpid() && strings.Contains(commandLine(r.PID), r.Mark)
}

// killTime bounds how long a killed process may take to be gone.
const killTime = 10 * time.Second

func (r recorded) kill(ctx context.Context) error {
	p, err := os.FindProcess(r.PID)
	if err != nil {
		return fmt.Errorf("end process %d of an earlier run: %w", r.PID, err)
	}
	defer p.Release()
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end process %d of an earlier run: %w", r.PID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for r.runs() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d of an earlier run does not end", r.PID)
		case <-tick.C:
		}
	}
	return nil
}
