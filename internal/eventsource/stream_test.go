package eventsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/internal/app"
)

// keysOf are the keys of the records of an event.
func keysOf(t *testing.T, payload []byte) (all []string) {
	t.Helper()
	var e struct {
		Records []struct {
			Dynamodb struct {
				Keys           struct{ ID struct{ S string } }
				SequenceNumber string
			}
		}
	}
	if err := json.Unmarshal(payload, &e); err != nil {
		t.Error(err)
	}
	for _, r := range e.Records {
		all = append(all, r.Dynamodb.Keys.ID.S)
	}
	return all
}

// streamOf is a source of the fake with a function that keeps the batches it is given
// and fails as the test says.
func streamOf(t *testing.T, fake *fakeStream, batch app.Batch, fails func(keys []string) ([]byte, error)) (*Stream, *[][]string, *notices) {
	said, got := &notices{}, &[][]string{}
	return &Stream{
		Name: "Changes", Table: "Rows", ARN: "arn:aws:dynamodb:eu-west-1:123456789012:table/Rows", Region: "eu-west-1", Server: testServer("http://ddb.test", fake),
		Batch: batch, Folder: t.TempDir(), Notice: said.say, Rand: func() float64 { return 1 },
		Function: functionOf(func(_ context.Context, payload []byte) ([]byte, error) {
			keys := keysOf(t, payload)
			fake.do(func() { *got = append(*got, keys) })
			if fails == nil {
				return nil, nil
			}
			return fails(keys)
		}),
	}, got, said
}

func runStream(t *testing.T, s *Stream, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	begun := time.Now()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
	if late := time.Since(begun) - d; late > 9*time.Second {
		t.Errorf("the end took %v", late)
	}
}

func shardOf(id, parent string) *fakeShard { return &fakeShard{id: id, parent: parent} }

func failing(bad string) func([]string) ([]byte, error) {
	return func(keys []string) ([]byte, error) {
		if slices.Contains(keys, bad) {
			return nil, errors.New("it failed")
		}
		return nil, nil
	}
}

func intOf(n int) *int { return &n }

func TestAChildShardIsReadAfterItsParentsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent := shardOf("s1", "s0").add("a", "b") // whose own parent is not there any more
		fake := newFakeStream(shardOf("s2", "s1").add("c"), parent, shardOf("s3", "s1").add("d"))
		s, got, _ := streamOf(t, fake, app.Batch{StartAt: "TRIM_HORIZON"}, nil)
		time.AfterFunc(time.Minute, func() {
			if fmt.Sprint(*got) != "[[a b]]" {
				t.Errorf("before the end of the parent the function had %v", *got)
			}
			fake.do(func() { parent.add("b2").closed = true })
		})
		runStream(t, s, 2*time.Minute)
		if all := slices.Concat(*got...); len(all) != 5 || !slices.Equal(all[:3], []string{"a", "b", "b2"}) {
			t.Errorf("the function had %v", *got)
		}
		fake.do(func() { fake.shards[0].add("e") })
		runStream(t, s, time.Minute)
		if all := slices.Concat(*got...); !slices.Equal(all[5:], []string{"e"}) {
			t.Errorf("after another start the function had %v", *got)
		}
	})
}

func TestLatestBeginsWithWhatComesLaterAlsoAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := shardOf("s1", "").add("old")
		old.closed = true
		now := shardOf("s2", "s1").add("older")
		fake := newFakeStream(old, now)
		s, got, _ := streamOf(t, fake, app.Batch{StartAt: "LATEST"}, nil)
		runStream(t, s, time.Minute)
		fake.do(func() { now.add("meanwhile") }) // while nothing runs
		runStream(t, s, time.Minute)
		fake.do(func() { now.closed = true; fake.shards = append(fake.shards, shardOf("s3", "s2").add("new")) })
		runStream(t, s, time.Minute)
		if fmt.Sprint(*got) != "[[meanwhile] [new]]" {
			t.Errorf("the function had %v", *got)
		}
	})
}

func TestRecordsThatWereTrimmedAreSaidAndTheOldestIsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sh := shardOf("s1", "").add("a")
		fake := newFakeStream(sh)
		s, got, said := streamOf(t, fake, app.Batch{}, nil)
		runStream(t, s, time.Minute)
		fake.do(func() { sh.add("b", "c", "d"); sh.trimmed = 3 })
		runStream(t, s, time.Minute)
		if want := "records of the stream of table Rows were removed before they were read: it goes on with the oldest that is there"; fmt.Sprint(*got) != "[[a] [d]]" || !slices.Equal(said.said(), []string{want}) {
			t.Errorf("the function had %v, and this was said: %q", *got, said.said())
		}
	})
}

func TestAnIteratorThatHasExpiredIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sh := shardOf("s1", "").add("a", "b")
		fake := newFakeStream(sh)
		n := 0
		s, got, said := streamOf(t, fake, app.Batch{Size: 1}, func([]string) ([]byte, error) {
			if n++; n == 1 {
				time.Sleep(20 * time.Minute) // in fake time
				fake.do(func() { sh.add("c") })
			}
			return nil, nil
		})
		runStream(t, s, time.Hour)
		if fmt.Sprint(*got) != "[[a] [b] [c]]" || len(said.said()) != 0 {
			t.Errorf("the function had %v, and this was said: %q", *got, said.said())
		}
	})
}

func TestABatchThatFailsIsTriedAgainAsTheSourceSays(t *testing.T) {
	partial := func(keys []string) ([]byte, error) {
		if i := slices.Index(keys, "c"); i >= 0 {
			return []byte(fmt.Sprintf(`{"batchItemFailures":[{"itemIdentifier":"s1-%05d"},{"itemIdentifier":"s1-00002"}]}`, 3)), nil
		}
		return nil, nil
	}
	minute := time.Minute
	for _, c := range []struct {
		name  string
		batch app.Batch
		fails func([]string) ([]byte, error)
		want  string
		said  string
	}{
		{"retries", app.Batch{Retries: intOf(2)}, failing("c"), "[[a b c d] [a b c d] [a b c d] [e]]", "4 records of stream Changes from sequence number s1-00000 are given up, as the function has failed 3 times; later ones are not reported"},
		{"no retry", app.Batch{Retries: intOf(0), OnFailure: "arn:aws:sqs:x"}, failing("c"), "[[a b c d] [e]]", "given up, as the function has failed once; on AWS arn:aws:sqs:x would get word of them"},
		{"bisecting", app.Batch{Retries: intOf(1), Bisect: true}, failing("c"), "[[a b c d] [a b] [c d] [c] [c] [d] [e]]", "1 records of stream Changes from sequence number s1-00002"},
		{"a partial failure", app.Batch{Retries: intOf(1), Partial: true}, partial, "[[a b c d] [c d] [e]]", "2 records of stream Changes from sequence number s1-00002"},
		{"a wrong answer", app.Batch{Retries: intOf(0), Partial: true}, func([]string) ([]byte, error) { return []byte(`{"batchItemFailures":[{"itemIdentifier":""}]}`), nil }, "[[a b c d] [e]]", "so that all of it counts as failed: an item of batchItemFailures has no itemIdentifier"},
		{"age", app.Batch{MaxAge: &minute}, failing("c"), "", "are given up, as they are older than 1m0s"},
		{"AWS's defaults", app.Batch{}, failing("c"), "", "the function of stream Changes has failed with a batch of 4 records from sequence number s1-00000; as on AWS it is tried again until they are 24 h old"},
	} {
		synctest.Test(t, func(t *testing.T) {
			sh := shardOf("s1", "").add("a", "b", "c", "d")
			fake := newFakeStream(sh)
			time.AfterFunc(10*time.Minute, func() { fake.do(func() { sh.add("e") }) })
			s, got, said := streamOf(t, fake, c.batch, c.fails)
			takes := 20 * time.Minute
			if c.name == "AWS's defaults" {
				takes = 24*time.Hour + 10*time.Minute
			}
			runStream(t, s, takes)
			if c.want != "" && fmt.Sprint(*got) != c.want {
				t.Errorf("%s: the function had %v and should have had %s", c.name, *got, c.want)
			}
			if all := *got; !slices.Equal(all[len(all)-1], []string{"e"}) {
				t.Errorf("%s: the shard did not go on: %d batches, and the last is %v", c.name, len(all), all[len(all)-1])
			}
			if all := strings.Join(said.said(), "\n"); strings.Count(all, c.said) != 1 {
				t.Errorf("%s: this was said:\n%s\nwithout one %q", c.name, all, c.said)
			}
		})
	}
}

func TestAnInvocationOfAStreamWithoutAPlaceIsNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s, got, said := streamOf(t, newFakeStream(shardOf("s1", "").add("a")), app.Batch{Retries: intOf(0)}, func([]string) ([]byte, error) {
			if n++; n < 4 {
				return nil, ErrNoPlace
			}
			return nil, nil
		})
		runStream(t, s, time.Minute)
		if len(*got) != 4 || len(said.said()) != 0 {
			t.Errorf("after %d attempts this was said: %q", len(*got), said.said())
		}
	})
}

func TestABatchOfAStreamEndsWithItsSizeOrWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sh := shardOf("s1", "").add("a", "b", "c")
		fake := newFakeStream(sh)
		time.AfterFunc(3*time.Second, func() { fake.do(func() { sh.add("d", "skipped") }) })
		s, got, _ := streamOf(t, fake, app.Batch{Size: 2, Window: 10 * time.Second, Filters: []string{`{"dynamodb":{"Keys":{"id":{"S":[{"anything-but":"skipped"}]}}}}`}}, nil)
		runStream(t, s, time.Minute)
		if fmt.Sprint(*got) != "[[a b] [c d]]" {
			t.Errorf("the function had %v", *got)
		}
		fake.do(func() { sh.add("e") })
		runStream(t, s, 5*time.Second) // within the window: nothing is given, and nothing lost
		runStream(t, s, time.Minute)
		if fmt.Sprint(*got) != "[[a b] [c d] [e]]" {
			t.Errorf("then the function had %v", *got)
		}
	})
}

func TestTheEndOfAStreamLeavesABatchThatDoesNotEndForTheNextStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := streamOf(t, newFakeStream(shardOf("s1", "").add("a", "b")), app.Batch{Size: 1}, nil)
		n := 0
		inner := s.Function
		s.Function = functionOf(func(ctx context.Context, payload []byte) ([]byte, error) {
			if n++; n == 2 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return inner.Invoke(ctx, payload)
		})
		runStream(t, s, time.Minute)
		s2, got, _ := streamOf(t, s.Server.Transport.(*fakeStream), app.Batch{}, nil)
		s2.Folder = s.Folder
		runStream(t, s2, time.Minute)
		if fmt.Sprint(*got) != "[[b]]" {
			t.Errorf("after the next start the function had %v", *got)
		}
	})
}

func TestAStreamThatIsAwayOrReplacedIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeStream(shardOf("s1", "").add("a"))
		s, got, said := streamOf(t, fake, app.Batch{StartAt: "LATEST"}, nil)
		time.AfterFunc(time.Minute, func() { fake.do(func() { fake.away = true }) })
		time.AfterFunc(10*time.Minute, func() {
			fake.do(func() { fake.away, fake.label, fake.shards = false, "L2", []*fakeShard{shardOf("s1", "").add("b")} })
		})
		runStream(t, s, 20*time.Minute)
		away, back := "the stream of table Rows at http://ddb.test cannot be read: connection refused; it is tried again until it can", "the stream of table Rows at http://ddb.test can be read again"
		if fmt.Sprint(*got) != "[[b]]" || !slices.Equal(said.said(), []string{away, back}) {
			t.Errorf("the function had %v, and this was said: %q", *got, said.said())
		}
	})
}

func TestAPositionThatCannotBeReadOrKeptIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, got, said := streamOf(t, newFakeStream(shardOf("s1", "").add("a")), app.Batch{}, nil)
		if err := os.MkdirAll(positionFile(s.Folder, s.Name), 0o700); err != nil { // a folder in its place
			t.Fatal(err)
		}
		runStream(t, s, time.Minute)
		if all := strings.Join(said.said(), "\n"); fmt.Sprint(*got) != "[[a]]" || !strings.Contains(all, "read the position in") || !strings.Contains(all, "could not be kept") {
			t.Errorf("the function had %v, and this was said: %s", *got, all)
		}
	})
}

func TestSourcesWithSimilarNamesKeepDifferentPositions(t *testing.T) {
	all := map[string]string{}
	for _, name := range []string{"a/b", "a-b", "A-b", "a b", "", "..", strings.Repeat("x", 300), strings.Repeat("x", 301)} {
		path := positionFile("f", name)
		if other, is := all[strings.ToLower(path)]; is || filepath.Dir(path) != "f" || len(path) > 100 {
			t.Errorf("%.20q has %s, and %.20q, too", name, path, other)
		}
		all[strings.ToLower(path)] = name
	}
}

// What is written between the table's creation and the first request for its stream is new
// for an app that has made the table.
func TestAStreamThatIsNewerThanTheAppIsReadFromItsBeginning(t *testing.T) {
	for name, c := range map[string]struct {
		began time.Duration // before the stream was made
		want  int
	}{"newer": {time.Second, 1}, "older": {-time.Second, 0}, "not known": {0, 0}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := newFakeStream(shardOf("S", "").add("first"))
				fake.label = time.Now().UTC().Format("2006-01-02T15:04:05.000")
				s, got, _ := streamOf(t, fake, app.Batch{StartAt: "LATEST"}, nil)
				if c.began != 0 {
					s.Began = time.Now().Add(-c.began)
				}
				runStream(t, s, 5*time.Second)
				if len(*got) != c.want {
					t.Errorf("%v batches, want %d", *got, c.want)
				}
			})
		})
	}
}
