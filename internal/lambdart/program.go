package lambdart

// Executable is the path of the program that new processes run, such as what was built
// of a Go source. It is empty for the kinds Node and Python, and as long as nothing has
// started.
func (f *Function) Executable() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.launch == nil || f.launch.source.Kind != Program && f.launch.source.Kind != Go {
		return ""
	}
	return f.launch.path
}
