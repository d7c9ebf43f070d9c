package jwtauth

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

func TestAVerifierThatNewDidNotMakeSaysSo(t *testing.T) {
	for name, f := range map[string]func(){
		"a zero one verifies": func() { new(Verifier).Verify(t.Context(), "x") },
		"a zero one connects": func() { new(Verifier).Connect(t.Context(), &wirepost.ConnectRequest{}) },
		"a nil one as a hook": func() { var v *Verifier; v.Connect(t.Context(), &wirepost.ConnectRequest{}) },
		"a nil one verifies":  func() { var v *Verifier; v.Verify(t.Context(), "x") },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, "was not made by New") {
					t.Errorf("%s: %s", name, got)
				}
			}()
			f()
		}()
	}
	if _, err := New(nil); err == nil {
		t.Error("New(nil) has no key and is no error")
	}
}
