//go:build unix && !linux

package lambdart

import "syscall"

// endWithParent does nothing: a child notices that its Runtime API has gone, unless
// it is frozen.
func endWithParent(*syscall.SysProcAttr) {}
