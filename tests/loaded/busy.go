package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// busyVariable, set to a duration, makes this program a busy process: it computes until
// that time is over or its standard input ends, whatever comes first. The input is a
// pipe from the program that started it, so it ends also when that one is killed.
const busyVariable = "TROUPE_LOADED_BUSY"

// busyIfAsked is a busy process's whole life; false in any other process.
func busyIfAsked() bool {
	limit, err := time.ParseDuration(os.Getenv(busyVariable))
	if err != nil {
		return false
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for end := time.Now().Add(limit); time.Now().Before(end); {
	}
	return true
}

// busyProcess is one that runs.
type busyProcess struct {
	cmd   *exec.Cmd
	input io.Closer
}

// startBusy starts n busy processes, or none if one of them can't be started.
func startBusy(n int, limit time.Duration) ([]busyProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program to start it as a busy process: %w", err)
	}
	var all []busyProcess
	for range n {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), busyVariable+"="+limit.String())
		setGroup(cmd) // an interrupt of the terminal is for this program, which ends them
		input, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start a busy process: %w", err), stopBusy(all))
		}
		all = append(all, busyProcess{cmd, input})
	}
	return all, nil
}

// stopBusy ends them and waits for their end.
func stopBusy(all []busyProcess) error {
	var errs []error
	for _, p := range all {
		_ = p.input.Close()
	}
	for _, p := range all {
		if err := p.cmd.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("a busy process did not end by itself: %w", err))
		}
	}
	return errors.Join(errs...)
}
