package main

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func zipOf(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(0o755)
		if strings.HasPrefix(name, "link") {
			h.SetMode(0o777 | fs.ModeSymlink)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "/") {
			if _, err := w.Write([]byte("/etc/passwd")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnArchiveIsUnpackedIntoItsFolderOnly(t *testing.T) {
	for _, c := range []struct {
		names []string
		says  string
	}{
		{[]string{"bootstrap", "lib/", "lib/a.txt"}, ""},
		{[]string{"../bootstrap"}, `it has the file "../bootstrap", which would not be in its folder`},
		{[]string{"/bootstrap"}, "would not be in its folder"},
		{[]string{"a/../../b"}, "would not be in its folder"},
		{[]string{"link"}, "link is neither a file nor a folder"},
		{[]string{"same", "same"}, "exists"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "function.zip")
		if err := os.WriteFile(file, zipOf(t, c.names...), 0o600); err != nil {
			t.Fatal(err)
		}
		err := unpack(file, filepath.Join(dir, "code"))
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%q: %v, want %q", c.names, err, c.says)
		}
		if c.says == "" && !isProgram(filepath.Join(dir, "code", "lib", "a.txt")) {
			t.Errorf("%q: a file is missing", c.names)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(zipOf(f, "bootstrap"))
	f.Add(zipOf(f, "../a", "b/"))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		file := filepath.Join(dir, "in.zip")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = unpack(file, filepath.Join(dir, "code"))
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "in.zip" && e.Name() != "code" {
				t.Errorf("%q is outside of the folder", e.Name())
			}
		}
	})
}
