package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A line for curl shows nothing of what is secret in a request, in whatever form it is.
func TestCurlHidesSecrets(t *testing.T) {
	json := func(s string) []Option {
		return []Option{Body(strings.NewReader(s)), Headers{"Content-Type": "application/json"}}
	}
	for _, c := range []struct {
		name string
		url  string
		opts []Option
		want string // in the line
	}{
		{"a token alone", "http://h/", []Option{Headers{"Authorization": "geheim"}}, "'Authorization: ***'"},
		{"a scheme nobody knows", "http://h/", []Option{Headers{"authorization": "geheim geheim"}}, "'authorization: ***'"},
		{"a known scheme", "http://h/", []Option{Headers{"AUTHORIZATION": "  bEARER \t geheim"}}, "'AUTHORIZATION: bEARER ***'"},
		{"a scheme and a tab", "http://h/", []Option{Headers{"Authorization": "Basic\tgeheim"}}, "'Authorization: Basic ***'"},
		{"digest", "http://h/", []Option{Headers{"Proxy-Authorization": `Digest username="geheim", response="geheim"`}}, "'Proxy-Authorization: Digest ***'"},
		{"signed", "http://h/", []Option{Headers{"Authorization": "AWS4-HMAC-SHA256 Credential=geheim, Signature=geheim"}}, "'Authorization: AWS4-HMAC-SHA256 ***'"},
		{"several", "http://h/", []Option{HeaderValues(http.Header{"Authorization": {"geheim", "Bearer geheim"}})}, "'Authorization: ***' --header 'Authorization: Bearer ***'"},
		{"of others", "http://h/", []Option{Headers{"X-Forwarded-Authorization": "Basic geheim", "X-Public-Key": "geheim"}}, "'X-Forwarded-Authorization: ***' --header 'X-Public-Key: ***'"},
		{"cookies", "http://h/", []Option{Headers{"Cookie": "a=geheim;b=geheim;  c=geheim"}}, "'Cookie: a=***; b=***; c=***'"},
		{"a cookie without a name", "http://h/", []Option{Headers{"Cookie": "a=geheim; geheim"}}, "'Cookie: ***'"},
		{"a cookie in base64", "http://h/", []Option{Headers{"cookie": "geheim=="}}, "'cookie: ***'"},
		{"a cookie in quotes", "http://h/", []Option{Headers{"Cookie": `a="x; geheim=y"`}}, "'Cookie: ***'"},
		{"a random name", "http://h/", []Option{Headers{"Cookie": strings.Repeat("geheim", 6) + "=1"}}, "'Cookie: ***'"},
		{"urls in headers", "http://h/", []Option{Headers{"Referer": "http://u:geheim@h/?code=geheim", "X-Orig": "/?sig=geheim&a=b"}},
			"'Referer: http://***@h/?code=***' --header 'X-Orig: /?sig=***&a=b'"},
		{"the query", "http://u:geheim@h/?X-Amz-Signature=geheim&a=1&user%5Bpwd%5D=geheim#geheim", nil, "'http://h/?X-Amz-Signature=***&a=1&user%5Bpwd%5D=***'"},
		{"numbers", "http://h/", json(`{"otp":123456,"n":1,"code":true,"list":{"keys":[1,"geheim"]}}`), `'{"otp":"***","n":1,"code":"***","list":{"keys":"***"}}'`},
		{"not valid", "http://h/", json(`{"n":1,"apiKey":"geheim`), `'{"n":1,"apiKey":"***'`},
		{"params", "http://h/", []Option{Params{"pwd": "geheim & geheim", "monkey": "1"}}, "?monkey=1&pwd=***'"},
		{"form", "http://h/", []Option{Data{"client[secret]": "geheim&=", "keyboard": "x"}}, "'client%5Bsecret%5D=***&keyboard=x'"},
		{"raw form", "http://h/", []Option{Body(strings.NewReader("pass=geheim geheim&encoded=y"))}, "'pass=***&encoded=y'"},
		{"multipart", "http://h/", []Option{Body(strings.NewReader("--X\r\nContent-Disposition: form-data; name=\"pin\"\r\n\r\ngeheim\r\n--X--\r\n")), Headers{"Content-Type": "multipart/form-data; boundary=X"}},
			"'--X\r\nContent-Disposition: form-data; name=\"pin\"\r\n\r\n***\r\n--X--\r\n'"},
		{"a coding", "http://h/", []Option{Body(strings.NewReader("geheim")), Headers{"Content-Encoding": "gzip"}}, "--data-binary @BODY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := newSession(t, Config{}).Curl("POST", c.url, c.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got, c.want) || strings.Contains(got, "geheim") {
				t.Errorf("got %s\nwant %s in it, and no secret", got, c.want)
			}
		})
	}
}

// fmt prints no credentials of an option, and a Response as errors show it.
func TestFmtShowsNoSecrets(t *testing.T) {
	server := record(t, nil)
	resp, err := Get(t.Context(), strings.Replace(server.URL, "//", "//u:geheim@", 1)+"/?token=geheim&a=b#geheim")
	if err != nil {
		t.Fatal(err)
	}
	if want := "200 " + server.URL + "/?token=***&a=b"; resp.String() != want {
		t.Errorf("got %s, want %s", resp, want)
	}
	if want := server.URL + "/?token=geheim&a=b#geheim"; resp.URL() != want {
		t.Errorf("URL is data, and whole: %s", resp.URL())
	}
	for _, o := range []Option{BasicAuth("geheim", "geheim"), Bearer("geheim"), DigestAuth("geheim", "geheim")} {
		if got := fmt.Sprintf("%v %+v %#v %s", o, o, o, []Option{o}); strings.Contains(got, "geheim") {
			t.Errorf("got %s", got)
		}
	}
	if got := fmt.Sprintf("%v %+v", resp, resp); strings.Contains(got, "geheim") {
		t.Errorf("got %s", got)
	}
}

// What is wrong with a call is told without what is secret in it, also where arguments have
// changed places.
func TestInputErrorsShowNoSecrets(t *testing.T) {
	s := newSession(t, Config{})
	const url = "http://joe:geheim@h/?password=geheim"
	for name, err := range map[string]error{
		"the url as method":     second(s.Request(t.Context(), url, "GET")),
		"a long one":            second(s.Request(t.Context(), "http://joegeheimgeheimgeheimgeheimgeheimgeheim:geheim@h/", "GET")),
		"a query in the host":   second(s.Get(t.Context(), "http://h token=geheim/")),
		"user info in the Host": second(s.Get(t.Context(), "http://h/", Host("joe:geheim@h"))),
		"a control character":   second(s.Get(t.Context(), url+"\x00")),
		"a port":                second(s.Get(t.Context(), "http://joe:geheim@h:x/?key=geheim")),
		"a body that is gone":   second(s.Post(t.Context(), url, MIMEType("x"))),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if got := fmt.Sprintf("%v %+v", err, err); strings.Contains(got, "geh") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
