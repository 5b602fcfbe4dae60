package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
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
	target bench.Target
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	kill   func() // safe to call twice
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
	o := &origin{cmd: cmd, in: in, out: bufio.NewReader(out), kill: sync.OnceFunc(func() { cmd.Process.Kill() })}

	overdue := time.AfterFunc(patience, o.kill)
	defer overdue.Stop()
	if o.target, err = o.greeting(); err != nil {
		o.kill()
		cmd.Wait()
		return nil, fmt.Errorf("the origin does not tell its address: %w", err)
	}
	return o, nil
}

// greeting reads what serveOrigin prints first.
func (o *origin) greeting() (bench.Target, error) {
	var addr, tlsAddr, encoded string
	if _, err := fmt.Fscanln(o.out, &addr, &tlsAddr, &encoded); err != nil {
		return bench.Target{}, err
	}
	certificate, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return bench.Target{}, err
	}
	return bench.NewTarget(addr, tlsAddr, certificate)
}

// cpu asks the origin what it has used of its core so far.
func (o *origin) cpu() (time.Duration, error) {
	if _, err := io.WriteString(o.in, "cpu\n"); err != nil {
		return 0, fmt.Errorf("the origin: %w", err)
	}
	var used time.Duration
	if _, err := fmt.Fscanln(o.out, &used); err != nil {
		return 0, fmt.Errorf("the origin: %w", err)
	}
	return used, nil
}

// stop ends the process and waits for it.
func (o *origin) stop() error {
	overdue := time.AfterFunc(patience, o.kill)
	defer overdue.Stop()
	o.in.Close()
	if err := o.cmd.Wait(); err != nil {
		return fmt.Errorf("the origin: %w", err)
	}
	return nil
}

// serveOrigin is what the other process does: it tells its addresses and its
// certificate, and serves until its standard input ends. For each line that comes there
// it tells its CPU time in nanoseconds.
func serveOrigin() error {
	signal.Ignore(os.Interrupt) // a Ctrl-C reaches both processes; the parent decides
	pinOrigin()
	o, err := bench.StartOrigin()
	if err != nil {
		return err
	}
	fmt.Println(o.Addr(), o.TLSAddr(), base64.StdEncoding.EncodeToString(o.Certificate()))
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(int64(bench.CPUTime()))
	}
	return o.Close()
}
