package engine

import (
	"os"
	"path/filepath"
	"strconv"
)

// commandLine is how a process was started (proc(5)); empty if there is none, or it has
// ended and only its parent has not heard.
func commandLine(pid int) string {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	return string(text)
}
