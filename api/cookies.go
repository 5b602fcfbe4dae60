package api

import (
	"net/http"
	"strings"

	"github.com/seed53b03582/troupe/api/internal/uri"
)

// cookiesFor are the cookies that the jar has for a URL, as the value of a Cookie
// header (RFC 6265 §5.4).
func (s *settings) cookiesFor(to uri.URL) string {
	if s.jar == nil {
		return ""
	}
	var b strings.Builder
	for _, c := range s.jar.Cookies(to.NetURL()) {
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString((&http.Cookie{Name: c.Name, Value: c.Value, Quoted: c.Quoted}).String())
	}
	return b.String()
}

// keepCookies gives the jar what an answer sets. Cookies that are not valid are left
// out.
func (s *settings) keepCookies(to uri.URL, resp *Response) {
	if s.jar == nil {
		return
	}
	var cookies []*http.Cookie
	for _, line := range resp.answer.Load().Values("Set-Cookie") {
		if c, err := http.ParseSetCookie(string(line)); err == nil {
			cookies = append(cookies, c)
		}
	}
	if len(cookies) > 0 {
		s.jar.SetCookies(to.NetURL(), cookies)
	}
}
