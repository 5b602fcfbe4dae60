package http1

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestAppendRequest(t *testing.T) {
	b, err := AppendRequestLine(nil, "POST", "/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	if b, err = AppendField(b, "host", " \texample.com\t "); err != nil {
		t.Fatal(err)
	}
	if b, err = AppendField(b, "X-Empty", " "); err != nil {
		t.Fatal(err)
	}
	b = AppendUintField(b, "Content-Length", math.MaxUint64)
	b = AppendEnd(b)
	b = append(AppendChunkHead(b, 255), ChunkEnd+LastChunk...)
	const want = "POST /a?b=c HTTP/1.1\r\nhost: example.com\r\nX-Empty: \r\nContent-Length: 18446744073709551615\r\n\r\n" +
		"ff\r\n\r\n0\r\n\r\n"
	if string(b) != want {
		t.Errorf("got %q", b)
	}
}

func TestRequestRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, method, target, field, value string
		want                               string
	}{
		{"method-empty_9110_9.1", "", "/", "A", "b", `http1: invalid method: empty`},
		{"method-space_9110_9.1", "GET ", "/", "A", "b", `http1: invalid method "GET": only letters, digits and !#$%&'*+-.^_` + "`" + `|~ are allowed`},
		{"method-crlf_9112_11.1", "GET\r\nX: y", "/", "A", "b", `http1: invalid method "GET": only letters, digits and !#$%&'*+-.^_` + "`" + `|~ are allowed`},
		{"target-empty_9112_3.2", "GET", "", "A", "b", `http1: invalid target: empty`},
		{"target-space_9112_3.2", "GET", "/a b", "A", "b", `http1: invalid target: only visible ASCII characters are allowed`},
		{"target-crlf_9112_11.1", "GET", "/ HTTP/1.1\r\nX: y", "A", "b", `http1: invalid target: only visible ASCII characters are allowed`},
		{"target-utf8_9112_3.2", "GET", "/ä", "A", "b", `http1: invalid target: only visible ASCII characters are allowed`},
		{"name-empty_9110_5.1", "GET", "/", "", "b", `http1: invalid header name: empty`},
		{"name-colon_9110_5.1", "GET", "/", "Authorization: secret", "b", `http1: invalid header name "Authorization": only letters, digits and !#$%&'*+-.^_` + "`" + `|~ are allowed`},
		{"value-crlf_9112_11.1", "GET", "/", "A", "secret\r\nX: y", `http1: invalid header value "A": contains a control character`},
		{"value-lf-at-end_9112_11.1", "GET", "/", "A", "secret\n", `http1: invalid header value "A": contains a control character`},
		{"value-nul_9110_5.5", "GET", "/", "A", "secret\x00", `http1: invalid header value "A": contains a control character`},
		{"value-del_9110_5.5", "GET", "/", "A", "secret\x7f", `http1: invalid header value "A": contains a control character`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dst := []byte("before")
			got, err := AppendRequestLine(dst, tc.method, tc.target)
			if err == nil {
				got, err = AppendField(dst, tc.field, tc.value)
			}
			var fault *FieldError
			if !errors.As(err, &fault) || err.Error() != tc.want || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
			if string(got) != "before" {
				t.Errorf("appended %q", got)
			}
		})
	}
}

func TestValid(t *testing.T) {
	for c := range 256 {
		s := "x" + string([]byte{byte(c)})
		visible := c > 0x20 && c < 0x7f
		token := visible && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, rune(c))
		if ValidMethod(s) != token || ValidFieldName(s) != token {
			t.Errorf("token %q", s)
		}
		if ValidTarget(s) != visible {
			t.Errorf("target %q", s)
		}
		if ValidFieldValue(s) != (c == '\t' || c >= 0x20 && c != 0x7f) {
			t.Errorf("value %q", s)
		}
	}
	if ValidMethod("") || ValidFieldName("") || ValidTarget("") || !ValidFieldValue("") {
		t.Error("only a value may be empty")
	}
}

func TestAppendChunkHeadPanics_9112_7_1(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a chunk of 0 bytes would end the body")
		}
	}()
	AppendChunkHead(nil, 0)
}
