package api

import (
	"slices"
	"strings"

	"github.com/seed53b03582/troupe/api/internal/coding"
	"github.com/seed53b03582/troupe/conn"
)

// Curl is the request that this Response answers as a line for curl and a POSIX shell,
// to be tried by hand. Secrets are masked: credentials, cookies, user info of URLs, and
// what stands under a name like password, apiKey or X-Amz-Signature in a header, the
// query, a form, a multipart field or JSON, whatever its type. A body of more than 2 KiB,
// one with a Content-Encoding, and one from a file or reader, is @BODY in it. First asked
// for after Release, it is empty.
func (r *Response) Curl() string {
	a := r.answer.Load()
	if a == nil {
		return ""
	}
	return curl(r.shown(), string(a.Request()), nil)
}

// Curl is the request that a call would send first, as Response.Curl gives it. Nothing
// is sent, read or closed. What is wrong with the call is an *InputError.
func (s *Session) Curl(method, url string, opts ...Option) (string, error) {
	r := s.takeRequest()
	defer r.release()
	r.call.Method = method
	if err := r.prepare(url, opts); err != nil {
		return "", err
	}
	if err := r.encode(); err != nil {
		return "", err
	}
	return curl(r.to.String(), string(r.call.Head), r.Bytes), nil
}

// Curl is Session.Curl for the one-shot functions.
func Curl(method, url string, opts ...Option) (string, error) {
	s, err := defaultSession()
	if err != nil {
		return "", err
	}
	return s.Curl(method, url, opts...)
}

// curlHead is what a line for curl says of a request's head.
type curlHead struct {
	headers     []string // as arguments of --header
	compressed  bool
	hasBody     bool
	contentType string
	coding      string
}

// readCurlHead takes the lines of a head as the session has written it, but for the first.
func readCurlHead(url string, lines []string) (h curlHead) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch lower := strings.ToLower(name); {
		case lower == "content-length":
			h.hasBody = value != "0"
			continue
		case lower == "host" && value == hostOf(url): // curl makes it of the URL
			continue
		case line == "Accept-Encoding: "+coding.Accept:
			h.compressed = true
			continue
		case lower == "transfer-encoding":
			h.hasBody = true
		case lower == "content-type":
			h.contentType = value
		case lower == "content-encoding":
			h.coding = value
		}
		if value = maskHeader(name, value); value == "" {
			h.headers = append(h.headers, name+";") // "Name:" would take it away
		} else {
			h.headers = append(h.headers, name+": "+value)
		}
	}
	return h
}

// curl makes the line of a request as it was written: its head, and its body behind
// that or apart. Of the URL secrets are masked already.
func curl(url, request string, body []byte) string {
	head, joined, _ := strings.Cut(request, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	method, _, _ := strings.Cut(lines[0], " ")
	h := readCurlHead(url, lines[1:])
	b := &strings.Builder{}
	b.WriteString("curl --http1.1 --globoff --path-as-is")
	if h.compressed {
		b.WriteString(" --compressed")
	}
	switch {
	case method == "HEAD":
		b.WriteString(" --head")
	case method != "GET" || h.hasBody:
		b.WriteString(" --request " + quote(method))
	}
	b.WriteString(" " + quote(url))
	for _, header := range h.headers {
		b.WriteString(" --header " + quote(header))
	}
	if h.hasBody {
		if !slices.ContainsFunc(h.headers, func(s string) bool { return strings.HasPrefix(strings.ToLower(s), "content-type") }) {
			b.WriteString(" --header 'Content-Type:'") // curl would say it is a form
		}
		b.WriteString(h.body(joined + string(body)))
	}
	return b.String()
}

// hostOf is what Host says for a URL.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

func (h *curlHead) body(body string) string {
	if body == "" || len(body) > 2<<10 || h.coding != "" || strings.ContainsFunc(body, func(c rune) bool { return c == 0 || c == '\uFFFD' }) {
		return " --data-binary @BODY"
	}
	return " --data-raw " + quote(conn.MaskBody([]byte(body), h.contentType, h.coding))
}

// quote makes s one word for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// maskHeader keeps of a header what is no secret: the scheme of credentials where it is one
// of those in use, and the names of cookies.
func maskHeader(name, value string) string {
	switch lower := strings.ToLower(name); {
	case lower == "authorization", lower == "proxy-authorization":
		if fields := strings.Fields(value); len(fields) > 1 && isAuthScheme(fields[0]) {
			return fields[0] + " " + conn.Masked
		}
		return conn.Masked
	case lower == "cookie":
		return maskCookies(value)
	}
	return conn.MaskField(name, value)
}

// isAuthScheme knows the schemes that IANA lists, and a few of vendors: what begins a value
// of any other form may be the secret itself.
func isAuthScheme(s string) bool {
	switch strings.ToLower(s) {
	case "basic", "bearer", "concealed", "digest", "dpop", "gnap", "hoba", "mutual", "negotiate", "ntlm", "oauth", "privatetoken",
		"scram-sha-1", "scram-sha-256", "vapid", "aws4-hmac-sha256", "token", "apikey", "sharedkey", "sharedkeylite":
		return true
	}
	return false
}

// maskCookies keeps the names of cookies where the whole is as RFC 6265 §4.2.1 wants it.
// Else what looks like a name may be part of a value.
func maskCookies(value string) string {
	parts := strings.Split(value, ";")
	for i, part := range parts {
		name, rest, found := strings.Cut(strings.TrimSpace(part), "=")
		if !found || strings.Trim(rest, "=") == "" || strings.ContainsAny(rest, "\" \t,\\") || !isCookieName(name) {
			return conn.Masked
		}
		parts[i] = name + "=" + conn.Masked
	}
	return strings.Join(parts, "; ")
}

// isCookieName tells of a name that somebody may have given: a long one is likely random,
// and so the secret.
func isCookieName(s string) bool {
	return s != "" && len(s) < 32 && !strings.ContainsFunc(s, func(c rune) bool {
		return (c|0x20 < 'a' || 'z' < c|0x20) && (c < '0' || '9' < c) && c != '-' && c != '_' && c != '.'
	})
}
