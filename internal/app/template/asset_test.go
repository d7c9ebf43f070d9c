package template

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestAnAssetOfCDKIsFoundByItsKey(t *testing.T) {
	hash := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct{ name, key, file, want string }{
		{"a folder", hash + ".zip", "cdk.out/asset." + hash + "/index.js", " | | Fn=cdk.out/asset." + hash},
		{"a zip file", hash + ".zip", "cdk.out/asset." + hash + ".zip", " | | Fn=cdk.out/asset." + hash + ".zip"},
		{"a key with a prefix", "app/" + hash + ".zip", "cdk.out/asset." + hash + "/index.js", " | | Fn=cdk.out/asset." + hash},
		{"another asset", hash + ".zip", "cdk.out/asset.0/index.js", " | | Fn="},
		{"a key that is no asset's", "../" + hash + "/k.zip", "cdk.out/asset." + hash + "/index.js", " | | Fn="},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := strings.Replace(strings.Replace(socket, "VALUE", "''", 1), "Code: .", "Code: {S3Bucket: b, S3Key: "+c.key+"}", 1)
			written(t, map[string]string{"cdk.out/T.template.json": code, c.file: "x"})
			a, notes, err := readHere("cdk.out/T.template.json", nil)
			if got := filepath.ToSlash(shownParts(a, err)); got != c.want {
				t.Errorf("read %q, want %q; notes %v", got, c.want, notes)
			}
		})
	}
}
