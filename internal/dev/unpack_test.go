package dev

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
		{[]string{"link"}, `"link" is neither a file nor a folder`},
		{[]string{"same", "same"}, `it has the file "same" twice`},
		{[]string{"a/./same", "a/same"}, `it has the file "a/same" twice`},
		{[]string{"a\x00b"}, "would not be in its folder"},
		{[]string{"a", "a/b"}, `"a/b": not a directory`},
		{[]string{strings.Repeat("n", 256)}, "name too long"},
		{[]string{strings.Repeat("d/", 3000) + "f"}, "name too long"},
		{[]string{"..", "bootstrap"}, "would not be in its folder"},
		{[]string{"../\x1b]52;c;eA==\a"}, `"../\x1b]52;c;eA==\a"`},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "function.zip")
		if err := os.WriteFile(file, zipOf(t, c.names...), 0o600); err != nil {
			t.Fatal(err)
		}
		code := filepath.Join(dir, "code")
		if err := os.Mkdir(code, 0o700); err == nil {
			err = os.WriteFile(filepath.Join(code, "old"), nil, 0o600)
			if err != nil {
				t.Fatal(err)
			}
		}
		err := unpack(file, code)
		if left := entries(t, dir); !slices.Equal(left, []string{"code", "function.zip"}) {
			t.Errorf("%.40q: left are %v", c.names, left)
		}
		if left := entries(t, code); (err != nil) != slices.Equal(left, []string{"old"}) {
			t.Errorf("%.40q: %v, and the folder has %v", c.names, err, left)
		}
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%q: %v, want %q", c.names, err, c.says)
		}
		if _, err := os.Stat(filepath.Join(dir, "code", "lib", "a.txt")); c.says == "" && err != nil {
			t.Errorf("%q: a file is missing", c.names)
		}
	}
}

func entries(t testing.TB, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// zeros is an archive with a program and a file of so many zeros; lies, if it is not
// negative, is what its directory says of the size.
func zeros(t testing.TB, n, lies int64) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("bootstrap")
	if err == nil {
		_, err = w.Write(make([]byte, 100))
	}
	if err = errors.Join(err, addZeros(z, n), z.Close()); err != nil {
		t.Fatal(err)
	}
	out := b.Bytes()
	if lies >= 0 { // in the last entry of the directory
		at := bytes.LastIndex(out, []byte("PK\x01\x02"))
		binary.LittleEndian.PutUint32(out[at+24:], uint32(lies))
	}
	return out
}

// addZeros adds a file of n zeros, all of the same compressed chunk: to compress them
// one by one takes a minute with the race detector.
func addZeros(z *zip.Writer, n int64) error {
	const chunk = 1 << 20
	var once, rest bytes.Buffer
	c, err := flate.NewWriter(&once, flate.BestCompression)
	if err == nil {
		_, err = c.Write(make([]byte, chunk))
	}
	if err = errors.Join(err, c.Flush()); err != nil { // whole bytes, and not the end
		return err
	}
	c.Reset(&rest)
	if _, err = c.Write(make([]byte, n%chunk)); err != nil {
		return err
	}
	if err = c.Close(); err != nil {
		return err
	}
	data := append(bytes.Repeat(once.Bytes(), int(n/chunk)), rest.Bytes()...)
	sum := crc32.NewIEEE()
	if _, err = io.CopyN(sum, nothing{}, n); err != nil {
		return err
	}
	w, err := z.CreateRaw(&zip.FileHeader{Name: "zeros", Method: zip.Deflate, CRC32: sum.Sum32(), CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(n)})
	if err == nil {
		_, err = w.Write(data)
	}
	return err
}

type nothing struct{}

func (nothing) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestALargeArchiveThatIsNotTooLargeIsUnpacked(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "function.zip")
	const n = 3<<20 + 5
	if err := os.WriteFile(file, zeros(t, n, -1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unpack(file, filepath.Join(dir, "code")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "code", "zeros")); err != nil || !bytes.Equal(got, make([]byte, n)) {
		t.Errorf("%d bytes, %v, want %d zeros", len(got), err, n)
	}
}

func TestAnArchiveThatIsTooLargeLeavesNothing(t *testing.T) {
	var many bytes.Buffer
	z := zip.NewWriter(&many)
	for i := range maxUnpackedFiles + 1 {
		// A compressor for each would take a minute with the race detector.
		if _, err := z.CreateHeader(&zip.FileHeader{Name: strconv.Itoa(i), Method: zip.Store}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		archive []byte
		says    string
	}{
		"a bomb":               {zeros(t, maxUnpacked, -1), "it has more than 250 MB, and AWS Lambda takes no more"},
		"a bomb that lies":     {zeros(t, maxUnpacked, 5), ""}, // archive/zip may find it first
		"a bomb that says 4 G": {zeros(t, 10, 1<<32-2), "it has more than 250 MB, and AWS Lambda takes no more"},
		"too many files":       {many.Bytes(), "it has 100001 files, and 100000 at most are unpacked"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "function.zip")
			if err := os.WriteFile(file, c.archive, 0o600); err != nil {
				t.Fatal(err)
			}
			err := unpack(file, filepath.Join(dir, "functions", "f", "code"))
			if err == nil || c.says != "" && err.Error() != c.says {
				t.Errorf("%v, want %q", err, c.says)
			}
			if left := entries(t, dir); len(left) > 2 {
				t.Errorf("left are %v", left)
			}
			if _, err := os.Stat(filepath.Join(dir, "functions")); err == nil {
				if left := entries(t, filepath.Join(dir, "functions", "f")); len(left) > 0 {
					t.Errorf("left are %v", left)
				}
			}
		})
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
