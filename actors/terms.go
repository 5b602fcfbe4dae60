package actors

import "github.com/seed53b03582/troupe/actors/pool"

// What callers set for the pool, and see of it, has its names here too.
type (
	Breaker        = pool.Breaker
	DialBackoff    = pool.DialBackoff
	Budget         = pool.Budget
	Freshness      = pool.Freshness
	Owner          = pool.Owner
	OriginSnapshot = pool.OriginSnapshot
)

// How choosy a call is about its connection.
const (
	FreshnessAny    = pool.FreshnessAny
	FreshnessRecent = pool.FreshnessRecent
	FreshnessNew    = pool.FreshnessNew
)

// instant is a moment of the session's clock.
type instant = pool.Instant
