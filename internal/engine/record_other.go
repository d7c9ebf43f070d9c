//go:build !linux

package engine

import (
	"context"
	"os/exec"
	"strconv"
	"time"
)

// commandLine is how a process was started, by ps of POSIX; empty if there is none. On
// Windows, which has no ps, it is empty.
func commandLine(pid int) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	text, _ := exec.CommandContext(ctx, "ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	return string(text)
}
