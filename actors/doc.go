// Package actors decides who gets which connection, and when.
//
// A Scheduler is one dispatcher actor and one actor for each connection. A call
// passes two of them:
//
//	caller ── acquire ──▶ dispatcher        grants a connection, in one step,
//	                                        or queues, or starts a dial, or rejects
//	caller ── roundTrip ─▶ connection       writes and reads, on the caller's goroutine
//	          connection ── connIdle ─▶ dispatcher    (once its mailbox is free)
//
// Actors run on the goroutine of whoever sends to them (mailbox.go), so a message
// costs tens of nanoseconds; callers park only where they really have to wait.
// Calls that may share a connection do no I/O there: they post themselves to its pipeline,
// and goroutines of the scheduler's write and read for all of them (pipeline.go).
//
// The rules of scheduling do no I/O, and time is a parameter of them: they are in pool.go
// (all origins) and origin.go (one origin), and the dispatcher is a shell around them. Only
// gobreaker, which keeps the state of a breaker, looks at the clock by itself.
//
// It leaves out URLs, options and what a response looks like: that is package
// api; and bytes: that is package conn.
//
// Concurrency: every method of Scheduler and Conn may be called from any
// goroutine at any time. A Call belongs to one goroutine.
package actors
