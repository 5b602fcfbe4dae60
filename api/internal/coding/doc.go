// Package coding undoes the content codings of RFC 9110 §8.4.1: gzip, deflate, br and zstd, alone
// or up to three on top of each other, whole or as a stream.
//
// What a few hostile bytes can cost is bounded: the memory by what comes out and a window, the
// time by the end of the call. It knows no answer and no header but the value that it reads, and
// it does not encode.
//
// Decoders may be used from any number of goroutines; each Reader is for one. No goroutines are
// started.
package coding
