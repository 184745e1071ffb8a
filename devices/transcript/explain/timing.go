package explain

import (
	"slices"
	"time"
)

// Timing is how long things took, as far as the tape has times.
type Timing struct {
	Known  bool          // the tape has times
	Whole  time.Duration // from the first record to the last
	Answer Spread        // from a request to its answer, where no touch was waited for
	Touch  Spread        // from the first "up-needed" to the answer
	Gap    Spread        // from a keepalive to the next one or the answer
}

// Spread is the least, the median and the greatest of Count durations.
type Spread struct {
	Count            int
	Min, Median, Max time.Duration
}

func spread(all []time.Duration) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	all = slices.Sorted(slices.Values(all))
	return Spread{Count: len(all), Min: all[0], Median: all[len(all)/2], Max: all[len(all)-1]}
}

func timing(s *Story) Timing {
	var t Timing
	var answers, touches, gaps []time.Duration
	for _, e := range s.Exchanges {
		switch {
		case e.Touch > 0:
			touches = append(touches, e.Touch)
		case e.Took > 0:
			answers = append(answers, e.Took)
		}
		gaps = append(gaps, e.Gaps...)
	}
	first, last := time.Duration(-1), time.Duration(0)
	for _, step := range s.Steps {
		t.Known = t.Known || step.Until != 0
		if first < 0 || step.At < first {
			first = step.At
		}
		last = max(last, step.Until)
	}
	if t.Known {
		t.Whole = last - first
	}
	t.Answer, t.Touch, t.Gap = spread(answers), spread(touches), spread(gaps)
	return t
}
