// Package memory is a network in memory: a Driver whose connections end at listeners of
// the same process, with the faults that a test asks for.
//
// A Network dials (DialContext, so it is a conn.Driver) and listens (Listen gives a
// net.Listener that net/http's server takes). Its connections behave as TCP sockets do:
// they buffer what is written, know deadlines and half-closes, and fail with the errors
// that a program sees of a socket (io.EOF, ECONNRESET, EPIPE, os.ErrDeadlineExceeded).
// A Link says how slow the way to an address is and what befalls the bytes on it.
//
// Everything waits on condition variables and timers, so that a testing/synctest bubble
// around a Network has a clock that stands still until all in it wait. A Network has no
// goroutine of its own; its timers end with the connections they belong to.
//
// What it leaves out: loss and reordering within a connection (TCP hides both), names
// (an address is a string to it), and raw access (SyscallConn): what a program does by
// system calls on sockets it does by reads and writes here.
package memory
