package digest

import (
	"strings"
	"testing"
)

// The nonce that an answer gives is used for the next request, and for another try at the same
// one, with a count from 1. The key of a -sess stays that of the challenge (RFC 7616 §3.4.2).
func TestDigestNextNonce_7616_3_5(t *testing.T) {
	u := User{"u", "p"}
	for _, algorithm := range []string{"", "MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256-sess"} {
		for _, qop := range []string{"", "auth"} {
			s := &verifier{algorithm: algorithm, qop: qop, realm: "r", nonce: "first", opaque: true}
			var d Nonces
			var try Try
			if again, err := d.Challenged("o", u, &try, []string{s.challenge()}); !again {
				t.Fatal(err)
			}
			verify := func(try *Try, count string) {
				t.Helper()
				value, _ := d.Authorization("o", u, try, "GET", "/")
				if fault, nc := s.verify(value, "GET", "/", u.Name, u.Password); fault != "" || qop != "" && nc != count {
					t.Errorf("%s %s: nc %s, want %s; %s", algorithm, qop, nc, count, fault)
				}
			}
			verify(&try, "00000001")
			verify(new(Try), "00000002")
			s.keyNonce, s.nonce = "first", `se"cond\`
			d.Informed("o", u, &try, []string{`qop=auth, rspauth="0", nextnonce="se\"cond\\", cnonce="x", nc=00000001`})
			verify(&try, "00000001")
			verify(new(Try), "00000002")
			d.Informed("o", u, &try, []string{`nextnonce="se\"cond\\"`}) // the same: the count goes on
			verify(&try, "00000003")
			s.nonce = "third"
			d.Informed("o", u, &try, []string{"qop=auth", "NextNonce=third"})
			verify(new(Try), "00000001")
		}
	}
}

// What names no nonce that could be used changes nothing, nor does an answer to a request that
// had none.
func TestDigestNextNonceIgnored(t *testing.T) {
	u := User{"u", "p"}
	for _, info := range []string{
		"", "qop=auth", `nextnonce=""`, "nextnonce=", "nextnonce", `nextnonce="open`, "nextnonce=\"a\x01b\"", `x="nextnonce=b"`, `xnextnonce="b"`,
		`nextnonce="` + strings.Repeat("n", maxChallengeSize+1) + `"`,
	} {
		var d Nonces
		var try Try
		if again, err := d.Challenged("o", u, &try, []string{`Digest realm="r", nonce="n", qop=auth`}); !again {
			t.Fatal(err)
		}
		d.Informed("o", u, &try, []string{info})
		if value, _ := d.Authorization("o", u, new(Try), "GET", "/"); !strings.Contains(value, ` nonce="n", nc=00000001,`) {
			t.Errorf("%.40q: sends %s", info, value)
		}
	}
	var d Nonces
	d.Informed("o", u, new(Try), []string{`nextnonce="b"`})
	if value, ok := d.Authorization("o", u, new(Try), "GET", "/"); ok {
		t.Errorf("without a challenge: sends %s", value)
	}
}
