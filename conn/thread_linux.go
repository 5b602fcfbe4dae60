package conn

import "syscall"

// thread names the thread that runs the caller.
func thread() int { return syscall.Gettid() }

// A Read that is watched has this many pauses, some 0.4 ms together, to give what it
// has. That is seldom needed, since mostly the thread tells.
const settleTurns = 8

// pause leaves the core to another thread: the one that runs the Read may wait for it. The
// runtime's own ways to wait would not do: a goroutine that gives way to none keeps the core,
// and in a test's bubble a timer moves the clock.
func pause() {
	wait := syscall.NsecToTimespec(1000)
	_ = syscall.Nanosleep(&wait, nil)
}
