package servers

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

// Each kind of redirect with each kind of body (RFC 9110 §15.4).
func TestNginxRedirects(t *testing.T) {
	o := newOrigin(t)
	var locations strings.Builder
	for _, code := range []int{301, 302, 303, 307, 308} {
		fmt.Fprintf(&locations, "location = /to/%[1]d { return %[1]d /echo?from=%[1]d; }\n", code)
	}
	n := startNginx(t, nginxConf{http: "client_max_body_size 10m;", server: fmt.Sprintf(`
		%s
		location = /loop { return 302 /loop; }
		location /echo { proxy_pass %s; }`, locations.String(), o.URL)})
	s := newSession(t, api.Config{TLS: n.certs.trust()})
	content := pattern(300_000)
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
			for kind, give := range bodies(t, content) {
				if kind == "reader" {
					continue // it cannot be sent again
				}
				t.Run(fmt.Sprint(code, " ", method, " ", kind), func(t *testing.T) {
					var opts []api.Option
					if method == "POST" || method == "PUT" {
						opts = append(opts, give())
					}
					arrives := method
					if code == 303 || method == "POST" && code < 303 {
						arrives = "GET"
					}
					resp := must(t, 200)(s.Request(soon(t), method, fmt.Sprintf("%s/to/%d", n.URL, code), opts...))
					var got echoed
					if err := resp.JSON(&got); err != nil {
						t.Fatal(err)
					}
					length := int64(0)
					if len(opts) > 0 && arrives == method {
						length = int64(len(content))
					}
					if got.Method != arrives || got.Length != length || length > 0 && got.Sum != sumOf(content) {
						t.Errorf("arrived as %s with %d bytes, want %s with %d", got.Method, got.Length, arrives, length)
					}
					if want := fmt.Sprintf("%s/echo?from=%d", n.URL, code); resp.URL() != want || len(resp.History()) != 1 || resp.History()[0].Status() != code {
						t.Errorf("ended at %s by %d redirects", resp.URL(), len(resp.History()))
					}
				})
			}
		}
	}
	if _, err := s.Get(soon(t), n.URL+"/loop"); !errors.Is(err, api.ErrTooManyRedirects) {
		t.Errorf("a loop: %v", err)
	}
	if resp := must(t, 302)(s.Get(soon(t), n.URL+"/loop", api.NoRedirect())); len(resp.History()) != 0 {
		t.Error("NoRedirect has a history")
	}
	never := newSession(t, api.Config{MaxRedirects: -1})
	must(t, 302)(never.Get(soon(t), n.URL+"/loop"))
}

// From http to https on another port: another origin, which hears no password.
func TestNginxRedirectToTLS(t *testing.T) {
	o := newOrigin(t)
	secure := startNginx(t, nginxConf{server: "location / { proxy_pass " + o.URL + "; }"})
	n := startNginx(t, nginxConf{server: "location / { return 301 " + secure.Secure + "$request_uri; }"})
	s := newSession(t, api.Config{TLS: secure.certs.trust()})
	resp := must(t, 200)(s.Get(soon(t), n.URL+"/echo?a=b#part", api.BasicAuth("alice", "s3cret"), api.Headers{"X-Mine": "1"}))
	if want := secure.Secure + "/echo?a=b#part"; resp.URL() != want {
		t.Errorf("ended at %s, want %s", resp.URL(), want)
	}
	if h := o.last(t); h.Get("Authorization") != "" || h.Get("X-Mine") != "1" {
		t.Errorf("%v", h)
	}
}
