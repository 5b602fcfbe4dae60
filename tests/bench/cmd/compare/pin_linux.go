package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// An affinity is a thread's, and threads inherit it from the one that starts them. So
// a process that is to stay on one core sets it on one thread and replaces itself by
// itself there, before the runtime has any other.
const (
	coresVar  = "TROUPE_COMPARE_CORES"  // "client,origin", chosen once
	countVar  = "TROUPE_COMPARE_NUMCPU" // of the machine: a pinned process sees one core
	pinnedVar = "TROUPE_COMPARE_PINNED" // the core this process was started anew on
)

// pinClient keeps this process on one core and chooses another one for the origin. It
// tells what it did. The first time it does not return.
func pinClient() string {
	client, origin, err := cores()
	if err == nil {
		err = pin(client)
	}
	if err != nil {
		return "nothing is pinned: " + err.Error()
	}
	return fmt.Sprintf("clients on core %s, origin on core %s", client, origin)
}

// pinOrigin keeps the origin on its core, if one was chosen.
func pinOrigin() {
	_, core, ok := strings.Cut(os.Getenv(coresVar), ",")
	if !ok {
		return
	}
	if err := pin(core); err != nil {
		fmt.Fprintln(os.Stderr, "the origin is not pinned:", err)
	}
}

// cores are the first two that this process may run on.
func cores() (client, origin string, err error) {
	if client, origin, ok := strings.Cut(os.Getenv(coresVar), ","); ok {
		return client, origin, nil
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return "", "", err
	}
	if set.Count() < 2 {
		return "", "", fmt.Errorf("it takes two cores, here is %d", set.Count())
	}
	var found []string
	for core := 0; len(found) < 2; core++ {
		if set.IsSet(core) {
			found = append(found, strconv.Itoa(core))
		}
	}
	err = errors.Join(os.Setenv(coresVar, strings.Join(found, ",")), os.Setenv(countVar, strconv.Itoa(set.Count())))
	return found[0], found[1], err
}

// numCPU is how many cores there were before the pin.
func numCPU() int {
	if n, err := strconv.Atoi(os.Getenv(countVar)); err == nil {
		return n
	}
	return runtime.NumCPU()
}

// pin starts this process anew on one core, with the same arguments, and returns nil
// once it is there.
func pin(core string) error {
	if os.Getenv(pinnedVar) == core {
		return nil
	}
	n, err := strconv.Atoi(core)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var set unix.CPUSet
	set.Set(n)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return err
	}
	if err := os.Setenv(pinnedVar, core); err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, os.Environ())
}
