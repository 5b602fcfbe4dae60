package api

import (
	"os/exec"
	"strings"
	"testing"
)

func TestCurl(t *testing.T) {
	const start = "curl --http1.1 --globoff --path-as-is --compressed"
	const usual = " --header 'User-Agent: troupe' --header 'Accept: */*'"
	for _, c := range []struct {
		name, method, url string
		opts              []Option
		want              string
	}{
		{"plain", "GET", "http://h/a?b=1", nil, start + " 'http://h/a?b=1'" + usual},
		{"head", "HEAD", "http://h/", nil, start + " --head 'http://h/'" + usual},
		{"user info", "GET", "http://joe:geheim@h/", nil, start + " 'http://h/'" + usual + " --header 'Authorization: Basic ***'"},
		{"bearer", "DELETE", "http://h/", []Option{Bearer("geheim")}, start + " --request 'DELETE' 'http://h/'" + usual + " --header 'Authorization: Bearer ***'"},
		{"headers", "GET", "http://h/", []Option{Headers{"Cookie": "a=geheim; b=geheim", "X-Auth-Token": "geheim", "X-Empty": "", "X-Quote": "it's"}},
			start + " 'http://h/'" + usual + ` --header 'Cookie: a=***; b=***' --header 'X-Auth-Token: ***' --header 'X-Empty;' --header 'X-Quote: it'\''s'`},
		{"host", "GET", "http://h/", []Option{Host("other")}, start + " 'http://h/' --header 'Host: other'" + usual},
		{"query", "GET", "http://h/?access_token=geheim&x=1", nil, start + " 'http://h/?access_token=***&x=1'" + usual},
		{"own coding", "GET", "http://h/", []Option{Headers{"Accept-Encoding": "gzip"}},
			strings.TrimSuffix(start, " --compressed") + " 'http://h/'" + usual + " --header 'Accept-Encoding: gzip'"},
		{"form", "POST", "http://h/", []Option{Data{"user": "joe", "password": "geheim"}},
			start + " --request 'POST' 'http://h/'" + usual + " --header 'Content-Type: application/x-www-form-urlencoded' --data-raw 'password=***&user=joe'"},
		{"json", "PUT", "http://h/", []Option{JSON(map[string]string{"api_key": "ge\"heim", "n": "@1"})},
			start + " --request 'PUT' 'http://h/'" + usual + ` --header 'Content-Type: application/json' --data-raw '{"api_key":"***","n":"@1"}'`},
		{"raw", "POST", "http://h/", []Option{Body(strings.NewReader("@it's"))},
			start + " --request 'POST' 'http://h/'" + usual + ` --header 'Content-Type:' --data-raw '@it'\''s'`},
		{"large", "POST", "http://h/", []Option{Body(strings.NewReader(strings.Repeat("x", 3000)))},
			start + " --request 'POST' 'http://h/'" + usual + " --header 'Content-Type:' --data-binary @BODY"},
		{"no body", "POST", "http://h/", nil, start + " --request 'POST' 'http://h/'" + usual},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSession(t, Config{})
			got, err := s.Curl(c.method, c.url, c.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if strings.Contains(got, "geheim") {
				t.Error("a secret shows")
			}
		})
	}
}

// A line of an answered call asks for the same once more.
func TestCurlOfAResponse(t *testing.T) {
	server := record(t, always(withLength("hello")))
	s := newSession(t, Config{})
	resp, err := s.Post(t.Context(), server.URL+"/p?q=1", JSON("it's"), Headers{"X-A": "b"})
	if err != nil {
		t.Fatal(err)
	}
	line := resp.Curl()
	want, err := s.Curl("POST", server.URL+"/p?q=1", JSON("it's"), Headers{"X-A": "b"})
	if err != nil || line != want {
		t.Errorf("got  %s, %v\nwant %s", line, err, want)
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed: apt-get install curl")
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", line+" --silent --show-error --noproxy '*'").CombinedOutput()
	if err != nil || string(out) != "hello" {
		t.Fatalf("the shell: %v, %s\n%s", err, out, line)
	}
	got := server.all()
	first, second := got[len(got)-2], got[len(got)-1]
	if first.body != second.body || first.head == "" {
		t.Errorf("curl sent %q, troupe %q", second.body, first.body)
	}
	resp.Release()
	if got := resp.Curl(); got != "" {
		t.Errorf("after Release: %q", got)
	}
}

// The one-shot functions have it too.
func TestCurlOneShot(t *testing.T) {
	line, err := Curl("PUT", "http://h/a", Body(strings.NewReader("x")))
	if err != nil || !strings.Contains(line, "http://h/a") || !strings.Contains(line, "PUT") {
		t.Errorf("%s, %v", line, err)
	}
	if _, err := Curl("GET", "http://h:port/"); err == nil {
		t.Error("a URL that is none")
	}
}
