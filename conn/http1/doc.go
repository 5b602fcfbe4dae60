// Package http1 turns bytes into HTTP/1.1 answers and requests into bytes, for a client, without doing
// any I/O: it opens no sockets, starts no goroutines, reads no clock and logs nothing. Whoever owns the
// socket reads into a buffer, hands it to [Head.Parse] and [Body.Next], and is told with [ErrNeedMore]
// when to read more.
//
// What it leaves out: decoding of content codings, interpretation of fields beyond those that frame a
// message, CONNECT tunnels and upgraded protocols (what follows their head is not HTTP), and the
// decision whether a connection is used again, of which it gives the parts ([Head.KeepAlive],
// [Body.Framing], [Body.Done]).
//
// # Ownership and concurrency
//
// A [Head] and a [Body] belong to one goroutine at a time. A Head holds offsets, never bytes: the
// slices its methods return are parts of the buffer they were given and live as long as that. The data
// from [Body.Next] is part of its input; trailers are kept in the Body until the next [Body.Start].
//
// After warming up nothing allocates but an error about a peer's bytes, which quotes them: a Head keeps
// the places of 16 fields in itself and those of more in a slice that Reset keeps, and trailers reuse
// their buffer.
//
// # Two kinds of fault
//
// What the peer sent wrongly is an [*Error], [ErrHeadTooLarge] or [ErrTruncated], and its connection
// can't be used again. What the caller asked for wrongly is a [*FieldError], and nothing was appended.
//
// # Decisions where the RFCs leave a choice
//
//   - A bare LF ends a line of the head (RFC 9112 §2.2 allows a recipient that): small servers and
//     scripts send it, and everyone who reads an answer agrees about it. In chunked framing it never
//     does (§7.1): there, two readers that disagree about a line's end disagree about where the next
//     answer begins.
//   - A CR that is not followed by LF, a NUL or any other control character except HTAB is refused
//     wherever it stands in a head, a trailer or a chunk extension (§2.2; RFC 9110 §5.5).
//   - Empty lines before the status line are refused: §2.2 lets servers skip them before a request,
//     and for a client they are bytes that belong to no answer (§9.2).
//   - obs-fold is replaced by spaces (§5.2), in place.
//   - Transfer-Encoding is taken only if it says chunked, once, alone and in HTTP/1.1, and never beside
//     Content-Length (§6.1, §6.3). §6.3 would let a client read an answer with both; nobody honest
//     sends one.
//   - Content-Length may be repeated, as a list or in lines, if all members are spelled alike (§6.3).
//   - Whitespace behind a chunk size is taken only before ";" (BWS, §7.1.1).
//
// [Limits.Lenient] takes some more, which browsers take and which can't change where a message ends:
// field lines without a valid name are skipped, blanks before a colon and behind a chunk size and
// several before the status are left out, and identity alone is no Transfer-Encoding. lenient.go has
// the list, and what is never taken.
package http1
