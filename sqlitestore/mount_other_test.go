//go:build !linux

package sqlitestore_test

import "errors"

func mountReadOnly(string) error { return errors.New("only Linux makes mounts for one process") }
