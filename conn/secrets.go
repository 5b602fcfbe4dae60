package conn

import (
	"regexp"
	"strings"
)

// This file knows what must not be shown: in a log, or as a line for curl.

// SecretField tells whether a header field, or a parameter, of that name carries what must not be
// logged: credentials, cookies, keys and tokens. Challenges (WWW-Authenticate,
// Proxy-Authenticate) don't: whoever asks gets one.
func SecretField(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "authorization", "proxy-authorization", "cookie", "set-cookie", "cookie2", "set-cookie2",
		"authentication-info", "proxy-authentication-info":
		return true
	}
	for _, part := range secretParts {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// secretParts are how the names of fields begin or end that vendors use for keys:
// X-Api-Key, Private-Token, X-Amz-Security-Token, Ocp-Apim-Subscription-Key.
var secretParts = [...]string{
	"token", "secret", "passw", "credential", "session-id", "sessionid", "auth-",
	"api-key", "apikey", "api_key", "access-key", "session_id", "subscription-key", "signature", "jwt",
}

// Masked stands where a secret was.
const Masked = "***"

// pairs are name=value in a query or a form, members "name": "value" in JSON.
var (
	pairs   = regexp.MustCompile(`([?&]|^)([^=&?#\s]+)=([^&#\s]*)`)
	members = regexp.MustCompile(`"([^"\\]+)"(\s*:\s*)"(?:[^"\\]|\\.)*"?`)
)

// MaskText masks values under the names of secrets in a URL's query, a form or JSON.
// What looks like neither stays: a secret that bears no such name can't be known.
func MaskText(s string) string {
	if strings.Contains(s, "=") {
		s = pairs.ReplaceAllStringFunc(s, func(pair string) string {
			if m := pairs.FindStringSubmatch(pair); SecretField(m[2]) {
				return m[1] + m[2] + "=" + Masked
			}
			return pair
		})
	}
	if strings.Contains(s, `"`) {
		s = members.ReplaceAllStringFunc(s, func(member string) string {
			if m := members.FindStringSubmatch(member); SecretField(m[1]) {
				return `"` + m[1] + `"` + m[2] + `"` + Masked + `"`
			}
			return member
		})
	}
	return s
}
