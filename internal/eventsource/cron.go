package eventsource

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// cron is what a cron expression of EventBridge says: minutes, hours, day of month,
// month, day of week and year. (AWS docs, EventBridge user guide, "Setting a schedule
// pattern for scheduled rules", and EventBridge Scheduler user guide, "Schedule types".)
//
// No library is linked for it. The one with the most of the syntax, adhocore/gronx 1.20,
// counts days of the week from 0, refuses L as a day of the week and ranges over an end,
// which AWS's own examples have, gives the last time of an expression with years again and
// again, and does not have AWS's rules for the hour that a time zone skips or repeats.
type cron struct {
	minutes, hours, months uint64 // a bit for each value
	years                  [2200 - firstYear]bool

	anyDay bool // the day of the week decides
	days   uint64
	last   []int // days before the end of the month
	near   []int // the weekday that is nearest to a day; 0 is the end of the month

	weekdays uint64 // from 1, which is Sunday
	lastOf   uint64 // the last of these in the month
	nth      [2]int // a weekday, and which one of the month; zero if there is none
}

const firstYear = 1970

// cronField is a field of an expression with numbers and names.
type cronField struct {
	name  string
	low   int
	high  int
	names []string // of the values from low on
}

var (
	minuteField  = cronField{name: "minutes", high: 59}
	hourField    = cronField{name: "hours", high: 23}
	dayField     = cronField{name: "day of month", low: 1, high: 31}
	monthField   = cronField{name: "month", low: 1, high: 12, names: strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")}
	weekdayField = cronField{name: "day of week", low: 1, high: 7, names: strings.Fields("SUN MON TUE WED THU FRI SAT")}
	yearField    = cronField{name: "year", low: firstYear, high: 2199}
)

// parseCron reads the six fields of an expression.
func parseCron(text string) (*cron, error) {
	f := strings.Fields(strings.ToUpper(text))
	if len(f) != 6 {
		return nil, fmt.Errorf("it has %d fields, and six are needed: minutes, hours, day of month, month, day of week, year", len(f))
	}
	if (f[2] == "?") == (f[4] == "?") {
		return nil, errors.New("exactly one of day of month and day of week has to be ?")
	}
	c := &cron{anyDay: f[2] == "?"}
	for i, into := range map[int]struct {
		cronField
		bits *uint64
	}{0: {minuteField, &c.minutes}, 1: {hourField, &c.hours}, 3: {monthField, &c.months}} {
		if err := into.each(f[i], func(from, to, step int) { *into.bits |= spread(into.cronField, from, to, step) }); err != nil {
			return nil, err
		}
	}
	err := yearField.each(f[5], func(from, to, step int) {
		for y := from; y <= to; y += step {
			c.years[y-firstYear] = true
		}
	})
	switch {
	case err != nil:
	case c.anyDay:
		err = c.parseWeekdays(f[4])
	default:
		err = c.parseDays(f[2])
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// spread are the values of a range, which may go over the end: hours 20-2 are AWS's own
// example.
func spread(f cronField, from, to, step int) (set uint64) {
	if to < from {
		to += f.high - f.low + 1
	}
	for v := from; v <= to; v += step {
		set |= 1 << (f.low + (v-f.low)%(f.high-f.low+1))
	}
	return set
}

// each reads a list of values, ranges and increments.
func (f cronField) each(text string, use func(from, to, step int)) error {
	for item := range strings.SplitSeq(text, ",") {
		wrong := fmt.Errorf("%s: %.40q is not a value, range or increment from %d to %d", f.name, item, f.low, f.high)
		span, increment, stepped := strings.Cut(item, "/")
		step := 1
		if stepped {
			n, err := strconv.Atoi(increment)
			if err != nil || n < 1 || n > f.high {
				return wrong
			}
			step = n
		}
		from, to := f.low, f.high
		if span != "*" {
			first, end, ranged := strings.Cut(span, "-")
			var ok, okEnd bool
			from, ok = f.value(first)
			if to = from; ranged {
				to, okEnd = f.value(end)
			} else if okEnd = true; stepped { // 5/10 is from 5 on
				to = f.high
			}
			if !ok || !okEnd || to < from && f.low == firstYear {
				return wrong
			}
		}
		use(from, to, step)
	}
	return nil
}

func (f cronField) value(text string) (int, bool) {
	for i, name := range f.names {
		if name == text {
			return f.low + i, true
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= f.low && n <= f.high && text[0] != '+' && len(text) <= 4
}

// parseDays reads days of the month. LW and L-3 are those of Quartz, which has the rest
// of the syntax, too; that AWS takes them is UNCERTAIN.
func (c *cron) parseDays(text string) error {
	for item := range strings.SplitSeq(text, ",") {
		before, isLast := strings.CutPrefix(item, "L-")
		near, isNear := strings.CutSuffix(item, "W")
		switch {
		case item == "L":
			c.last = append(c.last, 0)
		case item == "LW":
			c.near = append(c.near, 0)
		case isLast:
			n, ok := dayField.value(before)
			if !ok || n > 30 {
				return fmt.Errorf("day of month: %.40q is not a day before the last", item)
			}
			c.last = append(c.last, n)
		case isNear:
			n, ok := dayField.value(near)
			if !ok {
				return fmt.Errorf("day of month: %.40q is not the weekday nearest to a day", item)
			}
			c.near = append(c.near, n)
		default:
			if err := dayField.each(item, func(from, to, step int) { c.days |= spread(dayField, from, to, step) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *cron) parseWeekdays(text string) error {
	for item := range strings.SplitSeq(text, ",") {
		day, nth, isNth := strings.Cut(item, "#")
		lastOf, isLast := strings.CutSuffix(item, "L")
		switch {
		case item == "L": // the last of the week
			c.weekdays |= 1 << weekdayField.high
		case isNth:
			d, ok := weekdayField.value(day)
			n, err := strconv.Atoi(nth)
			if !ok || err != nil || n < 1 || n > 5 || strings.Contains(text, ",") {
				return fmt.Errorf("day of week: %.40q is not one expression such as 3#2, the second Tuesday", text)
			}
			c.nth = [2]int{d, n}
		case isLast:
			d, ok := weekdayField.value(lastOf)
			if !ok {
				return fmt.Errorf("day of week: %.40q is not the last of a weekday", item)
			}
			c.lastOf |= 1 << d
		default:
			if err := weekdayField.each(item, func(from, to, step int) { c.weekdays |= spread(weekdayField, from, to, step) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// next is the first time after t that the expression has in a time zone; ok is false if
// there is none. A time that the zone skips is skipped, and of one that it has twice the
// first is taken (AWS docs, EventBridge Scheduler user guide, "Daylight savings time").
func (c *cron) next(t time.Time, zone *time.Location) (next time.Time, ok bool) {
	local := t.In(zone)
	y, m, d := local.Date()
	for ; y <= yearField.high; y, m, d = y+1, 1, 1 {
		if y < firstYear || !c.years[y-firstYear] {
			continue
		}
		for ; m <= 12; m, d = m+1, 1 {
			if c.months&(1<<m) == 0 {
				continue
			}
			for end := daysIn(y, m); d <= end; d++ {
				if !c.onDay(y, m, d) {
					continue
				}
				if at, ok := c.onTime(t, y, m, d, zone); ok {
					return at, true
				}
			}
		}
	}
	return time.Time{}, false
}

// onTime is the first time of a day that is after t.
func (c *cron) onTime(t time.Time, y int, m time.Month, d int, zone *time.Location) (time.Time, bool) {
	for hours := c.hours; hours != 0; hours &= hours - 1 {
		for minutes := c.minutes; minutes != 0; minutes &= minutes - 1 {
			hour, minute := bits.TrailingZeros64(hours), bits.TrailingZeros64(minutes)
			if at, exists := inZone(y, m, d, hour, minute, 0, zone); exists && at.After(t) {
				return at, true
			}
		}
	}
	return time.Time{}, false
}

// inZone is the first moment with that date and time in a zone, if there is one.
func inZone(y int, m time.Month, d, hour, minute, second int, zone *time.Location) (at time.Time, exists bool) {
	at = time.Date(y, m, d, hour, minute, second, 0, zone)
	if at.Hour() != hour || at.Minute() != minute || at.Day() != d {
		return at, false
	}
	_, offset := at.Zone()
	_, before := at.Add(-24 * time.Hour).Zone()
	earlier := at.Add(-time.Duration(before-offset) * time.Second)
	if _, o := earlier.Zone(); before > offset && o == before {
		return earlier, true
	}
	return at, true
}

func (c *cron) onDay(y int, m time.Month, d int) bool {
	end := daysIn(y, m)
	weekday := int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Weekday()) + 1
	if c.anyDay {
		return c.weekdays&(1<<weekday) != 0 || c.lastOf&(1<<weekday) != 0 && d+7 > end || c.nth[0] == weekday && (d+6)/7 == c.nth[1]
	}
	if c.days&(1<<d) != 0 {
		return true
	}
	for _, before := range c.last {
		if d == end-before {
			return true
		}
	}
	for _, to := range c.near {
		if to == 0 {
			to = end
		}
		if to <= end && d == nearestWeekday(y, m, to, end) {
			return true
		}
	}
	return false
}

// nearestWeekday is the day from Monday to Friday of the month that is nearest to a day.
func nearestWeekday(y int, m time.Month, d, end int) int {
	switch time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		if d == 1 {
			return 3
		}
		return d - 1
	case time.Sunday:
		if d == end {
			return d - 2
		}
		return d + 1
	}
	return d
}

func daysIn(y int, m time.Month) int { return time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day() }
