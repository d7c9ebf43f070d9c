//go:build unix

package lambdart

import "syscall"

const (
	canFreeze   = true
	sigTerm     = syscall.SIGTERM
	sigKill     = syscall.SIGKILL
	sigStop     = syscall.SIGSTOP
	sigContinue = syscall.SIGCONT
)

// ownGroup puts a child in a group of its own, with what it will start.
func ownGroup() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	endWithParent(a)
	return a
}

// signalGroup sends a signal to a child and what it has started. A pid of 0 means
// none; a group that has gone is no error.
func signalGroup(pid int, s syscall.Signal) {
	if pid > 0 {
		_ = syscall.Kill(-pid, s)
	}
}
