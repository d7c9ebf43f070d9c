//go:build !linux

package doctor_test

import "testing"

// full is an address at which nobody ever gets a connection. Only of Linux is it
// known how to fill a listener's queue; elsewhere the world's own dial hangs.
func full(*testing.T) string { return "hang" }
