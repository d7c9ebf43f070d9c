//go:build !linux

package lambdart

import "net/netip"

// peerOf knows nobody here.
func peerOf(here, there netip.AddrPort, child int, api string) peer { return peer{} }
