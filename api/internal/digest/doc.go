// Package digest computes the answers to Digest challenges (RFC 7616): it reads what
// WWW-Authenticate and Authentication-Info say, keeps the nonces of a session's servers, and
// writes Authorization.
//
// It sends nothing and decides over no call: who calls it asks whether to try once more. It keeps
// no passwords. Nonces may be used from any number of goroutines, and nothing is hashed under
// their lock; a Try is for one.
package digest
