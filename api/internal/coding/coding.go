package coding

import "bytes"

// Accept asks for what can be decoded, where the caller asks for nothing.
const Accept = "gzip, deflate, br, zstd"

// maxCodings bounds the codings of one body. One is the rule, two come of a
// gateway that compresses what its origin had compressed, three leave room. Each
// further one would only multiply what a few hostile bytes cost.
const maxCodings = 3

// Coding is a content coding of RFC 9110 §8.4.1 that can be decoded.
type Coding uint8

// The codings of the registry that servers use.
const (
	Gzip Coding = iota
	Deflate
	Brotli
	Zstd
	numCodings
)

// String is the name in Accept-Encoding and Content-Encoding.
func (c Coding) String() string { return [...]string{"gzip", "deflate", "br", "zstd"}[c] }

// List are the codings of one body, in the order in which they were applied: one to three.
type List []Coding

// Parse reads the values of all Content-Encoding fields, in their order. It
// reports false where there is nothing to decode, and where the body is to be
// handed over as it is: with a coding that is unknown (RFC 9110 §8.4 wants that),
// or with more than three.
func Parse(values ...[]byte) (c List, ok bool) {
	for _, value := range values {
		for name := range bytes.SplitSeq(value, []byte(",")) {
			name = bytes.Trim(name, " \t")
			if len(name) == 0 || bytes.EqualFold(name, []byte("identity")) {
				continue
			}
			one, known := parseOne(name)
			if !known || len(c) == maxCodings {
				return nil, false
			}
			c = append(c, one)
		}
	}
	return c, len(c) > 0
}

func parseOne(name []byte) (c Coding, known bool) {
	for c := range numCodings {
		if bytes.EqualFold(name, []byte(c.String())) {
			return c, true
		}
	}
	return Gzip, bytes.EqualFold(name, []byte("x-gzip")) // RFC 9110 §8.4.1.3
}
