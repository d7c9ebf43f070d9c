package client

import (
	"encoding/json"
	"os"
	"testing"
	"testing/synctest"
)

func TestTheClientDoesWhatTheScriptOfPresenceSays(t *testing.T) {
	b, err := os.ReadFile("../clients/testdata/presence.json")
	if err != nil {
		t.Fatal(err)
	}
	var script []struct {
		Name     string
		Presence []string
		Steps    []step
	}
	if err := json.Unmarshal(b, &script); err != nil {
		t.Fatal(err)
	}
	for _, tt := range script {
		t.Run(tt.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{conns: map[*fake]bool{}}
				c := Connect("ws://server/dev", &Options{Random: func() float64 { return 0.5 }, Dial: s.dial})
				defer c.Close()
				for _, topic := range tt.Presence {
					if _, err := c.Presence(topic, nil); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				ref := any(nil)
				for i, st := range tt.Steps {
					if err := st.run(c, s, &ref); err != nil {
						t.Fatalf("step %d: %v", i, err)
					}
				}
				if told := tell(c); len(told) > 0 {
					t.Errorf("at the end it is told %v", told)
				}
			})
		})
	}
}

// tellPresence adds a change in the script's words.
func tellPresence(told []any, p *PresenceChange) []any {
	names := func(all []Member) (out []any) {
		for _, m := range all {
			out = append(out, m.User+m.ID)
		}
		return out
	}
	if len(p.Joined) > 0 {
		told = append(told, map[string]any{"joined": names(p.Joined)})
	}
	if len(p.Left) > 0 {
		told = append(told, map[string]any{"left": names(p.Left)})
	}
	if p.Many {
		told = append(told, map[string]any{"many": p.Count})
	}
	return told
}
