package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A function posts with the library wherever dev listens and whatever it has for AWS.
func TestAFunctionWithItsCallersCredentialsPosts(t *testing.T) {
	function, err := filepath.Abs("../../examples/notify/function")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		t.Run(address, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "made up")
			dev := startDev(t, "--listen", address, "--credentials", "inherit", "go:"+function)
			dev.url += "?user=alice&topic=lobby"
			client := dev.dial(t)
			if err := client.Send(`{"action":"send","ref":"1","to":"topic:lobby","data":{}}`); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if got, err := client.Receive(ctx); err != nil || !strings.HasPrefix(got, `{"type":"message"`) {
				t.Errorf("the client received %s, %v", got, err)
			}
		})
	}
}
