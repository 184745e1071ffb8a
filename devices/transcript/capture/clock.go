package capture

import (
	"bytes"
	"strconv"
	"time"
)

// clockAhead is how far into a line its time may begin.
const clockAhead = 96

// timeOfDay finds the time that a log puts at the beginning of its lines, with
// the date before it in one of the usual orders and the zone after it.
var timeOfDay = pattern(`(?:(\d{4})-(\d{2})-(\d{2})[T ]|(\d{2})-(\d{2}) +|([A-Z][a-z]{2}) +(\d{1,2}) |\b)` +
	`(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))? ?(Z|[+-]\d{2}:?\d{2})?`)

// ykmanTime is how a line of ykman 5 begins.
var ykmanTime = pattern(`^[A-Z]+ \d\d:\d\d:\d\d\.\d{1,3} \[`)

// clock reads the times of a log's lines.
type clock struct {
	days  int // added to times without a date, which begin again at midnight
	last  time.Time
	milli bool // fractions are whole milliseconds without leading zeros, as ykman writes them
}

// read is the time of a line, not known if it has none.
func (k *clock) read(text []byte) moment {
	text = text[:min(len(text), clockAhead)]
	if !hasTime(text) {
		return moment{}
	}
	m := timeOfDay().FindSubmatch(text)
	if m == nil {
		return moment{}
	}
	k.milli = k.milli || ykmanTime().Match(text)
	year, month, day, absolute := k.date(m)
	hour, minute, second := number(m[8]), number(m[9]), number(m[10])
	if hour > 23 || minute > 59 || second > 60 || month < 1 || month > 12 || day < 1 || day > 31 {
		return moment{}
	}
	at := time.Date(year, time.Month(month), day, hour, minute, second, 0, zone(m[12])).Add(k.fraction(m[11]))
	if !absolute && len(m[4]) == 0 && len(m[6]) == 0 {
		at = at.AddDate(0, 0, k.days)
		if k.last.Sub(at) > 12*time.Hour {
			k.days++
			at = at.AddDate(0, 0, 1)
		}
	}
	k.last = at
	return moment{Time: at, known: true, absolute: absolute}
}

// hasTime says whether a text has the colons of a time, which most lines of
// bytes have not: to look for it in full is slow.
func hasTime(text []byte) bool {
	for i := 0; i+4 < len(text); i++ {
		if text[i+1] == ':' && text[i+4] == ':' && text[i] >= '0' && text[i] <= '9' {
			return true
		}
	}
	return false
}

// date is the date that was found. Logs without a year, or without a date, are
// given some year.
func (k *clock) date(m [][]byte) (year, month, day int, absolute bool) {
	switch {
	case len(m[1]) > 0:
		return number(m[1]), number(m[2]), number(m[3]), true
	case len(m[4]) > 0:
		return 2000, number(m[4]), number(m[5]), false
	case len(m[6]) > 0:
		const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
		return 2000, bytes.Index([]byte(months), m[6])/3 + 1, number(m[7]), false
	}
	return 2000, 1, 1, false
}

func (k *clock) fraction(digits []byte) time.Duration {
	n := number(digits)
	if k.milli && len(digits) <= 3 {
		return time.Duration(n) * time.Millisecond
	}
	for range 9 - len(digits) {
		n *= 10
	}
	return time.Duration(n)
}

// zone is the offset from UTC. A log without one is taken to be in UTC.
func zone(text []byte) *time.Location {
	if len(text) < 5 {
		return time.UTC
	}
	digits := bytes.ReplaceAll(text[1:], []byte(":"), nil)
	seconds := number(digits[:2])*3600 + number(digits[2:])*60
	if text[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("", seconds)
}

func number(digits []byte) int {
	n, _ := strconv.Atoi(string(digits))
	return n
}
