package conn

import "strings"

// This file knows which names are those of secrets: of header fields, of parameters in a
// query or a form, of members in JSON, of elements in XML.

// Masked stands where a secret was.
const Masked = "***"

// SecretField tells whether a header field carries what must not be shown: credentials,
// cookies, keys, tokens and signatures. Beside the names that SecretName knows these are
// all that end in -Authorization, -Token, -Key or -Secret. Challenges (WWW-Authenticate,
// Proxy-Authenticate) are none: whoever asks gets one.
func SecretField(name string) bool {
	name = strings.TrimSpace(name)
	lower := strings.ToLower(name)
	for _, end := range [...]string{"-authorization", "-token", "-key", "-secret"} {
		if strings.HasSuffix(lower, end) {
			return true
		}
	}
	return !strings.HasPrefix(lower, "access-control-") && SecretName(name)
}

// SecretName tells whether a parameter or member of that name carries a secret. It looks
// at the words of the name, however they are joined: api_key, apiKey, X-Api-Key, APIKEY,
// user[key]. So monkey, keyboard and encoded are none.
func SecretName(name string) bool {
	var room [12]string
	words := appendWords(room[:0], name)
	if len(words) == 0 || describes(words) {
		return false
	}
	for i, w := range words {
		switch {
		case secretWord(w), secretPart(w):
			return true
		case w == "session" || w == "sess": // by itself, or what it is known by
			if len(words) == 1 || i+1 < len(words) && (words[i+1] == "id" || words[i+1] == "cookie" || words[i+1] == "hash") {
				return true
			}
		case w == "sign": // as some APIs call a signature
			if len(words) == 1 {
				return true
			}
		case isSecretCode(words, w), isSecretKey(words, w), isSecretTokens(words, w):
			return true
		}
	}
	return false
}

// appendWords splits a name where the kind of its letters changes, and puts the words into
// lower case: "X-APIKey2" is x, api, key, 2.
func appendWords(words []string, name string) []string {
	start := 0
	end := func(i int) {
		if i > start {
			words = append(words, strings.ToLower(name[start:i]))
		}
		start = i
	}
	for i := range len(name) {
		kind := letterKind(name[i])
		switch {
		case kind == letterNone:
			end(i)
			start = i + 1
		case i == start:
		case kind != letterKind(name[i-1]) && !(kind == letterLower && letterKind(name[i-1]) == letterUpper):
			end(i)
		case kind == letterUpper && i+1 < len(name) && letterKind(name[i+1]) == letterLower && !pluralAt(name, i+1): // APIKey
			end(i)
		}
	}
	end(len(name))
	return words
}

// pluralAt tells of the s behind an abbreviation, as in JWTs.
func pluralAt(name string, i int) bool {
	return name[i] == 's' && (i+1 == len(name) || letterKind(name[i+1]) != letterLower)
}

const (
	letterNone = iota
	letterLower
	letterUpper
	letterDigit
)

func letterKind(c byte) int {
	switch {
	case 'a' <= c && c <= 'z':
		return letterLower
	case 'A' <= c && c <= 'Z':
		return letterUpper
	case '0' <= c && c <= '9':
		return letterDigit
	}
	return letterNone
}

// describes tells whether a name of several words is about a secret and does not hold it:
// token_type, password_length, tokenExpiresIn.
func describes(words []string) bool {
	if len(words) < 2 {
		return false
	}
	switch words[len(words)-1] {
	case "type", "types", "kind", "count", "length", "size", "limit", "algorithm", "alg", "method", "methods",
		"endpoint", "policy", "required", "enabled", "format", "usage":
		return true
	}
	last := words[len(words)-1]
	switch last {
	case "in", "at", "on", "after", "date", "time", "seconds":
		last = words[len(words)-2]
	}
	return last != words[0] && strings.HasPrefix(last, "expir")
}

func secretWord(w string) bool {
	switch w {
	case "auth", "oauth", "authn", "authz", "authorization", "authentication", "bearer",
		"pass", "pwd", "pw", "psw", "pswd", "pword", "otp", "totp", "hotp", "mfa", "pin", "cvv", "cvc",
		"cred", "creds", "sid", "sig", "sigs", "hmac", "saml", "assertion", "cookie", "cookies":
		return true
	}
	return false
}

// secretPart knows the secrets that are told also where the name runs on without a mark
// between its words: accesstoken, userpassword, PHPSESSID.
func secretPart(w string) bool {
	for _, part := range [...]string{"token", "secret", "passw", "passphrase", "passcode", "passkey", "credential", "signature",
		"sessid", "sessionid", "jwt", "csrf", "xsrf", "samlre"} {
		if strings.Contains(w, part) {
			return !strings.HasPrefix(w, "tokeni") && !strings.HasPrefix(w, "secreta") && w != "tokens" // tokenizer, secretary
		}
	}
	for _, end := range [...]string{"auth", "pwd", "otp", "sig"} {
		if strings.HasSuffix(w, end) {
			return true
		}
	}
	if strings.HasSuffix(w, "pass") {
		switch w {
		case "bypass", "compass", "encompass", "overpass", "surpass", "trespass", "underpass":
			return false
		}
		return true
	}
	return false
}

// isSecretCode knows a code that lets somebody in from one that names something.
func isSecretCode(words []string, w string) bool {
	rest, is := strings.CutSuffix(strings.TrimSuffix(w, "s"), "code")
	if !is || rest != "" && namedByCode(rest) {
		return false
	}
	for _, other := range words {
		if namedByCode(other) {
			return false
		}
	}
	return true
}

// namedByCode are words beside "code" that make it the name of something, or part of
// another word.
func namedByCode(w string) bool {
	switch w {
	case "status", "error", "err", "errors", "http", "grpc", "rpc", "exit", "return", "ret", "response", "result", "reason",
		"fault", "failure", "warning", "message", "msg", "event", "sub", "native",
		"country", "region", "state", "city", "area", "zip", "post", "postal", "plus", "geo", "airport", "station", "iata", "icao",
		"lang", "language", "locale", "currency", "iso", "alpha", "char", "uni", "time",
		"product", "item", "category", "class", "department", "dept", "branch", "sort", "swift", "tax", "hs", "stock",
		"color", "colour", "source", "block", "bar", "qr", "byte", "op", "en", "de", "trans", "re", "pseudo", "vs", "key":
		return true
	}
	return false
}

// isSecretKey knows a key that opens something from one that orders it.
func isSecretKey(words []string, w string) bool {
	w = strings.TrimSuffix(w, "s")
	if !strings.HasSuffix(w, "key") {
		return false
	}
	switch w {
	case "monkey", "donkey", "turkey", "whiskey", "hockey", "jockey", "turnkey", "hotkey", "lackey", "malarkey", "mickey", "flunkey":
		return false
	}
	for _, other := range words {
		switch other {
		case "public", "primary", "foreign", "sort", "partition", "index", "unique", "cache":
			return false
		}
	}
	return true
}

// isSecretTokens knows tokens that let somebody in from those that are counted.
func isSecretTokens(words []string, w string) bool {
	if w != "tokens" {
		return false
	}
	for _, other := range words {
		switch other {
		case "max", "min", "total", "prompt", "completion", "input", "output", "cached", "reasoning", "num", "used", "remaining":
			return false
		}
	}
	return true
}
