package digest

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync/atomic"
)

// maxChallengeSize is how long realm, nonce and opaque may be together, in bytes.
// Known servers stay under 600; with it the nonces take at most 4 MiB.
const maxChallengeSize = 4 << 10

// algorithm is a hash function of RFC 7616 §6.1.
type algorithm struct {
	name string
	new  func() hash.Hash
}

// algorithms are those that can be done, the best first. SHA-512-256 is no
// stronger than SHA-256 here and goes behind it: since RFC 7616 §3.9.2 itself
// shows a SHA-512 cut short (erratum 4897), servers disagree on what it is.
var algorithms = [...]algorithm{
	{"SHA-256", sha256.New},
	{"SHA-512-256", sha512.New512_256},
	{"MD5", md5.New},
}

// serverNonce is a nonce with all that the server asked for beside it. Only the
// count changes once it is shared.
type serverNonce struct {
	realm, nonce string
	opaque       *string // nil where there was none
	algorithm    string  // as the server wrote it; empty where it did not
	hash         func() hash.Hash
	rank         int    // in algorithms
	session      bool   // the algorithm is a -sess
	qop          bool   // auth, else none as in RFC 2069
	userhash     bool   // the user's name is not to be seen
	modern       bool   // the server knows RFC 7616, not only 2617
	stale        bool   // only the nonce sent before was wrong
	cnonce       string // one for all requests: that of the first is part of a -sess key (RFC 7616 §3.4.2)
	keyNonce     string // the challenge's own, which is part of that key too, whatever nonces follow

	count atomic.Uint64 // how many requests were given this nonce
}

// followedBy is n with the nonce that the server wants next, of which no request has been
// given a count so far.
func (n *serverNonce) followedBy(nonce string) *serverNonce {
	return &serverNonce{
		realm: n.realm, nonce: nonce, opaque: n.opaque,
		algorithm: n.algorithm, hash: n.hash, rank: n.rank, session: n.session,
		qop: n.qop, userhash: n.userhash, modern: n.modern,
		cnonce: n.cnonce, keyNonce: n.keyNonce,
	}
}

// strongest takes the challenge with the strongest hash, not the server's first
// (RFC 7616 §3.7 leaves that to the client), for others may come from an older
// configuration. Of equals, also with and without -sess, the first is taken.
func strongest(challenges []challenge) (*serverNonce, error) {
	var best *serverNonce
	var fault error
	for i := range challenges {
		if !strings.EqualFold(challenges[i].scheme, "Digest") {
			continue
		}
		n, err := readChallenge(&challenges[i])
		switch {
		case err != nil && fault == nil:
			fault = fmt.Errorf("troupe: DigestAuth: the server's challenge can't be answered: %w", err)
		case err == nil && (best == nil || n.rank < best.rank):
			best = n
		}
	}
	switch {
	case best != nil:
		return best, nil
	case fault != nil:
		return nil, fault
	}
	return nil, errors.New("troupe: DigestAuth: the server does not offer Digest authentication")
}

// readChallenge reads a challenge's parameters (RFC 7616 §3.3). It keeps copies:
// they outlive the answer.
func readChallenge(c *challenge) (*serverNonce, error) {
	realm, hasRealm := c.param("realm")
	nonce, _ := c.param("nonce")
	opaque, hasOpaque := c.param("opaque")
	switch {
	case !hasRealm:
		return nil, errors.New("it has no realm")
	case nonce == "":
		return nil, errors.New("it has no nonce")
	case len(realm)+len(nonce)+len(opaque) > maxChallengeSize:
		return nil, fmt.Errorf("realm, nonce and opaque are longer than %d bytes", maxChallengeSize)
	case hasControl(realm) || hasControl(nonce) || hasControl(opaque):
		return nil, errors.New("it has a control character")
	}
	n := &serverNonce{realm: strings.Clone(realm), nonce: strings.Clone(nonce)}
	n.keyNonce = n.nonce
	if hasOpaque {
		opaque = strings.Clone(opaque)
		n.opaque = &opaque
	}
	if !n.readAlgorithm(c) {
		algorithm, _ := c.param("algorithm")
		return nil, fmt.Errorf("its algorithm %.40q is not supported", algorithm)
	}
	if qop, _ := c.param("qop"); strings.Trim(qop, ", \t") != "" {
		if n.qop = listed(qop, "auth"); !n.qop {
			return nil, fmt.Errorf("of qop only auth is supported, not %.40q", qop)
		}
	}
	is := func(name, value string) bool {
		v, _ := c.param(name)
		return strings.EqualFold(v, value)
	}
	n.stale = is("stale", "true")
	n.userhash = is("userhash", "true")
	n.modern = algorithms[n.rank].name != "MD5" || is("charset", "UTF-8")
	return n, nil
}

// readAlgorithm looks up the hash; none named is MD5 (RFC 7616 §3.3).
func (n *serverNonce) readAlgorithm(c *challenge) bool {
	algorithm, given := c.param("algorithm")
	name := "MD5"
	if given {
		n.algorithm = strings.Clone(algorithm)
		name = strings.ToUpper(algorithm)
	}
	name, n.session = strings.CutSuffix(name, "-SESS")
	for i, h := range algorithms {
		if h.name == name {
			n.rank, n.hash = i, h.new
			return true
		}
	}
	return false
}

// listed looks for a token in a comma-separated list, whatever its case
// (RFC 9110 §5.6.1).
func listed(list, token string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.Trim(part, " \t"), token) {
			return true
		}
	}
	return false
}
