// Package chat is an example of a page on the browser client: people who open it
// talk in a topic. Of a topic with a log they see what was said while they were away, and
// a line where something is missing for good. It expects a server that has the client at /wirepost.js and tells
// in /wirepost.json where to connect, as `wirepost dev` does.
package chat

import (
	"embed"
	"io/fs"
)

//go:embed page
var files embed.FS

// Page has the files of the page, with index.html at its root.
func Page() fs.FS {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	return page
}
