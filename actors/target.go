package actors

import (
	"crypto/tls"
	"net"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
)

// target is an origin as the dispatcher knows it: the pool's state of it, and what the
// pool need not know.
type target struct {
	pool.Origin
	key Origin
	tls *tls.Config // what its connections use; nil until the first, and for http
}

// targets are those in use, by their key.
type targets struct {
	pool  *pool.Pool
	keyed map[Origin]*target
	last  *target // hashing its key costs 50 ns
}

// of finds the target of a key, or adds it.
func (x *targets) of(key *Origin) *target {
	if x.last != nil && x.last.key == *key {
		return x.last
	}
	t := x.keyed[*key]
	if t == nil {
		t = &target{key: *key}
		t.Origin.Of = t
		x.pool.Add(&t.Origin, originName(*key))
		x.keyed[t.key] = t
	}
	x.last = t
	return t
}

// forget drops what the pool has dropped.
func (x *targets) forget() {
	for i, o := range x.pool.Dropped {
		delete(x.keyed, targetOf(o).key)
		x.pool.Dropped[i] = nil
	}
	x.pool.Dropped = x.pool.Dropped[:0]
	x.last = nil
}

// settings are what the connections of t use over TLS; nil for http.
func (t *target) settings(usual *tls.Config) *tls.Config {
	if t.tls == nil && t.key.Scheme == "https" {
		base := t.key.TLS
		if base == nil {
			base = usual
		}
		t.tls = conn.TLSConfig(base, t.key.Host)
	}
	return t.tls
}

// What the pool is given and gives back without a look.
func targetOf(o *pool.Origin) *target { return o.Of.(*target) }

func callOf(w *pool.Waiter) *Call { return w.Of.(*Call) }

func connOf(e *pool.Entry) *Conn { return e.Of.(*Conn) }

func originName(key Origin) string {
	name := key.Scheme + "://" + net.JoinHostPort(key.Host, key.Port)
	if key.Proxy != nil {
		name += " through " + key.Proxy.String()
	}
	return name
}
