package doctor_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/doctor"
)

func TestAReportShowsNoSecretOfAnEndpoint(t *testing.T) {
	for _, raw := range []string{
		"https://user:hunter2@ws.example.com/v1", "user:hunter2@ws.example.com/v1", "https://user:hunter2/@ws.example.com/v1",
		"https://ws.example.com/v1?token=hunter2", "ws.example.com/v1?token=hunter2", "https://ws.example.com/%zz?token=hunter2", "wss://u:hunter2@ws.example.com/v1?token=hunter2",
	} {
		env := map[string]string{"AWS_REGION": "eu-west-1", "WIREPOST_ENDPOINT": raw}
		seen := doctor.Run(t.Context(), doctor.Options{Endpoint: "https://undefined", Getenv: func(name string) string { return env[name] }})
		used := doctor.Run(t.Context(), doctor.Options{Getenv: func(name string) string {
			return map[string]string{"AWS_REGION": "eu west", "WIREPOST_ENDPOINT": raw}[name]
		}})
		for _, report := range []*doctor.Report{seen, used} {
			b, err := json.Marshal(report)
			if err != nil || strings.Contains(string(b), "hunter2") {
				t.Errorf("of %s the report says %s, %v", raw, b, err)
			}
		}
	}
}
