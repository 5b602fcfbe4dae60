package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// squid is an HTTP proxy that asks for a password: alice, s3cret.
type squid struct {
	*process
	addr string
	log  string // its access log
}

// startSquid starts squid in the foreground. It lets CONNECT to the given ports
// through, and caches nothing.
func startSquid(t testing.TB, connect ...int) *squid {
	t.Helper()
	program := installed(t, "squid", "squid")
	helper := installedFile(t, "/usr/lib/squid/basic_ncsa_auth", "squid")
	dir := workDir(t)
	if err := os.Chmod(dir, 0o777); err != nil { // it drops to the user proxy, which writes here
		t.Fatal(err)
	}
	// openssl passwd -1 -salt troupe s3cret
	passwords := writeFile(t, dir, "passwords", []byte("alice:$1$troupe$oQM1cwOUtKH.N4Fo99dfc1\n"))
	s := &squid{log: filepath.Join(dir, "access.log")}
	s.process = launch(t, 1, func(ports []int) *exec.Cmd {
		s.addr = local(ports[0])
		var allowed string
		for _, port := range connect {
			allowed += fmt.Sprintf("acl tunnels port %d\n", port)
		}
		if allowed == "" {
			allowed = "acl tunnels port 443\n"
		}
		conf := writeFile(t, dir, "squid.conf", fmt.Appendf(nil, `
http_port %[1]s
pid_filename %[2]s/squid.pid
coredump_dir %[2]s
cache_log stdio:/dev/null
access_log stdio:%[2]s/access.log
logfile_rotate 0
cache deny all
cache_mem 8 MB
shutdown_lifetime 0 seconds
pinger_enable off
netdb_filename none
visible_hostname squid.test
auth_param basic program %[3]s %[4]s
auth_param basic children 2 startup=1 idle=1
auth_param basic realm tests
acl known proxy_auth REQUIRED
%[5]s
http_access deny !known
http_access deny CONNECT !tunnels
http_access allow known
`, s.addr, dir, helper, passwords, allowed))
		return exec.Command(program, "-N", "-d", "1", "-f", conf)
	})
	return s
}

// saw waits until a line of the access log holds what.
func (s *squid) saw(t testing.TB, what string) {
	t.Helper()
	late := time.Now().Add(patience)
	for {
		out, err := os.ReadFile(s.log)
		if err == nil && strings.Contains(string(out), what) {
			return
		}
		if time.Now().After(late) {
			t.Errorf("squid has not seen %q:\n%s", what, out)
			return
		}
		pause(t.Context(), 10*time.Millisecond)
	}
}
