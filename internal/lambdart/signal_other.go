//go:build !unix

package lambdart

import (
	"os"
	"syscall"
)

const canFreeze = false

type groupSignal int

const (
	sigTerm groupSignal = iota
	sigKill
	sigStop
	sigContinue
)

func ownGroup() *syscall.SysProcAttr { return nil }

// signalGroup kills the child for what would end it; its own children stay.
func signalGroup(pid int, s groupSignal) {
	if pid <= 0 || s != sigTerm && s != sigKill {
		return
	}
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
		_ = p.Release()
	}
}
