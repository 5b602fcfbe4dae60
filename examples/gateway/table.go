package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// table turns what the meters and the Session's Snapshot say into lines of at
// most 80 columns.
type table struct {
	gateway *gateway
	load    *load
	began   time.Time
	length  time.Duration // 0: until interrupted
	rps     int
}

const row = "%-7s %8s %6s %7s %9s %5s %9s %-9s %5s %5s"

// legend tells who is who, once.
func (t *table) legend() string {
	var b strings.Builder
	fmt.Fprintf(&b, "troupe gateway at %s; each answer has %v\n", t.load.url, t.gateway.deadline)
	for _, u := range t.gateway.upstreams {
		fmt.Fprintf(&b, "  %-7s %s\n", u.name, u.shown)
	}
	return b.String() + "\n"
}

func (t *table) lines() []string {
	at := time.Since(t.began).Round(100 * time.Millisecond)
	head := fmt.Sprintf("after %v", at)
	if t.length > 0 {
		head += fmt.Sprintf(" of %v", t.length)
	}
	if t.rps > 0 {
		head += fmt.Sprintf(", %d requests a second", t.rps)
	}
	lines := []string{head, fmt.Sprintf(row, "origin", "requests", "errors", "cut off", "in flight", "queue", "busy/idle", "breaker", "p50", "p99")}
	snap := byOrigin(t.gateway.session.Snapshot())
	seen := map[string]bool{}
	for _, u := range t.gateway.upstreams {
		// Upstreams of one origin share its queue, connections and breaker.
		queue, conns, breaker := `"`, `"`, `"`
		if !seen[u.origin] {
			queue, conns, breaker = shared(snap[u.origin])
			seen[u.origin] = true
		}
		lines = append(lines, t.row(u.name, &u.meter, queue, conns, breaker))
	}
	if t.rps == 0 {
		return lines
	}
	queue, conns, _ := shared(byOrigin(t.load.session.Snapshot())[strings.TrimSuffix(t.load.url, "/")])
	lines = append(lines, t.row("gateway", &t.load.meter, queue, conns, "-"))
	return append(lines, t.answers())
}

func (t *table) answers() string {
	complete, partial, failed := t.load.counts()
	return fmt.Sprintf("answers: %d complete, %d partial, %d failed", complete, partial, failed)
}

func (t *table) row(name string, m *meter, queue, conns, breaker string) string {
	c, p50, p99 := m.read()
	return fmt.Sprintf(row, name, fmt.Sprint(c.calls), fmt.Sprint(c.errors), fmt.Sprint(c.cutOff), fmt.Sprint(c.inFlight),
		queue, conns, breaker, millis(p50), millis(p99))
}

func byOrigin(s api.Snapshot) map[string]api.OriginSnapshot {
	m := make(map[string]api.OriginSnapshot, len(s.Origins))
	for _, o := range s.Origins {
		m[o.Origin] = o
	}
	return m
}

// shared are the columns that belong to an origin. One that was never asked, or
// is forgotten, has no breaker yet.
func shared(o api.OriginSnapshot) (queue, conns, breaker string) {
	if o.Breaker == "" {
		o.Breaker = "-"
	}
	return fmt.Sprint(o.Queued), fmt.Sprintf("%d/%d", o.Busy, o.Idle), o.Breaker
}

func millis(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	case d >= time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}

// summary is what is left to say at the end.
func (t *table) summary(changes []change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "summary after %v\n", time.Since(t.began).Round(100*time.Millisecond))
	if t.rps > 0 {
		fmt.Fprintf(&b, "  %s\n", t.answers())
		if t.load.failure != "" {
			fmt.Fprintf(&b, "    the first that failed: %s\n", t.load.failure)
		}
	}
	for _, u := range t.gateway.upstreams {
		c, p50, p99 := u.meter.read()
		fmt.Fprintf(&b, "  %s: %d ok, %d errors, %d cut off; p50 %s, p99 %s\n",
			u.name, c.calls-c.errors-c.cutOff, c.errors, c.cutOff, millis(p50), millis(p99))
		if opened, probed, closed := count(changes, u.origin); opened > 0 {
			fmt.Fprintf(&b, "    breaker: opened %dx, probed %dx, closed again %dx\n", opened, probed, closed)
		}
	}
	return b.String()
}
