package servers

import (
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// installed is the path of a server's program. Where there is none the test is
// skipped, or fails where skipping would hide that nothing was tested.
func installed(t testing.TB, program, pkg string) string {
	t.Helper()
	for _, name := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, program, pkg)
	return ""
}

// installedFile is installed for what a package brings beside programs.
func installedFile(t testing.TB, path, pkg string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		missing(t, path, pkg)
	}
	return path
}

func missing(t testing.TB, what, pkg string) {
	t.Helper()
	const how = "%s is not installed: apt-get install --no-install-recommends %s"
	if os.Getenv("CI") != "" || os.Getenv("TROUPE_SERVERS") == "required" {
		t.Fatalf(how, what, pkg)
	}
	t.Skipf(how, what, pkg)
}

// workDir is a folder of the test's own that servers which drop root can read.
func workDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// writeFile puts a file into dir and gives its path.
func writeFile(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// freePorts are n ports of 127.0.0.1 that nobody listens on. They lie below the
// range that the kernel gives to outgoing connections and to port 0, so that none
// of those takes one before the server has it.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	const from, to = 12_000, 32_000
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		port := from + rand.IntN(to-from)
		l, err := net.Listen("tcp", local(port))
		if err != nil {
			if tries > 1000 {
				t.Fatalf("no free port: %v", err)
			}
			continue
		}
		defer l.Close() // when all are found, so that they differ
		ports = append(ports, port)
	}
	return ports
}

// local is a port of 127.0.0.1 as host:port.
func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// process is a server that runs.
type process struct {
	cmd     *exec.Cmd
	name    string
	output  string // a file
	exited  chan struct{}
	exit    error // once exited is closed
	stopped bool
}

// launch starts a server on n ports, and waits until it accepts connections on all
// of them. Where it does not come up, another program may have been quicker on a
// port: it is started anew on others. It ends with the test, before the test's
// folders are removed.
func launch(t testing.TB, n int, command func(ports []int) *exec.Cmd) *process {
	t.Helper()
	var p *process
	for range 3 {
		ports := freePorts(t, n)
		p = begin(t, command(ports))
		if p.accepts(ports) {
			return p
		}
		p.stop(t)
	}
	t.Fatalf("%s does not come up: %v\n%s", p.name, p.exit, p.said())
	return nil
}

// begin starts a program whose output goes to a file.
func begin(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	output := filepath.Join(t.TempDir(), "output")
	f, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	// A test process that is killed must not leave servers behind. SIGTERM, since
	// nginx's and apache's masters pass that on to their workers.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, name: filepath.Base(cmd.Path), output: output, exited: make(chan struct{})}
	go func() {
		p.exit = cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.said())
		}
	})
	return p
}

// accepts waits until there is a listener on every port; false where the program
// ended, or time did.
func (p *process) accepts(ports []int) bool {
	late := time.Now().Add(patience)
	for _, port := range ports {
		for {
			c, err := net.DialTimeout("tcp", local(port), time.Second)
			if err == nil {
				c.Close()
				break
			}
			select {
			case <-p.exited:
				return false
			case <-time.After(5 * time.Millisecond):
			}
			if time.Now().After(late) {
				return false
			}
		}
	}
	return true
}

// signal sends sig.
func (p *process) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}

// stop ends the server and waits for its end.
func (p *process) stop(t testing.TB) {
	t.Helper()
	if p.stopped {
		return
	}
	p.stopped = true
	p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		p.kill()
	}
}

// kill ends the server at once, as a crash would.
func (p *process) kill() {
	p.stopped = true
	p.cmd.Process.Kill() // an error means that it has ended
	<-p.exited
}

// said is the end of what the server has printed.
func (p *process) said() string {
	out, err := os.ReadFile(p.output)
	if err != nil {
		return err.Error()
	}
	return string(out[max(0, len(out)-4000):])
}

// hostPort takes an address apart.
func hostPort(t testing.TB, addr string) (host string, port int) {
	t.Helper()
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	if port, err = strconv.Atoi(p); err != nil {
		t.Fatal(err)
	}
	return host, port
}
