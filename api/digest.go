package api

import (
	"container/list"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

const (
	// maxDigestNonces is how many nonces a session keeps. Each spares its users a
	// 401 a request, so a gateway needs one for every origin and user of that hour;
	// the one not used for longest is dropped, which costs one more 401.
	maxDigestNonces = 1024
	// maxDigestChallenge is how long realm, nonce and opaque may be together, in
	// bytes. Known servers stay under 600; with it the nonces take at most 4 MiB.
	maxDigestChallenge = 4 << 10
	// maxDigestTries is how often a request is sent once more: for the first nonce,
	// and for another where that was stale on arrival, as a server with many
	// instances may find it.
	maxDigestTries = 2
)

// digestHash is a hash function of RFC 7616 §6.1.
type digestHash struct {
	name string
	new  func() hash.Hash
}

// digestHashes are those that can be done, the best first. SHA-512-256 is no
// stronger than SHA-256 here and goes behind it: since RFC 7616 §3.9.2 itself
// shows a SHA-512 cut short (erratum 4897), servers disagree on what it is.
var digestHashes = [...]digestHash{
	{"SHA-256", sha256.New},
	{"SHA-512-256", sha512.New512_256},
	{"MD5", md5.New},
}

// digestUser is who a call authenticates as.
type digestUser struct{ user, password string }

// check refuses what can't be sent. Any bytes else may be in a password, which is
// hashed as it is given: no normalization (RFC 7616 §4).
func (u digestUser) check() error {
	if hasControl(u.user) || hasControl(u.password) {
		return &InputError{Field: "DigestAuth", Reason: "user or password has a control character", Fix: "take it out"}
	}
	if !utf8.ValidString(u.user) {
		return &InputError{Field: "DigestAuth", Reason: "the user is not valid UTF-8 (RFC 7616 §4)", Fix: "convert it"}
	}
	return nil
}

// hasControl looks for the control characters of ASCII, HTAB among them: it may
// stand in a header, but nobody means it.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// digests are the nonces that servers gave to a session (RFC 7616), the last one
// of each origin and user. The zero value is ready. It may be used from any
// number of goroutines; nothing is hashed under its lock. It holds no passwords.
//
// A nonce is used for the whole origin: the parameter domain, which may say less
// or more, is ignored, as is a second realm, which costs a 401 at each change.
// Of Authentication-Info the nextnonce is used (§3.5). Its rspauth is not checked: who
// stands between would leave it out, so that it proves nothing; TLS does.
type digests struct {
	cnonce func() string // nil: random; tests fix it

	mu     sync.Mutex
	known  map[digestSpace]*list.Element // of *digestEntry
	recent list.List                     // the entry used last in front
}

type digestSpace struct{ origin, user string }

type digestEntry struct {
	space digestSpace
	nonce *digestNonce
}

// digestTry is what one request went through. A call keeps it for all attempts at
// that request, and takes a new one when it follows a redirect.
type digestTry struct {
	nonce *digestNonce // of the last Authorization
	again int          // how often the request was to be sent once more
}

// authorization gives the value of Authorization for one attempt, each with its
// own nonce count: with the nonce that this request was given by a 401, or else
// one that was known before. There is none where ok is false: then the request is
// sent without. The target must be exactly that of the request line.
func (d *digests) authorization(origin string, u digestUser, try *digestTry, method, target string) (value string, ok bool) {
	space := digestSpace{origin, u.user}
	n := try.nonce
	if n == nil {
		if n = d.find(space); n == nil {
			return "", false
		}
	}
	count := n.count.Add(1)
	if count > math.MaxUint32 { // nc has eight digits
		d.forget(space, n)
		try.nonce = nil
		return "", false
	}
	try.nonce = n
	return n.authorization(u, uint32(count), method, target), true
}

// challenged takes the WWW-Authenticate values of a 401. Where again is true the
// request is to be sent once more, with what authorization gives now. Else err
// says why not, and the 401 is the answer to the request.
//
// The first 401 always gets an answer: a nonce known from earlier may have
// expired, and not all servers call that stale. The next says that user or
// password are wrong, unless it is stale=true (RFC 7616 §3.3).
func (d *digests) challenged(origin string, u digestUser, try *digestTry, values []string) (again bool, err error) {
	space := digestSpace{origin, u.user}
	n, err := bestDigest(parseChallenges(values))
	switch {
	case err != nil:
	case try.again > 0 && !n.stale:
		err = errors.New("troupe: DigestAuth: the server refused user or password")
	case try.again == maxDigestTries:
		err = fmt.Errorf("troupe: DigestAuth: the server called %d new nonces stale", maxDigestTries)
	}
	if err != nil {
		d.forget(space, try.nonce) // or each further call would begin with a failed login
		return false, err
	}
	n.cnonce = d.newCnonce()
	d.remember(space, n)
	try.nonce = n
	try.again++
	return true, nil
}

// informed takes the Authentication-Info values of an answer that was not a 401. A nextnonce
// takes the place of the nonce, for the requests to come and for another try at this one
// (RFC 7616 §3.5). Of several answers the last counts: there are servers that know only the
// nonce that they gave last.
func (d *digests) informed(origin string, u digestUser, try *digestTry, values []string) {
	nonce, _ := parseAuthParams(values).param("nextnonce")
	n := try.nonce
	if n == nil || nonce == "" || nonce == n.nonce || len(nonce) > maxDigestChallenge || hasControl(nonce) {
		return
	}
	try.nonce = n.followedBy(strings.Clone(nonce))
	d.remember(digestSpace{origin, u.user}, try.nonce)
}

func (d *digests) newCnonce() string {
	if d.cnonce != nil {
		return d.cnonce()
	}
	return rand.Text() // 128 bits at least
}

func (d *digests) find(space digestSpace) *digestNonce {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.known[space]
	if e == nil {
		return nil
	}
	d.recent.MoveToFront(e)
	return e.Value.(*digestEntry).nonce
}

func (d *digests) remember(space digestSpace, n *digestNonce) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.known[space]; e != nil {
		e.Value.(*digestEntry).nonce = n
		d.recent.MoveToFront(e)
		return
	}
	if len(d.known) == maxDigestNonces {
		d.remove(d.recent.Back())
	}
	if d.known == nil {
		d.known = make(map[digestSpace]*list.Element)
	}
	space = digestSpace{strings.Clone(space.origin), strings.Clone(space.user)} // not a whole URL for years
	d.known[space] = d.recent.PushFront(&digestEntry{space, n})
}

// forget drops a nonce, unless another call has got a newer one.
func (d *digests) forget(space digestSpace, n *digestNonce) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.known[space]; e != nil && e.Value.(*digestEntry).nonce == n {
		d.remove(e)
	}
}

func (d *digests) remove(e *list.Element) {
	delete(d.known, e.Value.(*digestEntry).space)
	d.recent.Remove(e)
}

// digestNonce is a nonce with all that the server asked for beside it. Only the
// count changes once it is shared.
type digestNonce struct {
	realm, nonce string
	opaque       *string // nil where there was none
	algorithm    string  // as the server wrote it; empty where it did not
	hash         func() hash.Hash
	rank         int    // in digestHashes
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
func (n *digestNonce) followedBy(nonce string) *digestNonce {
	return &digestNonce{
		realm: n.realm, nonce: nonce, opaque: n.opaque,
		algorithm: n.algorithm, hash: n.hash, rank: n.rank, session: n.session,
		qop: n.qop, userhash: n.userhash, modern: n.modern,
		cnonce: n.cnonce, keyNonce: n.keyNonce,
	}
}

// bestDigest takes the challenge with the strongest hash, not the server's first
// (RFC 7616 §3.7 leaves that to the client), for others may come from an older
// configuration. Of equals, also with and without -sess, the first is taken.
func bestDigest(challenges []challenge) (*digestNonce, error) {
	var best *digestNonce
	var fault error
	for i := range challenges {
		if !strings.EqualFold(challenges[i].scheme, "Digest") {
			continue
		}
		n, err := readDigest(&challenges[i])
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

// readDigest reads a challenge's parameters (RFC 7616 §3.3). It keeps copies:
// they outlive the answer.
func readDigest(c *challenge) (*digestNonce, error) {
	realm, hasRealm := c.param("realm")
	nonce, _ := c.param("nonce")
	opaque, hasOpaque := c.param("opaque")
	switch {
	case !hasRealm:
		return nil, errors.New("it has no realm")
	case nonce == "":
		return nil, errors.New("it has no nonce")
	case len(realm)+len(nonce)+len(opaque) > maxDigestChallenge:
		return nil, fmt.Errorf("realm, nonce and opaque are longer than %d bytes", maxDigestChallenge)
	case hasControl(realm) || hasControl(nonce) || hasControl(opaque):
		return nil, errors.New("it has a control character")
	}
	n := &digestNonce{realm: strings.Clone(realm), nonce: strings.Clone(nonce)}
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
		if n.qop = containsToken(qop, "auth"); !n.qop {
			return nil, fmt.Errorf("of qop only auth is supported, not %.40q", qop)
		}
	}
	is := func(name, value string) bool {
		v, _ := c.param(name)
		return strings.EqualFold(v, value)
	}
	n.stale = is("stale", "true")
	n.userhash = is("userhash", "true")
	n.modern = digestHashes[n.rank].name != "MD5" || is("charset", "UTF-8")
	return n, nil
}

// readAlgorithm looks up the hash; none named is MD5 (RFC 7616 §3.3).
func (n *digestNonce) readAlgorithm(c *challenge) bool {
	algorithm, given := c.param("algorithm")
	name := "MD5"
	if given {
		n.algorithm = strings.Clone(algorithm)
		name = strings.ToUpper(algorithm)
	}
	name, n.session = strings.CutSuffix(name, "-SESS")
	for i, h := range digestHashes {
		if h.name == name {
			n.rank, n.hash = i, h.new
			return true
		}
	}
	return false
}

// authorization is the answer of RFC 7616 §3.4. What is quoted there and what is
// not is as it says, for there are servers that mind.
func (n *digestNonce) authorization(u digestUser, count uint32, method, target string) string {
	nc := fmt.Sprintf("%08x", count)
	secret := n.sum(u.user, n.realm, u.password) // §3.4.2
	if n.session {
		secret = n.sum(secret, n.keyNonce, n.cnonce)
	}
	request := n.sum(method, target) // §3.4.3
	var response string
	if n.qop {
		response = n.sum(secret, n.nonce, nc, n.cnonce, "auth", request)
	} else {
		response = n.sum(secret, n.nonce, request) // RFC 2617 §3.2.2.1
	}

	b := n.appendUser(append(make([]byte, 0, 512), "Digest "...), u.user)
	b = appendQuotedParam(b, ", realm=", n.realm)
	b = appendQuotedParam(b, ", uri=", target)
	if n.algorithm != "" {
		b = append(append(b, ", algorithm="...), n.algorithm...)
	}
	b = appendQuotedParam(b, ", nonce=", n.nonce)
	if n.qop {
		b = append(append(b, ", nc="...), nc...)
	}
	if n.qop || n.session { // without it nobody could make the key of a -sess
		b = appendQuotedParam(b, ", cnonce=", n.cnonce)
	}
	if n.qop {
		b = append(b, ", qop=auth"...)
	}
	b = appendQuotedParam(b, ", response=", response)
	if n.opaque != nil {
		b = appendQuotedParam(b, ", opaque=", *n.opaque)
	}
	if n.userhash {
		b = append(b, ", userhash=true"...)
	}
	return string(b)
}

// appendUser names the user: hashed where the server wants that (RFC 7616 §3.4.4),
// or as it is. Names beyond ASCII go as username* (§3.4), but to servers that only
// know RFC 2617 as bare UTF-8, as curl and browsers do.
func (n *digestNonce) appendUser(dst []byte, user string) []byte {
	beyond := strings.ContainsFunc(user, func(r rune) bool { return r >= utf8.RuneSelf })
	switch {
	case n.userhash:
		return appendQuotedParam(dst, "username=", n.sum(user, n.realm))
	case beyond && n.modern:
		return appendExtended(append(dst, "username*=UTF-8''"...), user)
	}
	return appendQuotedParam(dst, "username=", user)
}

// sum hashes the parts with colons between them, and writes that as hex.
func (n *digestNonce) sum(parts ...string) string {
	h := n.hash()
	for i, part := range parts {
		if i > 0 {
			io.WriteString(h, ":")
		}
		io.WriteString(h, part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// appendQuotedParam appends a name and a quoted string (RFC 9110 §5.6.4).
func appendQuotedParam(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), '"')
	for i := range len(value) {
		if value[i] == '"' || value[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, value[i])
	}
	return append(dst, '"')
}

// appendExtended percent-encodes a value as RFC 8187 §3.2.1 has it.
func appendExtended(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', strings.IndexByte("!#$&+-.^_`|~", c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}
