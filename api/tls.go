package api

import (
	"crypto/tls"
	"sync"
)

// TLS are the certificates, roots and server name for this call; it is ignored
// for http, and nil means the session's. Keep one and reuse it: its identity is
// part of what makes an origin, so calls share connections only when they share it.
//
// Where a redirect leads to another origin (scheme, host or port), the settings go along
// but for what is meant for the first: its client certificate (Certificates and
// GetClientCertificate; see CertificateAcrossOrigins), its sessions and its
// EncryptedClientHelloConfigList; and, where the host is another, its ServerName. So the
// roots, the versions, InsecureSkipVerify, and VerifyConnection with the pins of PinKeys hold there
// too. What stayed behind does not come back on the way back.
func TLS(settings *tls.Config) Option { return tlsOption{settings} }

type tlsOption struct{ settings *tls.Config }

func (o tlsOption) apply(r *request) {
	if o.settings != nil {
		r.given |= optTLS
		r.tls = o.settings
	}
}

// String keeps what fmt would print of the settings to itself: they hold private keys.
func (tlsOption) String() string { return "TLS" }

// CertificateAcrossOrigins shows the client certificate of the option TLS also to other
// origins that redirects lead to, where they ask for one. Without it they get none. It is
// not needed for Config.TLS, which is for every origin of the session.
func CertificateAcrossOrigins() Option { return certificateOption{} }

type certificateOption struct{}

func (certificateOption) apply(r *request) { r.given |= optCertificateAcross }

// crossings keeps what was made of the TLS option's settings for other origins: their
// identity is part of an origin, so the same must come of the same. Any number of
// goroutines may use it.
type crossings struct {
	mu    sync.Mutex
	known map[crossing]*tls.Config
	order []crossing // those known, oldest first
}

// crossing is what becomes of settings: more may be taken out of them later.
type crossing struct {
	settings    *tls.Config
	host        bool // another one
	certificate bool // goes along
}

// maxCrossings bounds the settings known to a session. A program that makes new ones for each
// call loses no more than idle connections.
const maxCrossings = 256

// of returns the settings for another origin.
func (x *crossings) of(c crossing) *tls.Config {
	s := c.settings
	mine := !c.certificate && (len(s.Certificates) > 0 || s.GetClientCertificate != nil) ||
		s.ClientSessionCache != nil || s.EncryptedClientHelloConfigList != nil || c.host && s.ServerName != ""
	if !mine {
		return s
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if made := x.known[c]; made != nil {
		return made
	}
	made := s.Clone()
	if !c.certificate {
		made.Certificates, made.GetClientCertificate = nil, nil
	}
	made.ClientSessionCache, made.EncryptedClientHelloConfigList = nil, nil
	if c.host {
		made.ServerName = ""
	}
	if len(x.order) == maxCrossings {
		delete(x.known, x.order[0])
		x.order = append(x.order[:0], x.order[1:]...)
	}
	if x.known == nil {
		x.known = make(map[crossing]*tls.Config)
	}
	x.known[c] = made
	x.order = append(x.order, c)
	return made
}

// crossTLS takes out of the TLS option's settings what is not meant for another origin, on host.
func (r *request) crossTLS(host string) {
	if r.tls != nil {
		r.more().tls = r.session.crossings.of(crossing{r.tls, r.to.Host != host, r.has(optCertificateAcross)})
	}
}
