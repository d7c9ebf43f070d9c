package app

import (
	"slices"
	"strings"
)

// Nearest is the name that somebody may have meant who wrote another, or empty if
// none is alike.
func Nearest(written string, names []string) string {
	n := len([]rune(written))
	best, found := min(max(1, n/3), n-1)+1, ""
	sorted := slices.Sorted(slices.Values(names))
	for _, name := range sorted {
		if d := distance([]rune(strings.ToLower(written)), []rune(strings.ToLower(name)), best); d < best {
			best, found = d, name
		}
	}
	return found
}

// distance counts the letters that differ between two words: those that are
// missing, too many, others, or swapped with their neighbour; the case of a letter
// does not count. It may stop at limit.
func distance(a, b []rune, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > maxWord || len(b) > maxWord {
		return limit
	}
	before, last, row := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			other := 1
			if a[i-1] == b[j-1] {
				other = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+other)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, make([]int, len(b)+1)
	}
	return last[len(b)]
}

// maxWord bounds the work for one name.
const maxWord = 200
