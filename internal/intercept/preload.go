package intercept

import (
	_ "embed"
	"strings"
)

// Preload is a CommonJS module for Node.js, to be loaded with --require by programs that
// have a client's [Client.Variables]. Without these it does nothing. It changes
// tls.connect, http.request and http.get, in worker threads and in child processes
// that keep NODE_OPTIONS, too. A connection that is made on a socket of the program's own
// stays as it is, and goes by whatever the program does.
//
//go:embed preload.cjs
var Preload []byte

// NodeOptions adds the module at path to the value of NODE_OPTIONS: before the others,
// so that a module that watches calls sees those that the program makes.
func NodeOptions(options, path string) string {
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
	return strings.TrimSpace("--require " + quoted + " " + options)
}
