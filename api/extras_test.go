package api

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"reflect"
	"testing"
)

// A session's calls without options share its noExtras: what is written into it would show in
// those of others.
func TestCallsWithoutOptionsWriteIntoExtrasOfTheirOwn(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		switch r.URL.Path {
		case "/see-other":
			http.Redirect(w, r, "/", http.StatusSeeOther)
		case "/unauthorized":
			w.WriteHeader(http.StatusUnauthorized)
		case "/unexpected":
			w.WriteHeader(http.StatusExpectationFailed)
		}
	}))
	defer server.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t, Config{Jar: jar})
	for _, path := range []string{"/", "/see-other", "/unauthorized", "/unexpected", "/"} {
		for _, method := range []string{"POST", "GET", "HEAD"} {
			if _, err := s.Request(t.Context(), method, server.URL+path); err != nil {
				t.Errorf("%s %s: %v", method, path, err)
			}
		}
	}
	for _, url := range []string{"http://us%0Aer:word@127.0.0.1:1/", "http://us:er@127.0.0.1:1/", "http://a\x00b/", server.URL + "/#x"} {
		s.Get(t.Context(), url)
	}
	if !reflect.DeepEqual(&s.noExtras, new(extras)) {
		t.Errorf("%+v", s.noExtras)
	}
}
