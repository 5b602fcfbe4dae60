package digest

import (
	"container/list"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
)

const (
	// maxNonces is how many nonces a session keeps. Each spares its users a
	// 401 a request, so a gateway needs one for every origin and user of that hour;
	// the one not used for longest is dropped, which costs one more 401.
	maxNonces = 1024
	// maxTries is how often a request is sent once more: for the first nonce,
	// and for another where that was stale on arrival, as a server with many
	// instances may find it.
	maxTries = 2
)

// Nonces are the nonces that servers gave to a session (RFC 7616), the last one
// of each origin and user. The zero value is ready. It may be used from any
// number of goroutines; nothing is hashed under its lock. It holds no passwords.
//
// A nonce is used for the whole origin: the parameter domain, which may say less
// or more, is ignored, as is a second realm, which costs a 401 at each change.
// Of Authentication-Info the nextnonce is used (§3.5). Its rspauth is not checked: who
// stands between would leave it out, so that it proves nothing; TLS does.
type Nonces struct {
	cnonce func() string // nil: random; tests fix it

	mu     sync.Mutex
	known  map[key]*list.Element // of *entry
	recent list.List             // the entry used last in front
}

type key struct{ origin, user string }

type entry struct {
	space key
	nonce *serverNonce
}

// Try is what one request went through. A call keeps it for all attempts at
// that request, and takes a new one when it follows a redirect.
type Try struct {
	nonce *serverNonce // of the last Authorization
	again int          // how often the request was to be sent once more
}

// Answering tells whether the request has been sent with a nonce.
func (t *Try) Answering() bool { return t.nonce != nil }

// Authorization gives the value of Authorization for one attempt, each with its
// own nonce count: with the nonce that this request was given by a 401, or else
// one that was known before. There is none where ok is false: then the request is
// sent without. The target must be exactly that of the request line.
func (d *Nonces) Authorization(origin string, u User, try *Try, method, target string) (value string, ok bool) {
	space := key{origin, u.Name}
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

// Challenged takes the WWW-Authenticate values of a 401. Where again is true the
// request is to be sent once more, with what authorization gives now. Else err
// says why not, and the 401 is the answer to the request.
//
// The first 401 always gets an answer: a nonce known from earlier may have
// expired, and not all servers call that stale. The next says that user or
// password are wrong, unless it is stale=true (RFC 7616 §3.3).
func (d *Nonces) Challenged(origin string, u User, try *Try, values []string) (again bool, err error) {
	space := key{origin, u.Name}
	n, err := strongest(parseChallenges(values))
	switch {
	case err != nil:
	case try.again > 0 && !n.stale:
		err = errors.New("troupe: DigestAuth: the server refused user or password")
	case try.again == maxTries:
		err = fmt.Errorf("troupe: DigestAuth: the server called %d new nonces stale", maxTries)
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

// Informed takes the Authentication-Info values of an answer that was not a 401. A nextnonce
// takes the place of the nonce, for the requests to come and for another try at this one
// (RFC 7616 §3.5). Of several answers the last counts: there are servers that know only the
// nonce that they gave last.
func (d *Nonces) Informed(origin string, u User, try *Try, values []string) {
	nonce, _ := parseAuthParams(values).param("nextnonce")
	n := try.nonce
	if n == nil || nonce == "" || nonce == n.nonce || len(nonce) > maxChallengeSize || hasControl(nonce) {
		return
	}
	try.nonce = n.followedBy(strings.Clone(nonce))
	d.remember(key{origin, u.Name}, try.nonce)
}

func (d *Nonces) newCnonce() string {
	if d.cnonce != nil {
		return d.cnonce()
	}
	return rand.Text() // 128 bits at least
}

func (d *Nonces) find(space key) *serverNonce {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.known[space]
	if e == nil {
		return nil
	}
	d.recent.MoveToFront(e)
	return e.Value.(*entry).nonce
}

func (d *Nonces) remember(space key, n *serverNonce) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.known[space]; e != nil {
		e.Value.(*entry).nonce = n
		d.recent.MoveToFront(e)
		return
	}
	if len(d.known) == maxNonces {
		d.remove(d.recent.Back())
	}
	if d.known == nil {
		d.known = make(map[key]*list.Element)
	}
	space = key{strings.Clone(space.origin), strings.Clone(space.user)} // not a whole URL for years
	d.known[space] = d.recent.PushFront(&entry{space, n})
}

// forget drops a nonce, unless another call has got a newer one.
func (d *Nonces) forget(space key, n *serverNonce) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.known[space]; e != nil && e.Value.(*entry).nonce == n {
		d.remove(e)
	}
}

func (d *Nonces) remove(e *list.Element) {
	delete(d.known, e.Value.(*entry).space)
	d.recent.Remove(e)
}
