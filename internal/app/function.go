package app

import (
	"strings"
	"time"
)

// Function is a Lambda function.
type Function struct {
	// LogicalID is what the template calls the function, and unique in it. Name
	// is the name that it has on AWS.
	LogicalID, Name string

	Handler, Runtime string
	Architecture     string // x86_64 or arm64
	Code             Code
	Layers           []Layer // a later one over an earlier one
	Timeout          time.Duration
	Memory           int // MB

	// Env is the function's environment as far as it can be known here; what
	// cannot is left out and has a Note. Nil before Resolve.
	Env map[string]string

	// Launch says how the function is started here. It is nil if Unrunnable says why
	// it cannot be, or if it has a StandIn.
	Launch     *Launch
	Unrunnable *Unrunnable

	// StandIn is what the caller runs in its place, as StandIns has it, or empty. A
	// folder or a zip file that was given is in Code instead.
	StandIn string

	Position Position
}

// Code says where the code of a function is.
type Code struct {
	Kind CodeKind

	// Path is a folder or a zip file, as it is opened from the directory in which
	// the template was read. It is empty if the code is not on this machine, is
	// in the template itself, or is an image.
	Path string

	// Unknown says in one clause why Path is not known, or is empty.
	Unknown string

	Inline     string // the source itself, where the template has it
	InlineLine int    // of the template, on which Inline begins; 0 if it is not known
	Image      Image
	Files      map[string]string // the code itself by paths with slashes, where the template has more than one file
	Build      string            // the build method that the template asks for, such as esbuild or makefile

	// Bundle is how a tool of the template's bundles the code, but for its Folder and
	// Handler; or nil.
	Bundle *Bundle
}

// CodeKind is how Lambda gets the code: as a zip file or as a container image.
type CodeKind string

// The kinds of code.
const (
	CodeZip   CodeKind = "Zip"
	CodeImage CodeKind = "Image"
)

// Image is the container image of a function.
type Image struct {
	URI                 string   // of the image in its registry
	Dockerfile, Context string   // how it is built: the context is a path like Code.Path
	Command             []string // replaces the image's own
}

// Layer is a layer of a function: one of the template, with the path of its
// content, or one that is only on AWS, with nothing but its ARN.
type Layer struct {
	LogicalID, ARN string
	Content        string
	Build          string   // the build method that the template asks for, such as nodejs22.x
	Position       Position // of the layer, or of the line that names the ARN
}

// FunctionName is the name of the function in a string that names it: its ARN, the
// URI of an integration, or the name itself, each with or without a qualifier.
func FunctionName(s string) string {
	if _, after, ok := strings.Cut(s, "/functions/"); ok {
		s = strings.TrimSuffix(after, "/invocations")
	}
	if parts := strings.Split(s, ":"); len(parts) >= 7 && parts[2] == "lambda" && parts[5] == "function" {
		return parts[6]
	} else if parts[0] != "arn" {
		return parts[0] // NAME or NAME:ALIAS
	}
	return s
}
