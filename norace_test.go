//go:build !race

package wirepost_test

const raceEnabled = false
