package vtl

import (
	"flag"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

var mutants = flag.Int("mutants", 0, "how many templates made by chance to compare with Velocity")

var tokens = regexp.MustCompile(`[A-Za-z]+|[0-9]+|\s+|[^A-Za-z0-9\s]`)

func TestTemplatesMadeByChanceAreRenderedAsVelocityRendersThem(t *testing.T) {
	if *mutants == 0 {
		t.Skip("give -mutants N, and have Velocity")
	}
	names, texts := templates(t)
	var parts []string
	for _, name := range names {
		parts = append(parts, tokens.FindAllString(texts[name], -1)...)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 1))
	var all []string
	for range *mutants {
		made := tokens.FindAllString(texts[names[chance.IntN(len(names))]], -1)
		for range 1 + chance.IntN(3) {
			if len(made) == 0 {
				break
			}
			switch i := chance.IntN(len(made)); chance.IntN(3) {
			case 0:
				made = append(made[:i:i], made[i+1:]...)
			case 1:
				made[i] = parts[chance.IntN(len(parts))]
			default:
				made = append(made[:i:i], append([]string{parts[chance.IntN(len(parts))]}, made[i:]...)...)
			}
		}
		all = append(all, strings.Join(made, ""))
	}
	differ := 0
	for i, want := range velocity(t, all) {
		got := rendered(all[i])
		if got != want && !(got[0] == '-' && want[0] == '-') && !strings.Contains(got, "is not supported here") {
			differ++
			t.Errorf("%q\nbecomes %.300q\nwhere Velocity has %.300q", all[i], got, want)
		}
	}
	t.Logf("%d of %d differ", differ, len(all))
}
