//go:build unix

package configprogram

import (
	"os/exec"
	"syscall"
)

// alone lets a program be ended with all that it has started, by its context and by end,
// which is called when the program itself has ended.
func alone(c *exec.Cmd) (end func()) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	return func() {
		if c.Process != nil {
			_ = c.Cancel() // a group that has gone is no error
		}
	}
}
