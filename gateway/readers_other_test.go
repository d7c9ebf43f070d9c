//go:build !linux

package gateway

// runReaderProcess is a part of the benchmarks, which need Linux.
func runReaderProcess() bool { return false }
