package tests

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// TestAPasswordInAURLNeverShows: whatever happens to the call, not in its error,
// the log, the snapshot or the response.
func TestAPasswordInAURLNeverShows(t *testing.T) {
	const user, password = "aladdin", "opensesame"
	o := newOrigin(t)
	with := func(path string, b behaviour) string {
		return strings.Replace(o.route(path, b), "http://", "http://"+user+":"+password+"@", 1)
	}
	closed := newOrigin(t)
	closed.shut()
	var log logbook
	s := newSession(t, api.Config{
		Logger:            log.logger(),
		Breaker:           api.Breaker{Failures: 1, OpenFor: time.Millisecond},
		MaxBodyBytes:      1000,
		MaxConnsPerOrigin: 1,
		MaxQueuePerOrigin: 1,
		Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "boom") {
				panic(errBoom)
			}
			return tcp.DialContext(ctx, network, address)
		}),
	})
	var said []string
	hear := func(v any) { said = append(said, fmt.Sprintf("%v\n%+v\n%#v", v, v, v)) }

	resp, err := s.Get(soon(t), with("/good", func(x *exchange) bool {
		if u, p, _ := x.req.BasicAuth(); u != user || p != password {
			t.Errorf("the server was told %q", x.req.Header.Get("Authorization"))
		}
		return ok("ok")(x)
	}))
	if err != nil {
		t.Fatal(err)
	}
	hear(resp.URL())
	hear(resp.Err())
	resp, err = s.Get(soon(t), with("/404", status(404)))
	if err != nil {
		t.Fatal(err)
	}
	hear(resp.Err())

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	secret := with("/", ok("ok"))
	for name, call := range map[string]func() error{
		"reset":     func() error { return second(s.Get(soon(t), with("/reset", reset))) },
		"garbage":   func() error { return second(s.Get(soon(t), with("/garbage", garbage))) },
		"truncated": func() error { return second(s.Get(soon(t), with("/truncated", truncate))) },
		"too large": func() error { return second(s.Get(soon(t), with("/large", ok(strings.Repeat("x", 1001))))) },
		"timeout": func() error {
			return second(s.Get(soon(t), with("/stall", stall(&gate{})), api.Timeout(time.Millisecond)))
		},
		"refused":    func() error { return second(s.Get(soon(t), "http://"+user+":"+password+"@"+closed.addr)) },
		"no host":    func() error { return second(s.Get(soon(t), "http://"+user+":"+password+"@")) },
		"a bad port": func() error { return second(s.Get(soon(t), "http://"+user+":"+password+"@h:port/")) },
		"a space":    func() error { return second(s.Get(soon(t), "http://"+user+":"+password+"@ho st/")) },
		"a scheme":   func() error { return second(s.Get(soon(t), "ftp://"+user+":"+password+"@h/")) },
		"an escape":  func() error { return second(s.Get(soon(t), "http://"+user+":"+password+"%zz@h/")) },
		"cancelled":  func() error { return second(s.Get(cancelled, secret)) },
		"a panic":    func() error { return second(s.Get(soon(t), "http://"+user+":"+password+"@boom/")) },
		"a header":   func() error { return second(s.Get(soon(t), secret, api.Headers{"Host": "x"})) },
		"a callback": func() error {
			return second(s.Get(soon(t), secret, api.Stream(func([]byte) error { return errBoom }, 1)))
		},
		"a lease": func() error { _, err := s.Lease(cancelled, secret); return err },
		"one shot": func() error {
			defer api.Shutdown(soon(t))
			return second(api.Get(soon(t), with("/reset", reset)))
		},
	} {
		// The breaker opens at each failure: wait until it lets one through.
		eventually(t, name, func() bool { err = call(); return !errors.Is(err, api.ErrCircuitOpen) })
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			hear(err)
		}
		hear(s.Snapshot())
	}
	eventually(t, "the log tells of the breaker", func() bool { return strings.Contains(log.String(), "circuit") })
	for _, text := range append(said, log.String(), s.Snapshot().String()) {
		for _, word := range []string{password, user, "YWxhZGRpbjpvcGVuc2VzYW1l"} {
			if strings.Contains(text, word) {
				t.Errorf("%q shows in %.300s", word, text)
			}
		}
	}
}
