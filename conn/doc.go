// Package conn is one socket and the HTTP/1.1 bytes on it.
//
// A Conn is a socket, perhaps with TLS over it, a read buffer that is borrowed
// only while an answer is due, and the codec's state. It writes requests, reads
// heads and bodies, tells whether it may be used again, and looks at an idle
// socket for what must not be there. Failures say in which phase they came and
// how much of the request was out (Error).
//
// It leaves out who uses a connection and when: that is package actors.
//
// A server may answer before it has the whole request (RFC 9112 §9.3, §9.5), and
// while a body is being written nobody reads. So a request whose writing takes
// longer than a few milliseconds gets a goroutine of the Conn's that reads beside
// the writer (early.go). It lasts until the request is out, also between two
// pieces of a body, ends with what it was looking for, and never outlives the call
// of ReadHead, AwaitContinue, AnswerBegun, Park or Close that comes next.
//
// The sockets of package net are used as such. A connection of any other type has its
// Read, Write and Close called beside, whatever they do, and its deadlines are kept here
// (foreign.go). It must allow a Read beside a Write, as every net.Conn must.
//
// It also knows what must not be shown to people: names of secrets (secrets.go), and how
// heads, bodies and URLs are masked (mask_*.go), as a whole or as they go by (dump.go).
//
// Concurrency: a Conn belongs to one goroutine at a time, the one that runs its
// connection actor, or, while it is pipelined, to one that writes and one that reads
// (pipeline.go). Only Interrupt, Suspect, Spoiled and RemoteAddr may be called from
// anywhere at any time.
package conn
