package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nginx is a server with a plain and a TLS port, both served alike.
type nginx struct {
	*process
	URL    string // http://…, without a path
	Secure string // https://…
	addr   string // of the plain port
	certs  *certs
	dir    string
	www    string // the folder of its files
	conf   string // its configuration file
}

// nginxConf are parts of a configuration.
type nginxConf struct {
	main   string // outside of http
	http   string // in http, outside of server
	server string // in server
}

// startNginx starts nginx in the foreground with all its files in a folder of the
// test's.
func startNginx(t testing.TB, c nginxConf) *nginx {
	t.Helper()
	program := installed(t, "nginx", "nginx")
	n := &nginx{dir: workDir(t)}
	n.certs = newCerts(t, n.dir)
	n.www = filepath.Dir(writeFile(t, n.dir, "www/index.html", []byte("hello from nginx\n")))
	n.process = launch(t, 2, func(ports []int) *exec.Cmd {
		n.addr = local(ports[0])
		n.URL, n.Secure = "http://"+n.addr, "https://"+local(ports[1])
		n.conf = writeFile(t, n.dir, "nginx.conf", []byte(n.config(c, ports)))
		return exec.Command(program, "-p", n.dir, "-e", "stderr", "-c", n.conf)
	})
	return n
}

func (n *nginx) config(c nginxConf, ports []int) string {
	var user string
	if os.Getuid() == 0 {
		user = "user root;" // it reads files in a folder of root's
	}
	var temp strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "%s_temp_path %s/%s;\n", kind, n.dir, kind)
	}
	return fmt.Sprintf(`
daemon off;
worker_processes 2;
pid %[1]s/nginx.pid;
error_log stderr warn;
%[2]s
%[3]s
events { worker_connections 1024; }
http {
	access_log off;
	default_type application/octet-stream;
	types { text/html html; text/plain txt; application/json json; }
	%[4]s
	%[5]s
	server {
		listen %[6]s;
		listen %[7]s ssl;
		ssl_certificate %[8]s;
		ssl_certificate_key %[9]s;
		root %[1]s/www;
		%[10]s
	}
}
`, n.dir, user, c.main, temp.String(), c.http, local(ports[0]), local(ports[1]), n.certs.certFile, n.certs.keyFile, c.server)
}

// file puts a file among those that are served.
func (n *nginx) file(t testing.TB, name string, content []byte) string {
	t.Helper()
	return writeFile(t, n.www, name, content)
}
