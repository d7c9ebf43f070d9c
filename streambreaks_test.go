//go:build !race

package wirepost

import "testing"

// The breaks run without the race detector, under which they take ten times as long: each
// needs up to 300 seeds, and the same simulations run with it.

func TestEachBreakOfAStreamIsFoundByTheChaos(t *testing.T) {
	for name, breaks := range map[string]streamBreaks{
		"a listing shows late who has resumed":          {lateListing: true},
		"resume reads the log before it writes the row": {rowAfterLog: true},
		"two writers go on":                             {anyWriter: true},
		"a post that failed counts as taken":            {failedIsTaken: true},
		"the writer reads no cancel":                    {cancelUnread: true},
		"readers are not listed after the end":          {noLastListing: true},
		"an idle writer appends no lease":               {noLease: true},
		"the end is not kept":                           {endNotKept: true},
		"an append that failed counts as done":          {failedIsKept: true},
		"a client takes what it has":                    {overlapTwice: true},
		"a client goes on behind a gap":                 {gapUnnoticed: true},
		"a 410 before $connect has returned is the end": {youngIsGone: true},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(300) {
				if n, _ := runStreamChaos(t, seed, breaks); n.lost+n.twice+n.disorder+n.other > 0 {
					t.Logf("found by seed %d: %+v", seed, n)
					return
				}
			}
			t.Error("nothing was found")
		})
	}
}
