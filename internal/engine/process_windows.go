package engine

import "syscall"

// ownGroup keeps Ctrl-C away from an engine, which is needed until all else has ended.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
