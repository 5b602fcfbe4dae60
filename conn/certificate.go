package conn

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/seed53b03582/troupe/conn/http1"
)

// TLSError is a failed TLS handshake: with whom, which certificate came, and why
// it was refused, by either side. errors.As finds what crypto/tls and crypto/x509
// say of it, and the error of a VerifyConnection.
type TLSError struct {
	Host        string            // the name that was to be verified
	Certificate *x509.Certificate // the server's own (the leaf); nil if none came
	Err         error             // the cause
}

// Error gives host, cause, certificate and what may help, on one line.
func (e *TLSError) Error() string {
	s := e.Host + ": " + printable(e.Err.Error(), maxCauseShown)
	if e.Certificate != nil {
		s += "; the server's certificate: " + describe(e.Certificate)
	}
	if fix := e.advice(); fix != "" {
		s += "; " + fix
	}
	return s
}

// Unwrap returns the cause.
func (e *TLSError) Unwrap() error { return e.Err }

// tlsError tells all that is known of the handshake that ended with err.
func tlsError(host string, t *tls.Conn, err error) *TLSError {
	e := &TLSError{Host: host, Err: err}
	var unverified *tls.CertificateVerificationError
	if errors.As(err, &unverified) && len(unverified.UnverifiedCertificates) > 0 {
		e.Certificate = unverified.UnverifiedCertificates[0]
	} else if came := t.ConnectionState().PeerCertificates; len(came) > 0 {
		e.Certificate = came[0]
	}
	return e
}

// advice is what the user can do about it; empty where the cause says all.
func (e *TLSError) advice() string {
	var invalid x509.CertificateInvalidError
	var noTLS tls.RecordHeaderError
	var remote *net.OpError
	switch {
	case errors.As(e.Err, new(x509.HostnameError)):
		return "it is not for this host: correct the host, or set ServerName in the TLS settings to the name meant"
	case errors.As(e.Err, new(x509.UnknownAuthorityError)):
		if c := e.Certificate; c != nil && bytes.Equal(c.RawSubject, c.RawIssuer) {
			return "it names itself as its issuer: if it is to be trusted, put it in RootCAs of the TLS settings"
		}
		return "if its issuer is to be trusted, put the issuer's root in RootCAs of the TLS settings; the server may also leave out an intermediate certificate"
	case errors.As(e.Err, &invalid):
		if invalid.Reason == x509.Expired {
			return "check this machine's clock; if it is right, the server needs a new certificate"
		}
		return ""
	case errors.As(e.Err, &noTLS):
		if string(noTLS.RecordHeader[:]) == "HTTP/" {
			return "the server speaks plain HTTP on this port: use http://, or another port"
		}
		return "the server does not speak TLS on this port, it sent " + http1.Quote(noTLS.RecordHeader[:], SecretField) + ": use http://, or another port"
	case errors.As(e.Err, &remote) && remote.Op == "remote error":
		return alertAdvice(remote.Err)
	case errors.Is(e.Err, io.EOF), errors.Is(e.Err, io.ErrUnexpectedEOF):
		return "the server closed the connection in the middle of the handshake: it may not speak TLS on this port, or not know this host"
	}
	return ""
}

// alerts are those a server ends a handshake with (RFC 8446 §6.2), and what each
// mostly means in practice.
var alerts = [...]struct {
	code tls.AlertError
	fix  string
}{
	{40, "no version or cipher suite in common, or the server asks for a client certificate: see MinVersion and Certificates in the TLS settings"},
	{42, refusesClient},
	{43, refusesClient},
	{44, refusesClient},
	{45, refusesClient},
	{46, refusesClient},
	{48, refusesClient},
	{49, refusesClient},
	{70, "the server speaks none of the TLS versions offered: see MinVersion (1.2 unless set) and MaxVersion in the TLS settings"},
	{80, "the server may have no certificate for this host"},
	{112, "the server does not know this host: correct it, or set ServerName in the TLS settings"},
	{116, "the server asks for a client certificate: put one in Certificates of the TLS settings"},
	{120, "the server does not offer http/1.1 (ALPN)"},
}

const refusesClient = "the server refuses the client certificate, or misses one: see Certificates in the TLS settings"

// alertAdvice knows a server's alert by its text: crypto/tls keeps its type to
// itself, and exports the same numbers with the same texts for QUIC only.
func alertAdvice(alert error) string {
	for _, a := range alerts {
		if alert.Error() == a.code.Error() {
			return a.fix
		}
	}
	return ""
}

// What of a certificate or cause is shown: as the peer wrote it, it may be long.
const (
	maxCauseShown = 500
	maxNameShown  = 150
	maxNames      = 8
)

// describe gives subject, issuer, names and validity.
func describe(c *x509.Certificate) string {
	names := make([]string, 0, len(c.DNSNames)+len(c.IPAddresses))
	names = append(names, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	more := ""
	if len(names) > maxNames {
		more = fmt.Sprintf(" and %d more", len(names)-maxNames)
		names = names[:maxNames]
	}
	for i, name := range names {
		names[i] = printable(name, maxNameShown)
	}
	list := "no names"
	if len(names) > 0 {
		list = strings.Join(names, ", ") + more
	}
	return fmt.Sprintf("subject %s, issuer %s, for %s, valid from %s to %s",
		strconv.Quote(printable(c.Subject.String(), maxNameShown)),
		strconv.Quote(printable(c.Issuer.String(), maxNameShown)), list,
		c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))
}

// printable keeps what the peer wrote on one line and within max bytes: it may
// end up in a log.
func printable(s string, max int) string {
	cut := len(s) > max
	if cut {
		s = s[:max]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(s, "?"))
	if cut {
		s += "…"
	}
	return s
}
