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

// TestASecretInAURLNeverShows: whatever happens to the call, neither user info nor a token
// in the query shows in its error, the logs, the snapshot or the response.
func TestASecretInAURLNeverShows(t *testing.T) {
	const user, password, token, query = "aladdin", "opensesame", "abracadabra", "/?a=1&access_token=abracadabra"
	o := newOrigin(t)
	with := func(path string, b behaviour) string {
		return strings.Replace(o.route(path, b), "http://", "http://"+user+":"+password+"@", 1) + query[1:]
	}
	closed := newOrigin(t)
	closed.shut()
	var log, wire logbook
	s := newSession(t, api.Config{
		Logger:            log.logger(),
		WireLog:           wire.logger(),
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
	if u := resp.URL(); strings.Contains(u, user) || strings.Contains(u, password) || !strings.HasSuffix(u, query[1:]) {
		t.Errorf("the URL, which is data, is %s", u)
	}
	hear(resp)
	hear(resp.Curl())
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
		"refused":    func() error { return second(s.Get(soon(t), "http://"+user+":"+password+"@"+closed.addr+query)) },
		"no host":    func() error { return second(s.Get(soon(t), "http://"+user+":"+password+"@")) },
		"a bad port": func() error { return second(s.Get(soon(t), "http://"+user+":"+password+"@h:port"+query)) },
		"a space":    func() error { return second(s.Get(soon(t), "http://"+user+":"+password+"@ho st"+query)) },
		"a scheme":   func() error { return second(s.Get(soon(t), "ftp://"+user+":"+password+"@h"+query)) },
		"an escape":  func() error { return second(s.Get(soon(t), "http://"+user+":"+password+"%zz@h"+query)) },
		"cancelled":  func() error { return second(s.Get(cancelled, secret)) },
		"a panic":    func() error { return second(s.Get(soon(t), "http://"+user+":"+password+"@boom"+query)) },
		"a header":   func() error { return second(s.Get(soon(t), secret, api.Headers{"Host": "x"})) },
		"a callback": func() error {
			return second(s.Get(soon(t), secret, api.Stream(func([]byte) error { return errBoom }, 1)))
		},
		"a redirect": func() error {
			return second(s.Get(soon(t), with("/away", raw("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://"+user+":"+password+"@h:port"+query+"\r\n\r\n"))))
		},
		"redirects": func() error {
			return second(s.Get(soon(t), with("/round", raw("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /round?token="+token+"\r\n\r\n"))))
		},
		"not JSON": func() error {
			resp, err := s.Get(soon(t), with("/text", ok("text")))
			if err != nil {
				return err
			}
			return resp.JSON(new(int))
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
	snapshot := s.Snapshot().String()
	s.Close() // the logs are whole
	if !strings.Contains(wire.String(), "access_token=***") {
		t.Error("the wire is not logged")
	}
	for _, text := range append(said, log.String(), wire.String(), snapshot) {
		for _, word := range []string{password, user, token, "YWxhZGRpbjpvcGVuc2VzYW1l"} {
			if strings.Contains(text, word) {
				t.Errorf("%q shows in %.300s", word, text)
			}
		}
	}
}
