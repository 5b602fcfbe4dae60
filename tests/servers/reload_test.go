package servers

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// nginx reloaded 20 times under 50 callers: its old workers close their idle
// connections just as requests arrive on them.
func TestNginxReloadUnderLoad(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			o := newOrigin(t)
			n := startNginx(t, nginxConf{
				// The origin counts what troupe sends: nginx must repeat nothing itself.
				http: "proxy_next_upstream off; upstream o { server " + o.addr + "; keepalive 50; }",
				server: `add_header X-Generation G0; location / {
					proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; }`})
			s := newSession(t, api.Config{TLS: n.certs.trust()})
			tr := &traffic{o: o, url: n.URL}
			if scheme == "https" {
				tr.url = n.Secure
			}
			const reloads = 20
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				defer cancel()
				for i := range reloads {
					pause(t.Context(), 100*time.Millisecond)
					n.reload(t, i+1)
				}
				pause(t.Context(), 100*time.Millisecond)
			}()
			tr.drive(ctx, s, 50)
			tr.judge(t, reloads)
		})
	}
}

// reload makes nginx begin a new generation of workers, and waits until one of
// them answers. Called beside the test's goroutine, so it only reports.
func (n *nginx) reload(t *testing.T, generation int) {
	conf, err := os.ReadFile(n.conf)
	if err != nil {
		t.Error(err)
		return
	}
	before := fmt.Sprintf("X-Generation G%d;", generation-1)
	after := fmt.Sprintf("X-Generation G%d;", generation)
	if err := os.WriteFile(n.conf, []byte(strings.Replace(string(conf), before, after, 1)), 0o644); err != nil {
		t.Error(err)
		return
	}
	if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Error(err)
		return
	}
	late := time.Now().Add(patience)
	for time.Now().Before(late) {
		resp, err := api.Head(t.Context(), n.URL+"/")
		if err == nil && resp.Header("X-Generation") == fmt.Sprintf("G%d", generation) {
			return
		}
		pause(t.Context(), 5*time.Millisecond)
	}
	t.Errorf("nginx did not reload to generation %d", generation)
}
