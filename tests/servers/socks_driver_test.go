package servers

import (
	"testing"

	"golang.org/x/net/proxy"

	"github.com/seed53b03582/troupe/api"
	"github.com/seed53b03582/troupe/conn"
)

// A proxy dialer of another library is a Driver, with and without TLS on top.
func TestSOCKSThroughADriver(t *testing.T) {
	o := newOrigin(t)
	c := newCerts(t, t.TempDir())
	secure := newNamedOrigin(t, "secure", c.serve())
	for name, auth := range map[string]*proxy.Auth{"open": nil, "password": {User: "alice", Password: "s3cret"}} {
		t.Run(name, func(t *testing.T) {
			user, password := "", ""
			if auth != nil {
				user, password = auth.User, auth.Password
			}
			addr := startMicrosocks(t, user, password)
			s := newSession(t, api.Config{Driver: socksDriver(t, addr, auth), TLS: c.trust()})
			for _, base := range []string{o.URL, secure.URL} {
				if err := callers(8, func(int) error {
					for range 10 {
						if err := get(t, s, base+"/", false); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					t.Errorf("%s: %v", base, err)
				}
			}
		})
	}
	if o.conns() > 16 || secure.conns() > 16 {
		t.Errorf("%d and %d connections for 8 callers, twice", o.conns(), secure.conns())
	}
}

// What the driver says of a refused password or an unreachable origin is the
// dial's error.
func TestSOCKSThroughADriverRefused(t *testing.T) {
	o := newOrigin(t)
	addr := startMicrosocks(t, "alice", "s3cret")
	for name, c := range map[string]struct {
		auth *proxy.Auth
		url  string
	}{
		"no password":        {nil, o.URL},
		"wrong password":     {&proxy.Auth{User: "alice", Password: "wr0ng"}, o.URL},
		"unreachable origin": {&proxy.Auth{User: "alice", Password: "s3cret"}, "http://" + local(freePorts(t, 1)[0])},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t, api.Config{Driver: socksDriver(t, addr, c.auth), Breaker: noBreaker})
			_, err := s.Post(soon(t), c.url+"/", api.Data{"a": "b"})
			wantDialError(t, err, "wr0ng", "s3cret")
		})
	}
}

func socksDriver(t testing.TB, addr string, auth *proxy.Auth) conn.Driver {
	t.Helper()
	d, err := proxy.SOCKS5("tcp", addr, auth, proxy.Direct)
	if err != nil {
		t.Fatal(err)
	}
	driver, ok := d.(conn.Driver)
	if !ok {
		t.Fatalf("%T has no DialContext", d)
	}
	return driver
}
