package pool

import "time"

// Budget bounds the retries of one origin, so that one that fails is not stormed
// by the repeated requests of all its callers. It is asked for requests of which
// something had been sent before.
type Budget struct {
	// Ratio of the requests within Window that may be retries; negative: no bound.
	Ratio float64
	// Min retries within Window that are let through in any case.
	Min int
	// Window over which both are taken, kept in tenths; 0: no budget is kept.
	Window time.Duration
}

// budget counts the requests of one origin, and which of them were retries.
type budget struct {
	cfg  Budget
	sent window // its failed are the retries
}

func newBudget(cfg Budget) budget { return budget{cfg: cfg, sent: newWindow(cfg.Window)} }

// request counts a call's first try.
func (b *budget) request(now Instant) {
	if b.cfg.Window > 0 {
		b.sent.add(now, false)
	}
}

// retry counts one more try, or refuses it.
func (b *budget) retry(now Instant) bool {
	if b.cfg.Window <= 0 || b.cfg.Ratio < 0 {
		return true
	}
	b.sent.roll(now)
	first, retries := b.sent.all-b.sent.failed, b.sent.failed
	if retries >= b.cfg.Min && float64(retries+1) > b.cfg.Ratio*float64(first) {
		return false
	}
	b.sent.add(now, true)
	return true
}
