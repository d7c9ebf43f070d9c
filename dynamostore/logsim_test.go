package dynamostore

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
)

var logSeeds = flag.Int("log-seeds", 4, "how many seeds of the log's rules are simulated")

type simCredentials struct{}

func (simCredentials) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
}

// simulation is one seed: appenders and readers in three processes, months of time, TTL
// in the worst order, requests that fail, clocks that differ.
type simulation struct {
	table  *simTable
	random *rand.Rand
	breaks logBreaks

	truth  map[wirepost.Position]string // what was ever put, by position
	epochs []string                     // in the order in which they were named
	faults []string

	messages, gaps, twice int
}

func simulate(t *testing.T, seed uint64, breaks logBreaks) (s *simulation) {
	synctest.Test(t, func(t *testing.T) {
		s = &simulation{table: newSimTable(seed), random: rand.New(rand.NewPCG(seed, 3)), breaks: breaks, truth: map[wirepost.Position]string{}}
		s.table.fail, s.table.put = 0.05, s.noted
		s.run(t.Context(), seed)
	})
	return s
}

// noted is told of every put, in the order in which they took effect.
func (s *simulation) noted(it item) {
	p := text(it, partitionKey)
	if strings.HasPrefix(p, "e:") {
		s.epochs = append(s.epochs, text(it, attrEpoch))
		return
	}
	epoch, _, _ := strings.Cut(strings.TrimPrefix(p, "l:"), ":")
	i, err := parseLogItem(it)
	if err != nil {
		s.faults = append(s.faults, err.Error())
		return
	}
	for n, e := range i.entries {
		at := wirepost.Position{Epoch: epoch, Offset: i.first + uint64(n)}
		if other, taken := s.truth[at]; taken {
			s.faults = append(s.faults, fmt.Sprintf("the offset %v was given to %s and to %s", at, other, e.id))
		}
		s.truth[at] = e.id
	}
}

func (s *simulation) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

const simSteps = 300

func (s *simulation) run(ctx context.Context, seed uint64) {
	processes := make([]*Store, 3)
	restart := func(i int) {
		skew := time.Duration((s.random.Float64() - 0.5) * float64(4*time.Minute))
		processes[i] = simProcess(s.table, skew, s.breaks, seed+uint64(i)+uint64(s.random.IntN(1000))*10)
	}
	for i := range processes {
		restart(i)
	}
	keeps := []time.Duration{10 * time.Second, time.Hour, 24 * time.Hour, 30 * 24 * time.Hour}[:2+s.random.IntN(3)]
	pauses := []time.Duration{10 * time.Second, time.Minute, time.Hour, 12 * time.Hour, 30 * time.Hour, 100 * time.Hour, 200 * time.Hour, 400 * time.Hour, 800 * time.Hour}
	for step := range simSteps {
		switch c := s.random.Float64(); {
		case c < 0.15: // time passes
			time.Sleep(time.Duration(s.random.Float64() * float64(pauses[s.random.IntN(len(pauses))])))
			s.table.expire(0.5)
		case c < 0.18: // a process is replaced
			restart(s.random.IntN(len(processes)))
		case c < 0.45:
			s.append(ctx, processes, keeps, step)
		default:
			s.read(ctx, processes[s.random.IntN(len(processes))])
		}
		if len(s.faults) > 5 {
			return
		}
	}
}

// append has some processes append at the same time.
func (s *simulation) append(ctx context.Context, processes []*Store, keeps []time.Duration, step int) {
	n := 1 + s.random.IntN(4)
	done := make(chan error, n)
	for k := range n {
		p := processes[s.random.IntN(len(processes))]
		var entries []wirepost.LogEntry
		for g := range 1 + s.random.IntN(3) {
			s.messages++
			entries = append(entries, wirepost.LogEntry{Data: []byte("{}"), ID: fmt.Sprintf("%d-%d-%d", step, k, g), Keep: keeps[s.random.IntN(len(keeps))]})
		}
		go func() { // ended by the loop below
			before := s.count(entries[0].ID)
			first, err := p.Append(ctx, "t", entries, nil)
			switch got := s.at(entries[0].ID); {
			case err == nil && (got == nil || !slices.Contains(got, first)):
				err = fmt.Errorf("Append returned %v for %s, which is at %v", first, entries[0].ID, got)
			case err == nil && len(got) != before+1:
				err = fmt.Errorf("%s was appended %d times", entries[0].ID, len(got))
			case err != nil && !errors.Is(err, wirepost.ErrUnknown) && len(got) > 0:
				err = fmt.Errorf("%s was refused (%w) and is there", entries[0].ID, err)
			default:
				err = nil
			}
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			s.fault("%v", err)
		}
	}
}

func (s *simulation) at(id string) (all []wirepost.Position) {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	for p, have := range s.truth {
		if have == id {
			all = append(all, p)
		}
	}
	return all
}

func (s *simulation) count(id string) int { return len(s.at(id)) }

// read reads from a position that somebody may have, to the end, and holds what it is
// told against what there was.
func (s *simulation) read(ctx context.Context, p *Store) {
	s.table.mu.Lock()
	known := slices.SortedFunc(maps.Keys(s.truth), func(a, b wirepost.Position) int {
		return strings.Compare(a.Epoch+encode(a.Offset, offsetWidth), b.Epoch+encode(b.Offset, offsetWidth))
	})
	var want []wirepost.Position
	var after wirepost.Position
	if len(known) > 0 {
		after = known[s.random.IntN(len(known))]
		if newest := s.newest(known); s.random.Float64() < 0.5 {
			after = newest
		} else if s.random.Float64() < 0.2 {
			after = wirepost.Position{Epoch: after.Epoch}
		}
		from := slices.Index(s.epochs, after.Epoch)
		for _, at := range known {
			if i := slices.Index(s.epochs, at.Epoch); i > from || i == from && at.Offset > after.Offset {
				want = append(want, at)
			}
		}
	}
	s.table.mu.Unlock()
	told := map[wirepost.Position]bool{}
	lostBefore := false
	at := after
	for range 1000 {
		r, err := p.Read(ctx, "t", at, wirepost.ReadLimit{Messages: 1 + s.random.IntN(20)})
		if err != nil {
			return // the service was away for as long as a call lasts
		}
		for _, g := range r.Gaps {
			s.gaps++
			if g.From == 0 {
				lostBefore = true // whatever is before what comes now
				for _, w := range want {
					if w.Epoch != r.UpTo.Epoch || w.Offset <= at.Offset && w.Epoch == at.Epoch {
						told[w] = true
					}
				}
				if at.Epoch == r.UpTo.Epoch {
					for _, w := range want {
						told[w] = true
					}
				}
				continue
			}
			for offset := g.From; offset <= g.To; offset++ {
				told[wirepost.Position{Epoch: r.UpTo.Epoch, Offset: offset}] = true
			}
		}
		for _, m := range r.Messages {
			if told[m.Position] && !lostBefore {
				s.twice++
				s.fault("a reader after %v is told %v twice", after, m.Position)
			}
			if s.truth[m.Position] != m.ID {
				s.fault("a reader after %v gets %s at %v, where %s is", after, m.ID, m.Position, s.truth[m.Position])
			}
			told[m.Position] = true
		}
		if at = r.UpTo; !r.More {
			break
		}
	}
	for _, w := range want {
		if !told[w] {
			s.fault("a reader after %v comes to %v, and is not told of %v (%s)", after, at, w, s.truth[w])
			return
		}
	}
}

// newest is the newest of the positions. The caller has locked the table.
func (s *simulation) newest(known []wirepost.Position) wirepost.Position {
	return slices.MaxFunc(known, func(a, b wirepost.Position) int {
		if i, j := slices.Index(s.epochs, a.Epoch), slices.Index(s.epochs, b.Epoch); i != j {
			return i - j
		}
		return int(int64(a.Offset) - int64(b.Offset))
	})
}

func TestNothingOfALogIsLostUnsaidInMonthsOfRemovalsAndFailures(t *testing.T) {
	messages, gaps, epochs := 0, 0, 0
	for seed := range uint64(*logSeeds) {
		s := simulate(t, seed, logBreaks{})
		messages, gaps, epochs = messages+s.messages, gaps+s.gaps, epochs+len(s.epochs)
		for _, f := range s.faults {
			t.Errorf("seed %d: %s", seed, f)
		}
	}
	t.Logf("%d seeds, %d messages in %d epochs, %d gaps, all told", *logSeeds, messages, epochs, gaps)
}
