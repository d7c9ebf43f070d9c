package dev

// A Reporter is told what the person who started a dev has to know. Its methods may be
// called concurrently, and must not wait for the dev.
type Reporter interface {
	// Hint is one sentence, in lower case and without a full stop. It may contain what
	// others have written.
	Hint(text string)

	// Problem is something that went wrong while the dev goes on, such as a build with
	// a mistake under Watch. It may have several lines.
	Problem(text string)

	// Address is where something is. The names are inspector, page, connect, endpoint
	// and store, in this order; page and inspector only if there is one. Before them come
	// the queues of an app at its engine, ten at most, and its HTTP APIs, REST APIs and
	// function URLs, each with the name of its kind and, if there are several of it, its
	// logical ID. The store's address comes last, right before clients are let in.
	Address(name, url string)

	// Begins names a step of the start that may wait for something outside, such as
	// "reading the env file FILE". Nobody can interrupt the reading of a file that does
	// not answer, but a program can say what it was doing.
	Begins(step string)

	// Launches says that processes are started from now on, which take their time to
	// end. Serves says that every part has started.
	Launches()
	Serves()
}

// silent is the Reporter of a dev that has none.
type silent struct{}

func (silent) Hint(string)            {}
func (silent) Problem(string)         {}
func (silent) Address(string, string) {}
func (silent) Begins(string)          {}
func (silent) Launches()              {}
func (silent) Serves()                {}
