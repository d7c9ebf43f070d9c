package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/wireposttest"
)

func TestAValueOfAFileLosesOneNewlineAndIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "value")
	for text, want := range map[string]string{
		"": "", "a": "a", "a\n": "a", "a\r\n": "a", "a\n\n": "a\n", " a ": " a ", strings.Repeat("x", maxValue) + "\r\n": strings.Repeat("x", maxValue),
	} {
		write(t, file, text)
		if got, err := readValue(file); err != nil || got != want {
			t.Errorf("%.20q is %.20q, %v, want %.20q", text, got, err, want)
		}
	}
	write(t, file, strings.Repeat("x", maxValue+1))
	if _, err := readValue(file); err == nil || !strings.HasSuffix(err.Error(), "/value has more than 65536 bytes") {
		t.Errorf("one byte too many: %v", err)
	}
}

func TestLinesOfAnEnvFileAreValuesAndThoseWithAColonNoVariables(t *testing.T) {
	d := &devFlags{}
	d.config.More = []string{"UserPool=eu-west-1_A", "ssm:/app/a=b=c", "PLAIN=x"}
	values := d.valuesOfEnvFile()
	if values["UserPool"] != "eu-west-1_A" || values["ssm:/app/a"] != "b=c" || values["PLAIN"] != "x" {
		t.Errorf("values are %v", values)
	}
	if got := strings.Join(d.config.More, " "); got != "UserPool=eu-west-1_A PLAIN=x" {
		t.Errorf("functions get %s", got)
	}
}

func TestTheRateOfConnectionsIsAFlagThatItsLineNames(t *testing.T) {
	dev := startDev(t, "--connect-rate", "1")
	for range 5 {
		if c, err := wireposttest.Dial(t.Context(), dev.url, nil); err == nil {
			c.Cut()
		}
	}
	dev.await(t, `^wirepost: hint: refused a handshake: more than 1 new connections a second, as on AWS; --connect-rate changes it`)
}
