package servers

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// apache is a server with a plain and a TLS port, both served alike.
type apache struct {
	*process
	URL    string
	Secure string
	certs  *certs
	dir    string
	www    string
}

// apacheModules are those of Debian's package that the tests use. What the program
// has built in needs no loading.
const apacheModules = "mpm_event authn_core authn_file authz_core authz_user auth_basic auth_digest " +
	"alias autoindex dir mime filter deflate brotli headers proxy proxy_http ssl socache_shmcb reqtimeout rewrite"

// startApache starts apache2 in the foreground with all its files in a folder of
// the test's. conf is for the whole server.
func startApache(t testing.TB, conf string) *apache {
	t.Helper()
	program := installed(t, "apache2", "apache2")
	a := &apache{dir: workDir(t)}
	a.certs = newCerts(t, a.dir)
	a.www = filepath.Dir(writeFile(t, a.dir, "www/index.html", []byte("hello from apache\n")))
	a.process = launch(t, 2, func(ports []int) *exec.Cmd {
		a.URL, a.Secure = "http://"+local(ports[0]), "https://"+local(ports[1])
		file := writeFile(t, a.dir, "apache2.conf", []byte(a.config(conf, ports)))
		return exec.Command(program, "-d", a.dir, "-f", file, "-D", "FOREGROUND")
	})
	return a
}

func (a *apache) config(conf string, ports []int) string {
	var head strings.Builder
	for _, m := range strings.Fields(apacheModules) {
		fmt.Fprintf(&head, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	if os.Getuid() == 0 {
		head.WriteString("User nobody\nGroup nogroup\n") // it refuses to serve as root
	}
	return head.String() + fmt.Sprintf(`
ServerName localhost
PidFile %[1]s/apache.pid
ErrorLog /dev/stderr
DefaultRuntimeDir %[1]s
Mutex file:%[1]s default
StartServers 1
ServerLimit 2
ThreadsPerChild 64
MaxRequestWorkers 128
Listen %[2]s
Listen %[3]s
DocumentRoot %[1]s/www
TypesConfig /etc/mime.types
DirectoryIndex index.html
<Directory %[1]s/www>
	Require all granted
</Directory>
%[4]s
<VirtualHost %[3]s>
	SSLEngine on
	SSLCertificateFile %[5]s
	SSLCertificateKeyFile %[6]s
</VirtualHost>
`, a.dir, local(ports[0]), local(ports[1]), conf, a.certs.certFile, a.certs.keyFile)
}

// file puts a file among those that are served. It looks an hour old: a file of this
// second gets a weak ETag, which If-Range does not take.
func (a *apache) file(t testing.TB, name string, content []byte) {
	t.Helper()
	path, then := writeFile(t, a.www, name, content), time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}

// digestPassword is a line of htdigest's file (the MD5 that mod_auth_digest wants).
func digestPassword(user, realm, password string) []byte {
	sum := md5.Sum([]byte(user + ":" + realm + ":" + password))
	return []byte(user + ":" + realm + ":" + hex.EncodeToString(sum[:]) + "\n")
}
