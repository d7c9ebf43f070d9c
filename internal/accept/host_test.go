package accept_test

import (
	"testing"

	"github.com/wirepost/wirepost/internal/accept"
)

func TestAHostIsLocalOnlyByThisMachinesOwnNames(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:3003": true, "127.0.0.1": true, "127.0.0.1:3003": true, "127.1.2.3": true, "[::1]:3003": true, "[::1]": true, "::1": true,
		"": false, "evil.example": false, "evil.example:3003": false, "localhost.example": false, "127.0.0.1.example": false, "10.0.0.1:3003": false, "0.0.0.0": false, ":3003": false,
	} {
		if got := accept.IsLocal(host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}
