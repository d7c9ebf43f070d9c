package engine

import "syscall"

// ownGroup keeps an interrupt from the terminal away from an engine, which is needed
// until all else has ended, and has the kernel kill it when this process ends.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
