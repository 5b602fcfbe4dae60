package servers

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// lighttpd is a server with a plain and a TLS port; /origin goes to an origin.
type lighttpd struct {
	*process
	URL, Secure string
	certs       *certs
	www         string
}

func startLighttpd(t testing.TB, origin *origin, conf string) *lighttpd {
	t.Helper()
	program := installed(t, "lighttpd", "lighttpd")
	installedFile(t, "/usr/lib/lighttpd/mod_openssl.so", "lighttpd-mod-openssl")
	l := &lighttpd{}
	dir := workDir(t)
	l.certs = newCerts(t, dir)
	l.www = filepath.Dir(writeFile(t, dir, "www/index.html", []byte("hello from lighttpd\n")))
	l.process = launch(t, 2, func(ports []int) *exec.Cmd {
		l.URL, l.Secure = "http://"+local(ports[0]), "https://"+local(ports[1])
		_, port := hostPort(t, origin.addr)
		file := writeFile(t, dir, "lighttpd.conf", fmt.Appendf(nil, `
server.modules = ("mod_openssl", "mod_proxy", "mod_indexfile", "mod_staticfile")
server.document-root = "%[1]s/www"
server.upload-dirs = ("%[1]s")
server.bind = "127.0.0.1"
server.port = %[2]d
index-file.names = ("index.html")
mimetype.assign = (".txt" => "text/plain", "" => "application/octet-stream")
$SERVER["socket"] == "%[3]s" {
	ssl.engine = "enable"
	ssl.pemfile = "%[4]s"
}
$HTTP["url"] =~ "^/origin/" {
	proxy.server = ("" => (("host" => "127.0.0.1", "port" => %[5]d)))
	proxy.header = ("map-urlpath" => ("/origin/" => "/"))
}
%[6]s
`, dir, ports[0], local(ports[1]), l.certs.bothFile, port, conf))
		return exec.Command(program, "-D", "-f", file)
	})
	return l
}

func TestLighttpdKeepAlive(t *testing.T) {
	l := startLighttpd(t, newOrigin(t), "server.max-keep-alive-requests = 5\nserver.max-keep-alive-idle = 1\n")
	s := newSession(t, api.Config{TLS: l.certs.trust(), MaxConnsPerOrigin: 16})
	for _, base := range []string{l.URL, l.Secure} {
		if err := callers(16, func(i int) error {
			for range 12 {
				if err := get(t, s, base+"/", i%2 == 0); err != nil {
					return err
				}
			}
			pause(t.Context(), 980*time.Millisecond+time.Duration(i)*60*time.Millisecond)
			return get(t, s, base+"/", false)
		}); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}

func TestLighttpdUploads(t *testing.T) {
	o := newOrigin(t)
	for _, mode := range []string{"0", "1", "2"} { // buffered whole, streamed through a file, streamed
		t.Run("stream-request-body "+mode, func(t *testing.T) {
			l := startLighttpd(t, o, "server.stream-request-body = "+mode+"\n")
			s := newSession(t, api.Config{TLS: l.certs.trust()})
			for _, size := range []int{0, 1, 100_000, 3 << 20} {
				body := pattern(size)
				for kind, give := range map[string]api.Option{
					"length": api.Body(bytes.NewReader(body)),
					"chunks": api.Body(io.MultiReader(bytes.NewReader(body))),
				} {
					base := l.URL
					if kind == "chunks" {
						base = l.Secure
					}
					var got echoed
					resp, err := s.Post(soon(t), base+"/origin/echo", give)
					if err := want(200, resp, err); err != nil {
						t.Errorf("%s %d: %v", kind, size, err)
					} else if err := resp.JSON(&got); err != nil || got.Length != int64(size) || got.Sum != sumOf(body) {
						t.Errorf("%s %d: %+v, %v", kind, size, got, err)
					}
				}
			}
		})
	}
}

func TestLighttpdRanges(t *testing.T) {
	l := startLighttpd(t, newOrigin(t), "")
	whole := pattern(100_000)
	writeFile(t, l.www, "file.bin", whole)
	s := newSession(t, api.Config{TLS: l.certs.trust()})
	for _, base := range []string{l.URL, l.Secure} {
		wantBody(t, must(t, 200)(s.Get(soon(t), base+"/file.bin")), whole)
		resp := must(t, 206)(s.Get(soon(t), base+"/file.bin", api.Headers{"Range": "bytes=500-999"}))
		wantBody(t, resp, whole[500:1000])
		if got := resp.Header("Content-Range"); got != "bytes 500-999/100000" {
			t.Errorf("Content-Range %q", got)
		}
		must(t, 416)(s.Get(soon(t), base+"/file.bin", api.Headers{"Range": "bytes=100000-"}))
	}
}
