package servers

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

// caddy speaks HTTP/1.1 on a plain and a TLS port; over TLS it would rather speak
// HTTP/2, which a client of HTTP/1.1 must not offer.
type caddy struct {
	*process
	URL, Secure string
	certs       *certs
	www         string
}

func startCaddy(t testing.TB, origin *origin) *caddy {
	t.Helper()
	program := installed(t, "caddy", "caddy")
	c := &caddy{}
	dir := workDir(t)
	c.certs = newCerts(t, dir)
	c.www = filepath.Dir(writeFile(t, dir, "www/index.html", []byte("hello from caddy\n")))
	c.process = launch(t, 2, func(ports []int) *exec.Cmd {
		c.URL, c.Secure = "http://"+local(ports[0]), "https://"+local(ports[1])
		site := fmt.Sprintf(`
	root * %s/www
	handle_path /origin/* {
		reverse_proxy %s
	}
	handle {
		encode gzip zstd
		file_server
	}
`, dir, origin.addr)
		file := writeFile(t, dir, "Caddyfile", fmt.Appendf(nil, `
{
	admin off
	auto_https off
	servers {
		protocols h1 h2
	}
}
http://127.0.0.1:%d {
	bind 127.0.0.1
	%s
}
https://127.0.0.1:%d {
	bind 127.0.0.1
	tls %s %s
	%s
}
`, ports[0], site, ports[1], c.certs.certFile, c.certs.keyFile, site))
		cmd := exec.Command(program, "run", "--config", file, "--adapter", "caddyfile")
		cmd.Env = []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}
		return cmd
	})
	return c
}

func TestCaddy(t *testing.T) {
	o := newOrigin(t)
	c := startCaddy(t, o)
	whole := pattern(100_000)
	writeFile(t, c.www, "file.bin", whole)
	s := newSession(t, api.Config{TLS: c.certs.trust()})
	for _, base := range []string{c.URL, c.Secure} {
		if err := callers(10, func(i int) error {
			for range 10 {
				if err := get(t, s, base+"/", i%2 == 0); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Errorf("%s: %v", base, err)
		}
		wantBody(t, must(t, 206)(s.Get(soon(t), base+"/file.bin", api.Headers{"Range": "bytes=5-"})), whole[5:])
		for kind, give := range map[string]api.Option{
			"length": api.Body(bytes.NewReader(whole)),
			"chunks": api.Body(io.MultiReader(bytes.NewReader(whole))),
		} {
			var got echoed
			resp := must(t, 200)(s.Put(soon(t), base+"/origin/echo", give))
			if err := resp.JSON(&got); err != nil || got.Sum != sumOf(whole) || got.Proto != "HTTP/1.1" {
				t.Errorf("%s %s: %+v, %v", base, kind, got, err)
			}
		}
		if got := must(t, 200)(s.Get(soon(t), base+"/origin/source?n=500000&chunked=1")); len(got.Content()) != 500_000 {
			t.Errorf("%d bytes in chunks", len(got.Content()))
		}
		must(t, 304)(s.Get(soon(t), base+"/file.bin", api.Headers{"If-None-Match": must(t, 200)(s.Head(soon(t), base+"/file.bin")).Header("ETag")}))
	}
}
