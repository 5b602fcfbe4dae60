package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/seed53b03582/troupe/api"
)

func ExampleResponse_History() {
	server := serve(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/old":
			http.Redirect(w, r, "/newer", http.StatusMovedPermanently)
		case "/newer":
			http.Redirect(w, r, "/newest", http.StatusFound)
		default:
			io.WriteString(w, "here it is")
		}
	})
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()

	resp, err := session.Get(context.Background(), server.URL+"/old#part")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, step := range resp.History() {
		fmt.Println(step.Status(), step.Header("Location"))
	}
	fmt.Println(resp.Status(), resp.Text(), strings.TrimPrefix(resp.URL(), server.URL))
	// Output:
	// 301 /newer
	// 302 /newest
	// 200 here it is /newest#part
}

func ExampleNoRedirect() {
	server := serve(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	})
	defer server.Close()

	resp, err := api.Get(context.Background(), server.URL, api.NoRedirect())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status(), resp.Header("Location"))
	// Output: 303 /login
}

// Two pages that lead to each other.
func ExampleErrTooManyRedirects() {
	server := serve(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, map[string]string{"/a": "/b", "/b": "/a"}[r.URL.Path], http.StatusFound)
	})
	defer server.Close()
	session := newSession(api.Config{MaxRedirects: 4})
	defer session.Close()

	_, err := session.Get(context.Background(), server.URL+"/a")
	var redirect *api.RedirectError
	if errors.As(err, &redirect) {
		fmt.Println(errors.Is(err, api.ErrTooManyRedirects), redirect.Status, strings.TrimPrefix(redirect.URL, server.URL))
	}
	// Output: true 302 /a
}

// A 303 asks for the result with GET, a 307 for the same request elsewhere.
func ExampleSession_Post_redirect() {
	server := serve(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/orders":
			http.Redirect(w, r, "/done", http.StatusSeeOther)
		case "/moved":
			http.Redirect(w, r, "/here", http.StatusTemporaryRedirect)
		default:
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %q", r.Method, r.URL, body)
		}
	})
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()
	ctx, order := context.Background(), api.Data{"book": "1"}

	show(session.Post(ctx, server.URL+"/orders", order))
	show(session.Post(ctx, server.URL+"/moved", order)) // the body is sent again

	// What can be read only once can't be.
	once := io.MultiReader(strings.NewReader("book=1"))
	_, err := session.Post(ctx, server.URL+"/moved", api.Body(once))
	var redirect *api.RedirectError
	if errors.As(err, &redirect) {
		fmt.Println(redirect.Err)
	}
	// Output:
	// 200 GET /done ""
	// 200 POST /here "book=1"
	// the body has been read and can't be sent again; give one that can: bytes, a string, a File with Seek or ReadAt
}

// Credentials are for the origin they were given for: another one gets none of them,
// other headers stay.
func ExampleSession_Get_otherOrigin() {
	other := serve(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "authorization %q, cookie %q, trace %q", r.Header["Authorization"], r.Header["Cookie"], r.Header["X-Trace"])
	})
	defer other.Close()
	server := serve(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()

	show(session.Get(context.Background(), server.URL, api.Bearer("t0ken"), api.Headers{"Cookie": "id=7", "X-Trace": "1"}))
	// Output: 200 authorization [], cookie [], trace ["1"]
}

func ExampleConfig_cookies() {
	server := serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			http.SetCookie(w, &http.Cookie{Name: "id", Value: "7", Path: "/", HttpOnly: true})
			http.Redirect(w, r, "/home", http.StatusSeeOther)
			return
		}
		fmt.Fprintf(w, "%q", r.Header["Cookie"])
	})
	defer server.Close()
	// The list keeps a site from setting cookies for all of co.uk.
	jar, err := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	if err != nil {
		fmt.Println(err)
		return
	}
	session := newSession(api.Config{Jar: jar})
	defer session.Close()
	ctx := context.Background()

	show(session.Get(ctx, server.URL+"/home"))
	show(session.Post(ctx, server.URL+"/login", api.Data{"user": "ada"}))
	show(session.Get(ctx, server.URL+"/home", api.Headers{"Cookie": "theme=dark"}))
	// Output:
	// 200 []
	// 200 ["id=7"]
	// 200 ["theme=dark; id=7"]
}

// What is pasted is made valid; docs/urls.md tells how.
func ExampleResponse_URL() {
	server := serve(func(w http.ResponseWriter, r *http.Request) {
		user, _, _ := r.BasicAuth()
		fmt.Fprintf(w, "%s asks for %s", user, r.RequestURI)
	})
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")

	resp, err := api.Get(context.Background(), " HTTP://ada:secret@"+host+"/a/../my file?q=ü#page-2")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Text())
	fmt.Println(strings.Replace(resp.URL(), host, "host", 1))
	_, err = api.Get(context.Background(), "example.com/path")
	fmt.Println(err)
	// Output:
	// ada asks for /my%20file?q=%C3%BC
	// http://host/my%20file?q=%C3%BC#page-2
	// troupe: URL: has no scheme and :// in front; begin it with http:// or https://
}
