package api

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
)

// PinKeys returns a copy of settings (nil: a fresh one) for Config.TLS or the TLS
// option that accepts a server only if its certificate chain holds one of the
// given public keys. The pins are as curl writes them, "sha256//BASE64", or
// "sha256/BASE64": the SHA-256 of a certificate's SubjectPublicKeyInfo, as PublicKeyPin
// gives it. Give two or more, so that the server can change its key.
//
// They are checked in addition to the verification and to a VerifyConnection in
// settings, at resumed sessions too. A chain counts where it was verified; with
// InsecureSkipVerify only the server's own certificate does.
//
// A pin of another form, or none at all, is an *InputError. A server without such
// a key is an *HTTPConnectionError of OpTLS with a *PinError in it.
//
// The settings are part of what makes an origin: keep the result and reuse it.
func PinKeys(settings *tls.Config, pins ...string) (*tls.Config, error) {
	if len(pins) == 0 {
		return nil, &InputError{Field: "PinKeys", Reason: "no pin is given, which no server could meet", Fix: "give at least one, as PublicKeyPin returns it"}
	}
	wanted := make(map[[sha256.Size]byte]bool, len(pins))
	for i, pin := range pins {
		key, ok := parsePin(pin)
		if !ok {
			return nil, &InputError{Field: "PinKeys", Reason: fmt.Sprintf("pin %d, %.80q, is not sha256// and the BASE64 of 32 bytes", i+1, pin),
				Fix: "give each pin as an argument of its own, as PublicKeyPin returns it"}
		}
		wanted[key] = true
	}
	if settings == nil {
		settings = &tls.Config{}
	}
	cfg := settings.Clone()
	also := cfg.VerifyConnection
	// Not VerifyPeerCertificate: that is left out when a session is resumed.
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		if also != nil {
			if err := also(state); err != nil {
				return err
			}
		}
		return checkPins(wanted, state)
	}
	return cfg, nil
}

// parsePin takes both forms. A slash may also be the first letter of the BASE64: only
// where there is one letter too many is it curl's.
func parsePin(pin string) (key [sha256.Size]byte, ok bool) {
	encoded, ok := strings.CutPrefix(pin, "sha256/")
	if !ok {
		return key, false
	}
	if len(encoded) > base64.StdEncoding.EncodedLen(sha256.Size) {
		encoded = strings.TrimPrefix(encoded, "/")
	}
	// Strict refuses stray bits at the end, but skips line ends.
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != sha256.Size || strings.ContainsAny(encoded, "\r\n") {
		return key, false
	}
	return [sha256.Size]byte(raw), true
}

// checkPins looks for a pinned key where the chain vouches for it. What the server
// sends beside a chain that verifies, or at all where nothing is verified, anyone
// can send: only for its own certificate does the handshake prove the key.
func checkPins(wanted map[[sha256.Size]byte]bool, state tls.ConnectionState) error {
	chains := state.VerifiedChains
	if len(chains) == 0 && len(state.PeerCertificates) > 0 {
		chains = [][]*x509.Certificate{state.PeerCertificates[:1]}
	}
	e := &PinError{}
	for _, chain := range chains {
		for _, cert := range chain {
			if wanted[sha256.Sum256(cert.RawSubjectPublicKeyInfo)] {
				return nil
			}
			e.Came = append(e.Came, PublicKeyPin(cert))
		}
	}
	return e
}

// PublicKeyPin is the pin of a certificate's public key in curl's form:
// "sha256//" and the BASE64 of the SHA-256 of its SubjectPublicKeyInfo (RFC 7469
// §2.4). It is empty for a nil cert.
func PublicKeyPin(cert *x509.Certificate) string {
	if cert == nil {
		return ""
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "sha256//" + base64.StdEncoding.EncodeToString(sum[:])
}

// PinError tells that no key of the server's chain is pinned (see PinKeys).
type PinError struct {
	Came []string // the pins of the chain that came, the server's own first
}

// Error gives the pins that came.
func (e *PinError) Error() string {
	const most = 8
	came := e.Came
	more := ""
	if len(came) > most {
		more = fmt.Sprintf(" and %d more", len(came)-most)
		came = came[:most]
	}
	return "no key of the server's chain is pinned; it has " + strings.Join(came, ", ") + more +
		": if the server changed its key, pin one of these; if not, this is not the server you mean"
}
