package servers

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

// haproxy refuses in the handshake: under TLS 1.2 that fails the dial, under 1.3
// the client learns of it only as it reads (RFC 8446 §4.4.2.4).
func TestHaproxyClientCertificateRefusedInTheHandshake(t *testing.T) {
	for _, v := range tlsVersions {
		t.Run(v.name, func(t *testing.T) {
			o := newOrigin(t)
			h := startHaproxy(t, haproxyConf{
				bind:     fmt.Sprintf("ssl crt tls/both.pem verify required ca-file tls/ca.pem force-tlsv1%c", v.name[len(v.name)-1]),
				backends: []string{o.addr}})
			s := newSession(t, api.Config{Breaker: noBreaker})
			must(t, 200)(s.Get(soon(t), h.Secure+"/", api.TLS(h.certs.identify())))
			for _, method := range []string{"GET", "POST"} {
				_, err := s.Request(soon(t), method, h.Secure+"/", api.TLS(h.certs.trust()))
				if err == nil {
					t.Fatal("answered without a certificate")
				}
				t.Logf("%s: %v", method, err)
				if v.version == tls.VersionTLS12 {
					if e, ok := asError[*api.HTTPConnectionError](err); !ok || e.Op != api.OpTLS || e.Sent != api.SentNothing {
						t.Errorf("%s: not a failed handshake: %v", method, err)
					}
				} else if _, ok := asError[*api.IOError](err); !ok {
					t.Errorf("%s: not an IOError: %v", method, err)
				}
				if !strings.Contains(err.Error(), "certificate required") && !strings.Contains(err.Error(), "handshake failure") {
					t.Errorf("%s: does not say why: %v", method, err)
				}
			}
			if got := o.asked("POST /"); got != 0 {
				t.Errorf("the origin saw %d POSTs", got)
			}
		})
	}
}
