package servers

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// haproxy is a load balancer: one port that is plain or TLS, before some origins.
type haproxy struct {
	*process
	URL    string // http://…
	Secure string // https://…, the same port
	certs  *certs
	dir    string
}

// haproxyConf are parts of a configuration.
type haproxyConf struct {
	bind     string   // what follows the address
	defaults string   // lines
	backend  string   // lines
	servers  string   // what follows each server's address
	backends []string // host:port of each
}

// startHaproxy starts it in master-worker mode, so that SIGUSR2 reloads it.
func startHaproxy(t testing.TB, c haproxyConf) *haproxy {
	t.Helper()
	program := installed(t, "haproxy", "haproxy")
	h := &haproxy{dir: workDir(t)}
	h.certs = newCerts(t, h.dir)
	h.process = launch(t, 1, func(ports []int) *exec.Cmd {
		h.URL, h.Secure = "http://"+local(ports[0]), "https://"+local(ports[0])
		var servers strings.Builder
		for i, addr := range c.backends {
			fmt.Fprintf(&servers, "\tserver s%d %s %s\n", i, addr, c.servers)
		}
		conf := writeFile(t, h.dir, "haproxy.cfg", fmt.Appendf(nil, `
global
	maxconn 1000
	stats socket %[1]s/stats level admin expose-fd listeners
	ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
	mode http
	timeout connect 2s
	timeout client 10s
	timeout server 10s
	%[2]s
frontend in
	bind %[3]s %[4]s
	default_backend out
backend out
	balance roundrobin
	%[5]s
%[6]s
`, h.dir, c.defaults, local(ports[0]), c.bind, c.backend, servers.String()))
		cmd := exec.Command(program, "-W", "-db", "-f", conf)
		cmd.Dir = h.dir
		return cmd
	})
	return h
}
