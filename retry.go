package wirepost

import "time"

// pause waits before attempt+2, with full jitter: somewhere in [0, 100 ms × 2^n),
// 3.2 s at most, and for its turn. It reports false if the deadline comes first.
//
// Meanwhile another post has its place: a client that does not read
// delays nobody else.
func (d *delivery) pause(attempt int) bool {
	ceiling := 100 * time.Millisecond << min(attempt, 5)
	wait := time.Duration(d.o.Random() * float64(ceiling))
	if deadline, ok := d.ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	if d.places != nil {
		d.places.leave()
		defer d.places.enter()
	}
	return sleep(d.ctx, wait) && d.inTurn(d.ctx, d.row.Endpoint)
}
