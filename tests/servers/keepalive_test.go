package servers

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// Servers that close idle connections without a word of warning, each under calls
// timed so that many cross the FIN: the request is on its way when the connection
// ends. A GET is then repeated by evidence, and no call fails.

// nginx says nothing of its keepalive_timeout here and closes idle connections
// after one second. Calls come in waves about that long apart: those that find
// the FIN, and those whose request crosses it on the way, must be answered.
func TestNginxKeepaliveTimeout(t *testing.T) {
	n := startNginx(t, nginxConf{http: "keepalive_timeout 1s;"})
	s := newSession(t, api.Config{MaxConnsPerOrigin: 40})
	gaps := []time.Duration{990, 995, 998, 1000, 1002, 1005}
	var calls atomic.Int64
	if err := callers(40, func(i int) error {
		for w := range gaps {
			// Each caller another gap in each wave, so that all are about evenly there.
			if err := get(t, s, n.URL+"/", false); err != nil {
				return fmt.Errorf("wave %d: %w", w, err)
			}
			calls.Add(1)
			gap := gaps[(w+i)%len(gaps)]*time.Millisecond + time.Duration(i)*50*time.Microsecond
			pause(t.Context(), gap)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	t.Logf("%d calls", calls.Load())
}

// A haproxy that closes idle connections after 200 ms without a word: GETs are
// repeated where they cross the FIN, and no call fails.
func TestHaproxyKeepAliveTimeout(t *testing.T) {
	o := newOrigin(t)
	h := startHaproxy(t, haproxyConf{defaults: "timeout http-keep-alive 200ms", backends: []string{o.addr}})
	s := newSession(t, api.Config{})
	if err := callers(40, func(i int) error {
		for w := range 8 {
			if err := get(t, s, h.URL+"/", false); err != nil {
				return fmt.Errorf("wave %d: %w", w, err)
			}
			pause(t.Context(), 195*time.Millisecond+time.Duration(i)*250*time.Microsecond)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// A timeout in milliseconds is announced as "timeout=0", if at all: the FIN is what
// tells.
func TestApacheKeepAliveOfMilliseconds(t *testing.T) {
	a := startApache(t, "KeepAlive On\nKeepAliveTimeout 150ms\n")
	s := newSession(t, api.Config{MaxConnsPerOrigin: 30})
	if err := callers(30, func(i int) error {
		for w := range 8 {
			if err := get(t, s, a.URL+"/", false); err != nil {
				return fmt.Errorf("wave %d: %w", w, err)
			}
			pause(t.Context(), 145*time.Millisecond+time.Duration(i)*300*time.Microsecond)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
