package api_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/seed53b03582/troupe/api"
)

func ExampleBasicAuth() {
	server := serve(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, "%s, %s", user, password)
	})
	defer server.Close()
	ctx := context.Background()

	show(api.Get(ctx, server.URL, api.BasicAuth("ada", "p@ss")))
	// The same from the URL, where an @ in the password is %40.
	show(api.Get(ctx, strings.Replace(server.URL, "://", "://ada:p%40ss@", 1)))
	// Output:
	// 200 ada, p@ss
	// 200 ada, p@ss
}

func ExampleBearer() {
	server := serve(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Authorization"))
	})
	defer server.Close()

	show(api.Get(context.Background(), server.URL, api.Bearer("t0ken")))
	// Output: 200 Bearer t0ken
}

// digest asks for RFC 7616 credentials of ada, whose password is "lovelace", and
// tells how often its nonce was used.
func digest(w http.ResponseWriter, r *http.Request) {
	given := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)="?([^",]*)"?`).FindAllStringSubmatch(r.Header.Get("Authorization"), -1) {
		given[m[1]] = m[2]
	}
	hash := func(parts ...string) string {
		return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(parts, ":"))))
	}
	secret, request := hash("ada", "books", "lovelace"), hash(r.Method, r.RequestURI)
	if given["response"] != hash(secret, "n0nce", given["nc"], given["cnonce"], "auth", request) {
		w.Header().Set("WWW-Authenticate", `Digest realm="books", nonce="n0nce", algorithm=SHA-256, qop="auth"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fmt.Fprintf(w, "%s with nonce count %s", given["username"], strings.TrimLeft(given["nc"], "0"))
}

func ExampleDigestAuth() {
	requests := 0
	server := serve(func(w http.ResponseWriter, r *http.Request) {
		requests++
		digest(w, r)
	})
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()
	ctx, ada := context.Background(), api.DigestAuth("ada", "lovelace")

	show(session.Get(ctx, server.URL+"/books", ada))
	show(session.Get(ctx, server.URL+"/books?page=2", ada))
	fmt.Println(requests, "requests") // the first one got the challenge

	show(session.Get(ctx, server.URL+"/books", api.DigestAuth("ada", "wrong")))
	// Output:
	// 200 ada with nonce count 1
	// 200 ada with nonce count 2
	// 3 requests
	// 401
}
