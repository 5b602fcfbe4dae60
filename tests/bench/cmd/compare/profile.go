package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// profiler writes the profiles that were asked for, from the first measured run on.
// With one client and one cell they hold nothing but that client's work.
type profiler struct {
	cpu, mem *os.File // nil: not asked for
	running  bool
}

func newProfiler(s *settings) (p *profiler, err error) {
	p = &profiler{}
	if s.cpuprofile != "" {
		if p.cpu, err = os.Create(s.cpuprofile); err != nil {
			return nil, err
		}
	}
	if s.memprofile != "" {
		if p.mem, err = os.Create(s.memprofile); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// start is called before every measured run.
func (p *profiler) start() error {
	if p.running {
		return nil
	}
	p.running = true
	if p.cpu != nil {
		if err := pprof.StartCPUProfile(p.cpu); err != nil {
			return fmt.Errorf("-cpuprofile: %w", err)
		}
	}
	if p.mem != nil {
		runtime.MemProfileRate = 1
	}
	return nil
}

func (p *profiler) close() error {
	var errs []error
	if p.cpu != nil {
		pprof.StopCPUProfile()
		errs = append(errs, p.cpu.Close())
	}
	if p.mem != nil {
		runtime.GC() // what is not yet freed is not yet in the profile
		errs = append(errs, pprof.Lookup("allocs").WriteTo(p.mem, 0), p.mem.Close())
	}
	return errors.Join(errs...)
}
