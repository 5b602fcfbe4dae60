package pool

import (
	"cmp"
	"time"
)

// pace is how quickly an origin answers, as far as that was seen. It tells whether a
// deadline of a caller's that has passed says anything about the origin: one that no
// answer could have kept does not, and five callers in a hurry must not open the
// breaker for all the others.
type pace struct {
	typical time.Duration // the recent median of its answers; 0: there was none
	silence time.Duration // for which it was waited in vain since the last, by callers in a hurry
	counted Instant       // up to when that is taken
}

const (
	// firstAnswer is what an origin that has never answered may take: below it, a
	// deadline says nothing.
	firstAnswer = 100 * time.Millisecond
	// Silence of so long, and so many times the typical answer, is the origin's: no
	// deadline is so short that an origin which has died never counts as dead.
	longSilence = time.Second
	timesSilent = 10
)

// answered takes in an answer, and how long the origin was at work with it; 0: unknown.
// A median moves by a fixed share of itself, whatever the distance: a slow answer among
// quick ones does not tell.
func (p *pace) answered(took time.Duration) {
	p.silence = 0
	switch {
	case took <= 0:
	case p.typical == 0:
		p.typical = took
	case took > p.typical:
		p.typical = min(took, p.typical+p.typical/8+1)
	default:
		p.typical = max(took, p.typical-p.typical/8)
	}
}

// judge tells what it says about the origin that a caller's deadline passed, at now,
// after the origin had been at work for had.
func (p *pace) judge(now Instant, had time.Duration) Outcome {
	least := cmp.Or(p.typical, firstAnswer)
	if had >= least {
		return OutcomeFailed
	}
	if from := max(now-Instant(had), p.counted); from < now {
		p.silence += now.Since(from) // those who wait at the same time count once
		p.counted = now
	}
	if p.silence >= max(longSilence, timesSilent*least) {
		return OutcomeFailed
	}
	return OutcomeNeutral
}
