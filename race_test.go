//go:build race

package wirepost_test

const raceEnabled = true
