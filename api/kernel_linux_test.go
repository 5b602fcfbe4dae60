package api

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// kernelVar tells this test's binary that it is the one that strace watches, and where
// the server is.
const kernelVar = "TROUPE_TEST_KERNEL"

// The proof from outside that large bodies between files and sockets don't come through
// this process: strace adds up what each system call moves. It watches a process of its
// own, so that the server's calls are not among them.
func TestKernelMovesBodies(t *testing.T) {
	const size = 8 << 20
	if url := os.Getenv(kernelVar); url != "" {
		moveBodies(t, url, size)
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("it takes strace: apt-get install strace")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", size)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", strconv.Itoa(size))
			io.WriteString(w, body)
		}
	})}
	go server.Serve(l)
	defer server.Close()

	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(strace, "-f", "-qq", "-s", "0", "-o", log, "-e", "trace=sendfile,splice,read,write,readv,writev,recvfrom,sendto,recvmsg,sendmsg",
		os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.count", "1")
	cmd.Env = append(os.Environ(), kernelVar+"=http://"+l.Addr().String())
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "ptrace") {
			t.Skipf("strace may not watch here: %s", out)
		}
		t.Fatalf("%v: %s", err, out)
	}
	moved := bytesMoved(t, log)
	var copied int64
	for call, n := range moved {
		if call != "sendfile" && call != "splice" {
			copied += n
		}
	}
	if moved["sendfile"] != size {
		t.Errorf("sendfile has sent %d bytes of %d", moved["sendfile"], size)
	}
	if moved["splice"] < 2*size*9/10 {
		t.Errorf("splice has moved %d bytes, of %d in and out", moved["splice"], 2*size)
	}
	if copied > size/8 {
		t.Errorf("%d bytes went through memory: %v", copied, moved)
	}
}

// moveBodies sends a file and keeps a body in another.
func moveBodies(t *testing.T, url string, size int64) {
	f := tempFile(t)
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	disk, err := OpenFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	s := newSession(t, Config{})
	if _, err := s.Upload(t.Context(), url, disk); err != nil {
		t.Fatal(err)
	}
	resp, err := s.Get(t.Context(), url, StreamBody())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(tempFile(t), resp.Body()); n != size || err != nil {
		t.Fatal(n, err)
	}
}

var (
	traced     = regexp.MustCompile(`(?m)^\d+ +(\w+)\(.* = (\d+)$`)
	unfinished = regexp.MustCompile(`(?m)^\d+ +<\.\.\. (\w+) resumed>.* = (\d+)$`)
)

// bytesMoved adds up what the calls in strace's log returned.
func bytesMoved(t *testing.T, log string) map[string]int64 {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	moved := map[string]int64{}
	for _, form := range []*regexp.Regexp{traced, unfinished} {
		for _, m := range form.FindAllStringSubmatch(string(text), -1) {
			n, err := strconv.ParseInt(m[2], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			moved[m[1]] += n
		}
	}
	return moved
}
