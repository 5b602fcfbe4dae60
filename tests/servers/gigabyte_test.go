package servers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

const gigabyte = 1 << 30

// room is how much memory a transfer of any size may take.
const room = 32 << 20

// gigabyteSites are what a gigabyte goes to and comes from, each in a process of its
// own: an origin, and nginx that passes uploads on to it and has a file to hand out.
func gigabyteSites(t *testing.T) (origin string, n *nginx) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector's own memory says nothing about troupe's")
	}
	origin = newOriginProcess(t)
	n = startNginx(t, nginxConf{
		http:   "client_max_body_size 0; sendfile on;",
		server: "location /sink { proxy_pass " + origin + `; proxy_http_version 1.1; proxy_request_buffering off; }`})
	sparse(t, filepath.Join(n.www, "big"))
	return origin, n
}

// sparse makes a file of a gigabyte that takes no room on the disk.
func sparse(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(gigabyte); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestGigabyteUp(t *testing.T) {
	origin, n := gigabyteSites(t)
	path := sparse(t, filepath.Join(t.TempDir(), "upload"))
	s := newSession(t, api.Config{TLS: n.certs.trust()})
	file := func(t *testing.T) api.Option {
		f, err := api.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return api.Body(f)
	}
	reader := func(*testing.T) api.Option { return api.Body(io.LimitReader(zeros{}, gigabyte)) }
	for _, c := range []struct {
		name, base string
		give       func(*testing.T) api.Option
	}{
		{"file to the origin", origin, file},
		{"file to nginx", n.URL, file},
		{"file to nginx over TLS", n.Secure, file},
		{"reader to the origin", origin, reader},
	} {
		t.Run(c.name, func(t *testing.T) {
			give := c.give(t)
			measured(t, func(ctx context.Context) {
				resp := must(t, 200)(s.Put(ctx, c.base+"/sink", give))
				if resp.Text() != strconv.Itoa(gigabyte) {
					t.Errorf("the origin took %s bytes", resp.Text())
				}
			})
		})
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestGigabyteDown(t *testing.T) {
	origin, n := gigabyteSites(t)
	s := newSession(t, api.Config{TLS: n.certs.trust()})
	big := fmt.Sprintf("/source?n=%d", gigabyte)
	for name, url := range map[string]string{
		"from nginx's disk": n.URL + "/big", "from nginx's disk over TLS": n.Secure + "/big",
		"from the origin": origin + big, "from the origin in chunks": origin + big + "&chunked=1",
	} {
		t.Run(name, func(t *testing.T) {
			var got int64
			measured(t, func(ctx context.Context) {
				must(t, 200)(s.Get(ctx, url, api.Stream(func(p []byte) error {
					got += int64(len(p))
					return nil
				}, 64<<10)))
			})
			if got != gigabyte {
				t.Errorf("%d bytes came", got)
			}
		})
	}
}

// measured runs a transfer and holds its memory to room above what the process took
// before: the heap and what the runtime has from the system, sampled, and the peak of
// resident memory as the kernel counts it.
func measured(t *testing.T, transfer func(context.Context)) {
	t.Helper()
	debug.FreeOSMemory()
	// 5 resets the peak (VmHWM), see proc(5).
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Logf("VmHWM keeps the peak of earlier tests: %v", err)
	}
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	residentBefore := status(t, "VmRSS")

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var heap, sys uint64
	sampling, sampled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sampled)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			heap, sys = max(heap, m.HeapInuse), max(sys, m.Sys)
			select {
			case <-sampling:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	began := time.Now()
	transfer(ctx)
	took := time.Since(began)
	close(sampling)
	<-sampled

	peak := map[string]int64{
		"heap":     int64(heap) - int64(before.HeapInuse),
		"sys":      int64(sys) - int64(before.Sys),
		"resident": status(t, "VmHWM") - residentBefore,
	}
	t.Logf("1 GiB in %v (%.0f MB/s); above idle: heap %.1f MB, sys %.1f MB, resident %.1f MB",
		took.Round(time.Millisecond), gigabyte/1e6/took.Seconds(), mb(peak["heap"]), mb(peak["sys"]), mb(peak["resident"]))
	for what, n := range peak {
		if n > room {
			t.Errorf("%s grew by %.1f MB", what, mb(n))
		}
	}
}

func mb(n int64) float64 { return float64(n) / (1 << 20) }

// status is a line of /proc/self/status, in bytes.
func status(t testing.TB, name string) int64 {
	t.Helper()
	all, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(all) {
		if value, ok := strings.CutPrefix(string(line), name+":"); ok {
			kb, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("no %s", name)
	return 0
}
