package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// Without credentials nothing can be tried, so a command prints one error and no result.
func TestACommandThatCanSignNothingSaysSoAndPrintsNoResult(t *testing.T) {
	store, _ := sweepStore(t)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
		"AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"),
	} {
		t.Setenv(name, value)
	}
	abroad := wirepost.Identity{APIID: "abc123", Stage: "prod", Region: "eu-west-1"}
	putStage(t, store, abroad, "https://abc123.execute-api.eu-west-1.amazonaws.com/prod")
	putRows(t, store, abroad, 3, time.Minute)
	for _, args := range [][]string{{"send", "--to", "everyone", "hi"}, {"kick", "--to", "everyone"}} {
		status, stdout, stderr := runCommand(t.Context(), args...)
		said, ok := strings.CutPrefix(stderr, "wirepost: error: credentials-missing: endpoint https://abc123.execute-api.eu-west-1.amazonaws.com/prod: no request for everyone was sent, because there are no AWS credentials to sign with: ")
		if status != exitFailed || stdout != "" || !ok || strings.Contains(said, "error: ") || !strings.Contains(said, "wirepost: hint: give the function a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\n") {
			t.Errorf("%q: status %d, stdout %q, stderr\n%s", args, status, stdout, stderr)
		}
	}
}
