package servers

import (
	"crypto/tls"
	"net/url"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

// http and https through socks5://, with names resolved by the proxy or here.
func TestSOCKS(t *testing.T) {
	o := newOrigin(t)
	c := newCerts(t, t.TempDir())
	secure := newNamedOrigin(t, "secure", c.serve())
	for name, user := range map[string]*url.Userinfo{"open": nil, "password": url.UserPassword("alice", "s3cret")} {
		t.Run(name, func(t *testing.T) {
			password, _ := user.Password()
			addr := startMicrosocks(t, user.Username(), password)
			for _, scheme := range []string{"socks5", "socks5h"} {
				s := newSession(t, api.Config{Proxy: through(proxyURL(scheme, addr, user)), TLS: c.trust()})
				for _, base := range []string{o.URL, secure.URL, strings.Replace(o.URL, "127.0.0.1", "localhost", 1)} {
					if err := callers(8, func(int) error {
						for range 10 {
							if err := get(t, s, base+"/", false); err != nil {
								return err
							}
						}
						return nil
					}); err != nil {
						t.Errorf("%s %s: %v", scheme, base, err)
					}
				}
				body := pattern(1 << 20)
				var got echoed
				resp := must(t, 200)(s.Post(soon(t), secure.URL+"/echo", api.Body(strings.NewReader(string(body)))))
				if err := resp.JSON(&got); err != nil || got.Sum != sumOf(body) {
					t.Errorf("%+v, %v", got, err)
				}
			}
		})
	}
}

func TestSOCKSRefused(t *testing.T) {
	o := newOrigin(t)
	addr := startMicrosocks(t, "alice", "s3cret")
	for name, c := range map[string]struct {
		user *url.Userinfo
		url  string
	}{
		"no password":        {nil, o.URL},
		"wrong password":     {url.UserPassword("alice", "wr0ng"), o.URL},
		"unreachable origin": {url.UserPassword("alice", "s3cret"), "http://" + local(freePorts(t, 1)[0])},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t, api.Config{Proxy: through(proxyURL("socks5", addr, c.user)), Breaker: noBreaker})
			_, err := s.Post(soon(t), c.url+"/", api.Data{"a": "b"})
			wantDialError(t, err, "wr0ng", "s3cret")
		})
	}
	if got := o.asked("POST /"); got != 0 {
		t.Errorf("the origin saw %d requests", got)
	}
}

// A connection verified through the proxy is never one that was not.
func TestSOCKSVerifiesTheOrigin(t *testing.T) {
	c := newCerts(t, t.TempDir())
	secure := newNamedOrigin(t, "secure", c.serve())
	addr := startMicrosocks(t, "", "")
	s := newSession(t, api.Config{Proxy: through(proxyURL("socks5", addr, nil)), Breaker: noBreaker})
	must(t, 200)(s.Get(soon(t), secure.URL+"/", api.TLS(&tls.Config{InsecureSkipVerify: true})))
	_, err := s.Get(soon(t), secure.URL+"/")
	if e, ok := asError[*api.HTTPConnectionError](err); !ok || e.Op != api.OpTLS {
		t.Errorf("an unknown authority: %v", err)
	}
}
