package api

import (
	"slices"
	"strings"

	"github.com/seed53b03582/troupe/conn"
)

// Curl is the request that this Response answers as a line for curl and a POSIX shell,
// to be tried by hand. Secrets are masked: credentials, cookies, and what stands under a
// name like password or token in the query or the body. A body of more than 2 KiB, and
// one from a file or reader, is @BODY in it. First asked for after Release, it is empty.
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

// curl makes the line of a request as it was written: its head, and its body behind
// that or apart.
func curl(url, request string, body []byte) string {
	head, joined, _ := strings.Cut(request, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	method, _, _ := strings.Cut(lines[0], " ")
	b := &strings.Builder{}
	b.WriteString("curl --http1.1 --globoff --path-as-is")
	hasBody := false
	var headers []string
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		switch lower := strings.ToLower(name); {
		case lower == "content-length":
			hasBody = value != "0"
		case lower == "transfer-encoding":
			hasBody = true
			headers = append(headers, line)
		case lower == "host" && value == hostOf(url): // curl makes it of the URL
		case line == "Accept-Encoding: "+acceptEncoding:
			b.WriteString(" --compressed")
		default:
			headers = append(headers, name+": "+maskHeader(lower, value))
		}
	}
	switch {
	case method == "HEAD":
		b.WriteString(" --head")
	case method != "GET" || hasBody:
		b.WriteString(" --request " + quote(method))
	}
	b.WriteString(" " + quote(conn.MaskText(url)))
	for _, h := range headers {
		b.WriteString(" --header " + quote(withoutValue(h)))
	}
	if hasBody {
		if !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(strings.ToLower(h), "content-type:") }) {
			b.WriteString(" --header 'Content-Type:'") // curl would say it is a form
		}
		b.WriteString(curlBody(joined + string(body)))
	}
	return b.String()
}

// hostOf is what Host says for a URL.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// withoutValue writes a header without a value as curl wants it: "Name:" would take it
// away.
func withoutValue(h string) string {
	if name, ok := strings.CutSuffix(h, ": "); ok {
		return name + ";"
	}
	return h
}

func curlBody(body string) string {
	if body == "" || len(body) > 2<<10 || strings.ContainsFunc(body, func(c rune) bool { return c == 0 || c == '\uFFFD' }) {
		return " --data-binary @BODY"
	}
	return " --data-raw " + quote(conn.MaskText(body))
}

// quote makes s one word for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// maskHeader keeps of a header what is no secret: the scheme of credentials, the names
// of cookies.
func maskHeader(lower, value string) string {
	switch {
	case lower == "authorization", lower == "proxy-authorization":
		scheme, _, _ := strings.Cut(value, " ")
		return scheme + " " + conn.Masked
	case lower == "cookie":
		parts := strings.Split(value, "; ")
		for i, p := range parts {
			name, _, _ := strings.Cut(p, "=")
			parts[i] = name + "=" + conn.Masked
		}
		return strings.Join(parts, "; ")
	case conn.SecretField(lower):
		return conn.Masked
	}
	return value
}
