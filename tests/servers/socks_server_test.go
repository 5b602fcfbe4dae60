package servers

import (
	"net/url"
	"os/exec"
	"strconv"
	"testing"
)

// startMicrosocks starts a SOCKS5 proxy, with a password where user is given, and
// gives its address.
func startMicrosocks(t testing.TB, user, password string) (addr string) {
	t.Helper()
	program := installed(t, "microsocks", "microsocks")
	launch(t, 1, func(ports []int) *exec.Cmd {
		addr = local(ports[0])
		args := []string{"-i", "127.0.0.1", "-p", strconv.Itoa(ports[0])}
		if user != "" {
			args = append(args, "-u", user, "-P", password)
		}
		return exec.Command(program, args...)
	})
	return addr
}

// proxyURL is a proxy's URL with or without a user.
func proxyURL(scheme, addr string, user *url.Userinfo) *url.URL {
	return &url.URL{Scheme: scheme, Host: addr, User: user}
}

// through is a Config.Proxy that takes one proxy for everything.
func through(proxy *url.URL) func(*url.URL) (*url.URL, error) {
	return func(*url.URL) (*url.URL, error) { return proxy, nil }
}
