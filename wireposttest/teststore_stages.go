package wireposttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wirepost/wirepost"
)

var stageChecks = []storeCheck{
	{"a stage comes back as it was put", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r := stage(production, "https://example.com/path", c.Now().Add(123*time.Millisecond+456*time.Microsecond))
		return cmp.Or(putStage(ctx, s, r, r), wantStage(ctx, s, r))
	}},
	{"the newest stage record wins in every order", func(ctx context.Context, s wirepost.Store, c *clock) error {
		t := c.Now()
		records := []wirepost.StageRecord{
			stage(production, "https://z.example", t),
			stage(production, "https://a.example", t.Add(time.Millisecond)),
			stage(production, "https://m.example", t.Add(2*time.Millisecond)),
		}
		return inEveryOrder(ctx, s, records)
	}},
	{"of two stage records of one millisecond the greater URL wins", func(ctx context.Context, s wirepost.Store, c *clock) error {
		t := c.Now()
		records := []wirepost.StageRecord{
			stage(production, "https://Z.example", t),
			stage(production, "https://a.example", t),
			stage(production, "https://b.example", t.Add(time.Microsecond)),
		}
		return inEveryOrder(ctx, s, records)
	}},
	{"the newest of concurrent stage records wins", func(ctx context.Context, s wirepost.Store, c *clock) error {
		t := c.Now()
		const n = concurrentStages
		record := func(i int) wirepost.StageRecord {
			return stage(production, fmt.Sprintf("https://%02d.example", i), t.Add(time.Duration(i*7%n/2)*time.Millisecond))
		}
		newest := record(0)
		for i := range n {
			if r := record(i); r.Newer(newest) {
				newest = r
			}
		}
		return cmp.Or(concurrently(n, func(i int) error {
			r := record(i)
			kept, err := s.PutStage(ctx, r)
			if err == nil && r.Newer(kept) {
				err = fmt.Errorf("PutStage %s of %v returns %s of %v as stored, which is older", r.URL, r.EventTime, kept.URL, kept.EventTime)
			}
			return err
		}), wantStage(ctx, s, newest))
	}},
	{"stages are kept apart by API, stage and region", func(ctx context.Context, s wirepost.Store, c *clock) error {
		other, far := production, production
		other.APIID, far.Region = "other", "us-east-1"
		records := []wirepost.StageRecord{
			stage(production, "https://1.example", c.Now()),
			stage(staging, "https://2.example", c.Now().Add(time.Millisecond)),
			stage(other, "https://3.example", c.Now().Add(2*time.Millisecond)),
			stage(far, "https://4.example", c.Now().Add(3*time.Millisecond)),
		}
		for _, r := range records {
			if err := putStage(ctx, s, r, r); err != nil {
				return err
			}
		}
		for _, r := range records {
			if err := wantStage(ctx, s, r); err != nil {
				return err
			}
		}
		return nil
	}},
	{"delete of a stage removes exactly its record", func(ctx context.Context, s wirepost.Store, c *clock) error {
		r, bystander := stage(production, "https://example.com/path", c.Now()), stage(staging, "https://example.com/path", c.Now())
		if err := cmp.Or(putStage(ctx, s, r, r), putStage(ctx, s, bystander, bystander)); err != nil {
			return err
		}
		for _, other := range []func(*wirepost.StageRecord){
			func(r *wirepost.StageRecord) { r.URL = "https://example.com/Path" },
			func(r *wirepost.StageRecord) { r.URL = "" },
			func(r *wirepost.StageRecord) { r.EventTime = r.EventTime.Add(-time.Millisecond) },
			func(r *wirepost.StageRecord) { r.EventTime = r.EventTime.Add(time.Millisecond) },
			func(r *wirepost.StageRecord) { r.APIID = "other" },
			func(r *wirepost.StageRecord) { r.Region = "us-east-1" },
		} {
			not := r
			other(&not)
			if err := cmp.Or(wantDeleteStage(ctx, s, not, false), wantStage(ctx, s, r)); err != nil {
				return err
			}
		}
		r.EventTime = r.EventTime.Add(time.Microsecond) // which names no other record
		if err := cmp.Or(
			wantDeleteStage(ctx, s, r, true),
			wantNoStage(ctx, s, r.Identity),
			wantStage(ctx, s, bystander),
			wantDeleteStage(ctx, s, r, false),
		); err != nil {
			return err
		}
		got, err := s.Stages(ctx)
		if err != nil || len(got) != 1 || !sameStage(got[0], bystander) {
			return fmt.Errorf("Stages = %v, %v after a delete, want %v only", identities(got), err, bystander.Identity)
		}
		// What was deleted does not keep an older record away.
		r.EventTime = r.EventTime.Add(-time.Second)
		return cmp.Or(putStage(ctx, s, r, r), wantStage(ctx, s, r))
	}},
	{"stages are listed in the order of their identity", func(ctx context.Context, s wirepost.Store, c *clock) error {
		var want []wirepost.StageRecord
		for _, api := range []string{"a", "ab", "b"} {
			for _, name := range []string{"$default", "Z", "dev", "dev-1"} {
				for _, region := range []string{"eu-west-1", "us-east-1"} {
					want = append(want, stage(wirepost.Identity{APIID: api, Stage: name, Region: region}, "https://example.com", c.Now()))
				}
			}
		}
		for i := range want {
			r := want[i*7%len(want)] // 7 and 24 have no divisor in common
			if err := putStage(ctx, s, r, r); err != nil {
				return err
			}
		}
		got, err := s.Stages(ctx)
		if err != nil {
			return fmt.Errorf("Stages: %w", err)
		}
		if !slices.EqualFunc(got, want, sameStage) {
			return fmt.Errorf("Stages = %v, want %v", identities(got), identities(want))
		}
		return nil
	}},
}

func stage(id wirepost.Identity, url string, at time.Time) wirepost.StageRecord {
	return wirepost.StageRecord{Endpoint: wirepost.Endpoint{Identity: id, URL: url}, EventTime: at}
}

func sameStage(a, b wirepost.StageRecord) bool {
	return a.Endpoint == b.Endpoint && a.EventTime.Equal(time.UnixMilli(a.EventTime.UnixMilli())) && a.EventTime.UnixMilli() == b.EventTime.UnixMilli()
}

// putStage puts a record and compares what is returned with what should be kept.
func putStage(ctx context.Context, s wirepost.Store, r, kept wirepost.StageRecord) error {
	got, err := s.PutStage(ctx, r)
	if err != nil {
		return fmt.Errorf("PutStage %v: %w", r.Identity, err)
	}
	if !sameStage(got, kept) {
		return fmt.Errorf("PutStage %s of %v returns %s of %v as stored, want %s of %v", r.URL, r.EventTime, got.URL, got.EventTime, kept.URL, kept.EventTime)
	}
	return nil
}

func wantStage(ctx context.Context, s wirepost.Store, want wirepost.StageRecord) error {
	got, err := s.Stage(ctx, want.Identity)
	if err != nil {
		return fmt.Errorf("Stage %v: %w", want.Identity, err)
	}
	if !sameStage(got, want) {
		return fmt.Errorf("Stage %v = %s of %v, want %s of %v", want.Identity, got.URL, got.EventTime, want.URL, want.EventTime)
	}
	return nil
}

func wantNoStage(ctx context.Context, s wirepost.Store, id wirepost.Identity) error {
	if got, err := s.Stage(ctx, id); !errors.Is(err, wirepost.ErrNotFound) {
		return fmt.Errorf("Stage %v = %s of %v, error %v, want ErrNotFound", id, got.URL, got.EventTime, err)
	}
	return nil
}

func wantDeleteStage(ctx context.Context, s wirepost.Store, r wirepost.StageRecord, want bool) error {
	if got, err := s.DeleteStage(ctx, r); err != nil || got != want {
		return fmt.Errorf("DeleteStage %v, %s of %v = %v, %v, want %v", r.Identity, r.URL, r.EventTime, got, err, want)
	}
	return nil
}

// inEveryOrder puts three records, which are given from the oldest to the newest,
// in each order. Each order has a stage of its own.
func inEveryOrder(ctx context.Context, s wirepost.Store, r []wirepost.StageRecord) error {
	for n, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		newest := 0
		for _, i := range order {
			newest = max(newest, i)
			put, kept := r[i], r[newest]
			put.Stage = fmt.Sprintf("order-%d", n)
			kept.Stage = put.Stage
			if i == order[0] {
				newest, kept = i, put
			}
			if err := cmp.Or(putStage(ctx, s, put, kept), wantStage(ctx, s, kept)); err != nil {
				return fmt.Errorf("in the order %v: %w", order, err)
			}
		}
	}
	return nil
}

func identities(records []wirepost.StageRecord) (out []string) {
	for _, r := range records {
		out = append(out, r.Identity.String())
	}
	return out
}
