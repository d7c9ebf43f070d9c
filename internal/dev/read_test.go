package dev

import (
	"os"
	"strings"
	"testing"
	"time"
)

// A folder may come with a project of somebody else.
func TestAFileOfTheFolderThatIsTooLargeIsNotRead(t *testing.T) {
	for name, read := range map[string]func(Folder) error{
		"api-id":           func(f Folder) error { _, err := f.APIID(); return err },
		"control.json":     func(f Folder) error { _, err := f.Control(); return err },
		"credentials.json": func(f Folder) error { _, err := f.KeyPair(); return err },
		"ca.pem":           func(f Folder) error { _, err := readAuthority(f); return err },
		"ca-key.pem":       func(f Folder) error { _, err := readAuthority(f); return err },
	} {
		t.Run(name, func(t *testing.T) {
			f := Folder(t.TempDir())
			if name == "ca-key.pem" {
				if _, err := makeAuthority(f, time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(f.file(name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(f.file(name), 1<<26); err != nil { // a hole: it takes no room
				t.Skip("this file system has no holes: ", err)
			}
			if err := read(f); err == nil || !strings.Contains(err.Error(), "too large") {
				t.Errorf("it says %.200v", err)
			}
		})
	}
}

func TestAnAPIIDThatIsNoneIsQuotedInShort(t *testing.T) {
	f := Folder(t.TempDir())
	if err := os.WriteFile(f.file("api-id"), []byte(strings.Repeat("secret\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.makeAPIID(t.Context()); err == nil || len(err.Error()) > len(f)+200 {
		t.Errorf("it says %v", err)
	}
}

// Two may run in one folder that was removed and made again.
func TestADevRemovesItsOwnControlAddressOnly(t *testing.T) {
	f := Folder(t.TempDir())
	first := &controlServer{c: &Config{Folder: f}, at: ControlAddress{"http://127.0.0.1:1", "mine"}}
	for content, removed := range map[string]bool{`{"url":"http://127.0.0.1:1","token":"mine"}`: true, `{"url":"http://127.0.0.1:2","token":"another"}`: false, "": true} {
		if err := os.WriteFile(f.controlFile(), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		first.forget()
		if _, err := os.Stat(f.controlFile()); (err != nil) != removed {
			t.Errorf("%q: %v, want removed: %v", content, err, removed)
		}
	}
}
