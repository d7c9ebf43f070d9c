//go:build unix && !linux

package engine

import "syscall"

// ownGroup keeps an interrupt from the terminal away from an engine, which is needed
// until all else has ended.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
