//go:build !unix && !windows

package engine

import "syscall"

func ownGroup() *syscall.SysProcAttr { return nil }
