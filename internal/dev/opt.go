package dev

import (
	"fmt"
	"regexp"
	"sync"
)

// opt knows which paths below /opt functions could not read. The zero value knows none.
type opt struct {
	mu   sync.Mutex
	told map[string]bool
}

// notInOpt is what programs print of a file below /opt that is not there, with the path
// behind the reason, as Node.js and Python have it, or in front of it, as a shell has.
var notInOpt = regexp.MustCompile(`(?:ENOENT|[Nn]o such file or directory)(?:.*?[^\w/.-])??(/opt/[^\s'":,)]+)|(?:^|[^\w/.-])(/opt/[^\s'":,)]+)['"]?: .*?(?:[Nn]o such file or directory|not found)`)

// maxOpt is how many paths are told, so that a function that makes them up fills no
// terminal.
const maxOpt = 20

// readOpt tells that a function reads what is not there, if a line that it printed says
// so.
func (all *functions) readOpt(line string) {
	m := notInOpt.FindStringSubmatch(line)
	if m == nil {
		return
	}
	path := m[1] + m[2]
	all.opt.mu.Lock()
	told := all.opt.told[path] || len(all.opt.told) >= maxOpt
	if !told {
		if all.opt.told == nil {
			all.opt.told = map[string]bool{}
		}
		all.opt.told[path] = true
	}
	all.opt.mu.Unlock()
	if !told {
		all.c.Report.Hint(fmt.Sprintf("a function reads %s, which is not there: here only require and import find what layers have in /opt; the files are in %s", path, all.c.Folder.file("layers")))
	}
}
