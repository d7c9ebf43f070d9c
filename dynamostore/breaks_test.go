//go:build !race

package dynamostore

import "testing"

// The breaks run without the race detector, under which they take ten times as long: each
// needs up to 100 seeds, and the same simulations run with it.

func TestEachBreakOfALogIsFoundByTheChaos(t *testing.T) {
	for name, breaks := range map[string]chaosBreaks{
		"a client that comes back gets nothing":         {noReplay: true},
		"an append that is unknown is repeated blindly": {blindRetry: true},
		"an append that is unknown counts as done":      {unknownIsDone: true},
		"an append that is unknown counts as refused":   {unknownIsRefused: true},
		"clients do not check":                          {noCheck: true},
		"rows are written after the log is read":        {staleReplay: true, noCheck: true},
		"gaps are not told":                             {quietGaps: true},
		"an answer says that there is no more":          {shortReplay: true, noCheck: true},
		"an answer goes as far as the head":             {headIsUpTo: true},
		"what has expired is returned":                  {expiredToo: true},
		"an answer has a message twice":                 {doubled: true},
		"an answer is out of order":                     {disordered: true},
		"an answer leaves out a message":                {skips: true},
		"an own put counts as another's":                {log: logBreaks{repeatsPuts: true}},
		"vanished items are passed over":                {log: logBreaks{holesUntold: true}},
	} {
		t.Run(name, func(t *testing.T) {
			isFound(t, 100, func(seed uint64) []string { return runChaos(t, seed, breaks).faults })
		})
	}
}

func TestEachBreakOfPresenceIsFoundByTheChaos(t *testing.T) {
	for name, breaks := range map[string]presenceChaosBreaks{
		"nobody sweeps":                          {noSweep: true},
		"nobody sweeps, and lists have the dead": {noSweep: true, store: presenceBreaks{listsDead: true}},
		"a lease is shorter than a check":        {shortLease: true},
		"a renewal is shorter than a check":      {shortRenew: true},
		"a renewal does nothing":                 {store: presenceBreaks{renewsNothing: true}},
		"each $disconnect is a goodbye":          {anyGoodbye: true},
		"nobody is given a list":                 {noList: true},
		"a list ends too soon":                   {shortLists: true},
		"nobody is told that it is not here":     {neverAnew: true},
		"numbers of events do not grow":          {oldEvents: true},
		"numbers are the time":                   {store: presenceBreaks{numberFalls: true}},
		"rows have no marks":                     {noMarks: true},
		"no leave is a leave":                    {store: presenceBreaks{neverLast: true}},
		"one session that leaves is the last":    {store: presenceBreaks{oneIsAll: true}},
		"what nobody has announced is forgotten": {store: presenceBreaks{tellsNothing: true}},
		"nobody notes what was announced":        {notesNone: true},
		"a lease lapses before it is over":       {store: presenceBreaks{lapsesTooEarly: true}},
	} {
		t.Run(name, func(t *testing.T) {
			isFound(t, 100, func(seed uint64) []string { return runPresenceChaos(t, seed, breaks).faults })
		})
	}
}

func TestEachRuleOfALogIsNeeded(t *testing.T) {
	for name, breaks := range map[string]logBreaks{
		"ends never fall":                    {endsMayFall: true},
		"nobody appends behind what is over": {noSeal: true},
		"nor into an epoch that was emptied": {noEmptySeal: true},
		"an end is proved":                   {endUnproved: true},
		"a seal proves only what it can":     {sealProves: true},
		"what is remembered is forgotten":    {neverForgets: true},
		"holes are told":                     {holesUntold: true},
		"an own put is known again":          {repeatsPuts: true},
		"an unproved seal is told":           {sealsAreQuiet: true},
	} {
		t.Run(name, func(t *testing.T) {
			isFound(t, 400, func(seed uint64) []string { return simulate(t, seed, breaks).faults })
		})
	}
}

// isFound fails the test if no simulation of some seeds has a fault.
func isFound(t *testing.T, seeds uint64, faults func(seed uint64) []string) {
	t.Helper()
	t.Parallel()
	for seed := range seeds {
		if found := faults(seed); len(found) > 0 {
			t.Logf("seed %d: %s", seed, found[0])
			return
		}
	}
	t.Errorf("%d seeds have shown no fault", seeds)
}
