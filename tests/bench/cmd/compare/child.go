package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/seed53b03582/troupe/tests/bench"
)

// This binary is started a second time as the origin, told by its environment.
const (
	roleVar    = "TROUPE_COMPARE_ROLE"
	roleOrigin = "origin"
)

// origin is the other process. Its standard input is a pipe from here: however this
// process ends, killed included, the pipe breaks and the origin ends.
type origin struct {
	addr string
	cmd  *exec.Cmd
	pipe io.Closer
	kill func() // safe to call twice
}

func startOrigin() (*origin, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVar+"="+roleOrigin)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	o := &origin{cmd: cmd, pipe: in, kill: sync.OnceFunc(func() { cmd.Process.Kill() })}

	overdue := time.AfterFunc(patience, o.kill)
	defer overdue.Stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		o.kill()
		cmd.Wait()
		return nil, fmt.Errorf("the origin does not tell its address: %w", err)
	}
	o.addr = strings.TrimSpace(line)
	return o, nil
}

// stop ends the process and waits for it.
func (o *origin) stop() error {
	overdue := time.AfterFunc(patience, o.kill)
	defer overdue.Stop()
	o.pipe.Close()
	if err := o.cmd.Wait(); err != nil {
		return fmt.Errorf("the origin: %w", err)
	}
	return nil
}

// serveOrigin is what the other process does: it tells its address and serves until
// its standard input ends.
func serveOrigin() error {
	signal.Ignore(os.Interrupt) // a Ctrl-C reaches both processes; the parent decides
	pinOrigin()
	o, err := bench.StartOrigin()
	if err != nil {
		return err
	}
	fmt.Println(o.Addr())
	io.Copy(io.Discard, os.Stdin)
	return o.Close()
}
