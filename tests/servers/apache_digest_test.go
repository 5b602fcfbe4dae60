package servers

import (
	"fmt"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

// mod_auth_digest checks the nonce, its count and the URI, and hands out a new nonce
// when one gets stale.
func TestApacheDigest(t *testing.T) {
	a := startApache(t, `<Location /private>
		AuthType Digest
		AuthName "tests"
		AuthDigestDomain /private
		AuthDigestNonceLifetime 1
		AuthUserFile passwords
		Require user alice
	</Location>`)
	writeFile(t, a.dir, "passwords", digestPassword("alice", "tests", "s3cret"))
	a.file(t, "private/page.txt", text)
	s := newSession(t, api.Config{TLS: a.certs.trust(), MaxConnsPerOrigin: 8})
	for _, base := range []string{a.URL, a.Secure} {
		url := base + "/private/page.txt"
		must(t, 401)(s.Get(soon(t), url))
		must(t, 401)(s.Get(soon(t), url, api.DigestAuth("alice", "wrong")))
		must(t, 401)(s.Get(soon(t), url, api.DigestAuth("mallory", "s3cret")))
		wantBody(t, must(t, 200)(s.Get(soon(t), url, api.DigestAuth("alice", "s3cret"), api.Params{"q": "a b"})), text)
		if err := callers(8, func(i int) error {
			for k := range 20 { // longer than a nonce lives
				resp, err := s.Get(soon(t), url, api.DigestAuth("alice", "s3cret"))
				if err := want(200, resp, err); err != nil {
					return fmt.Errorf("call %d: %w", k, err)
				}
				pause(t.Context(), 70e6)
			}
			return nil
		}); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}
