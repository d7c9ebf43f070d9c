package dev

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/app"
)

func TestAZipFileThatIsRefusedLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		archive []byte
		says    string
	}{
		"a bomb": {zeros(t, maxUnpacked, -1), `its code .*function\.zip cannot be unpacked: it has more than 250 MB, and AWS Lambda takes no more`},
		"a link": {zipOf(t, "bootstrap", "link"), `its code .*function\.zip cannot be unpacked: "link" is neither a file nor a folder`},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "function.zip")
			if err := os.WriteFile(file, c.archive, 0o600); err != nil {
				t.Fatal(err)
			}
			fn := app.Function{LogicalID: "Fn", Name: "chat", Runtime: "provided.al2023", Handler: "bootstrap", Launch: &app.Launch{Kind: app.LaunchProgram, Archive: file, Path: "bootstrap"}, Position: app.Position{File: "template.yaml", Line: 7}}
			config, said := complete(t, Config{App: &app.App{
				APIs: []app.API{{LogicalID: "Api", Stage: "dev", Routes: []app.Route{
					{Key: "bad", Integration: app.Integration{Kind: app.AWSProxy, Function: "Fn"}},
					{Key: "ping", TwoWay: true, Integration: app.Integration{Kind: app.Mock, Responses: []app.IntegrationResponse{{Key: "$default", Templates: map[string]string{"$default": "pong"}}}}}}}},
				Functions: []app.Function{fn},
			}})
			says := `^template.yaml:7: function Fn, which route bad needs, cannot be run here: ` + c.says + `; give --function Fn=FUNCTION$`
			for _, strict := range []bool{false, true} {
				config.Strict = strict
				d, err := New(config)
				if err != nil {
					t.Fatal(err)
				}
				r := begin(t, d, said)
				if strict {
					within(t, r.ended, "the dev to give up")
					if _, err := r.end(); err == nil || !regexp.MustCompile("(?m)"+says).MatchString(err.Error()) {
						t.Errorf("with Strict it ends with %v", err)
					}
					leavesNothing(t, d)
					continue
				}
				if got := r.await(t, "hint: "); !regexp.MustCompile(says).MatchString(got) {
					t.Errorf("it says %q, want %s", got, says)
				}
				client := r.dial(t, "")
				expect(t, client, `{"action":"ping"}`, "pong")
				leave(t, client)
				if _, err := r.end(); err != nil {
					t.Error(err)
				}
			}
			var left []string
			filepath.WalkDir(config.Folder.file("functions"), func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() || strings.Contains(path, ".new-") {
					left = append(left, path)
				}
				return nil
			})
			if len(left) > 0 {
				t.Errorf("left are %v", left)
			}
		})
	}
}

func TestTheRegionTheAccountAndTheStageOfAnAppAreThoseOfEverything(t *testing.T) {
	for _, c := range []struct {
		config                Config
		region, account, name string
	}{
		{Config{}, "eu-west-1", "123456789012", "beta"},
		{Config{Region: "us-west-2", Stage: "mine"}, "us-west-2", "123456789012", "mine"},
	} {
		c.config.App = described(nil)
		c.config.App.Account = c.account
		config, said := complete(t, c.config)
		d, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		r := begin(t, d, said)
		r.await(t, "store ")
		server, functions, env := partOf[*gatewayServer](d).server, partOf[*functions](d).config, partOf[*functionEnv](d).vars
		for what, got := range map[string]string{
			"the gateway": server.Region + " " + server.AccountID + " " + server.Stage, "functions": functions.Region + " " + functions.AccountID + " " + c.name,
			"their variables": env.value("AWS_REGION") + " " + c.account + " " + c.name, "their default region": env.value("AWS_DEFAULT_REGION") + " " + c.account + " " + c.name,
			"the store's endpoint": partOf[*apiID](d).identity().Region + " " + c.account + " " + partOf[*apiID](d).identity().Stage,
		} {
			if want := c.region + " " + c.account + " " + c.name; got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		if _, err := r.end(); err != nil {
			t.Error(err)
		}
	}
}
