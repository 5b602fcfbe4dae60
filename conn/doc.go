// Package conn is one socket and the HTTP/1.1 bytes on it.
//
// A Conn is a socket, perhaps with TLS over it, a read buffer that is borrowed
// only while an answer is due, and the codec's state. It writes requests, reads
// heads and bodies, tells whether it may be used again, and looks at an idle
// socket for what must not be there. Failures say in which phase they came and
// how much of the request was out (Error).
//
// It leaves out who uses a connection and when: that is package actors. It has
// no goroutines of its own.
//
// Concurrency: a Conn belongs to one goroutine at a time, the one that runs its
// connection actor. Only Interrupt, Suspect, Spoiled and RemoteAddr may be
// called from anywhere at any time.
package conn
