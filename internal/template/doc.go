// Package template reads the templates that people already have and says which
// WebSocket API they describe, so that it can be run here.
package template
