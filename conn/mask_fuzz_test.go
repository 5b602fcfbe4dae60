package conn

import (
	"strings"
	"testing"
)

// FuzzMask holds what a wire log promises, for any body and wherever it is cut in three:
//
//  1. what comes out is what comes out of the whole;
//  2. the value behind the name of a secret is not in it, whatever stands before that;
//  3. nothing is in it that could change the line of a log;
//  4. what is kept has its bounds.
func FuzzMask(f *testing.F) {
	for i, tc := range hiding {
		f.Add(tc.contentType, strings.ReplaceAll(tc.in, "geheim", "x"), i, i+3, i)
	}
	const value = "wHqZ7kXy"
	secrets := []string{
		`{"password":"` + value + `","user":"joe"}`,
		`{"a":1,"apiKey" : ["` + value + `",{"b":"` + value + `"}]}`,
		"&password=" + value + "&a=b",
		"\nX-Api-Key: a " + value + "\n " + value + "\nHost: h\n",
		" http://joe:" + value + "@h/ ",
		"\r\n--XX\r\nContent-Disposition: form-data; name=\"pin\"\r\n\r\n" + value + "\r\n--XX--",
	}
	f.Fuzz(func(t *testing.T, contentType, in string, a, b, which int) {
		if strings.Contains(in, "Z7k") || strings.Contains(contentType, "Z7k") {
			return
		}
		which = (which%len(secrets) + len(secrets)) % len(secrets)
		switch which {
		case 3: // in a form or a part's head, lines may be something else
			contentType = "text/plain"
			in = strings.NewReplacer("=", "", "\\", "", "\"", "", "'", "").Replace(in)
		case 5:
			contentType = "multipart/form-data; boundary=XX"
			in = strings.ReplaceAll(in, "--", "")
		}
		in += secrets[which]
		a = min(max(a, 0), len(in))
		b = min(max(b, a), len(in))

		var m bodyMasker
		m.start(&bodyHeader{contentType: contentType}, 0)
		got := m.appendTo(nil, []byte(in[:a]))
		got = m.appendTo(got, []byte(in[a:b]))
		got = m.appendTo(got, []byte(in[b:]))
		kept := cap(m.text.hold) + cap(m.text.lex.raw) + cap(m.text.marks)
		out := string(m.end(got, false))
		if whole := show(contentType, in); out != whole {
			t.Fatalf("%q, cut at %d and %d, comes out as\n%q, in one piece as\n%q", in, a, b, out, whole)
		}
		if strings.Contains(out, "Z7k") {
			t.Fatalf("%q as %q comes out as %q", in, contentType, out)
		}
		for _, c := range []byte(out) {
			if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
				t.Fatalf("%q comes out as %q", in, out)
			}
		}
		if kept > 4*maxHold {
			t.Fatalf("%d bytes are kept of %q", kept, in)
		}
	})
}

// FuzzMaskHead: no secret of a head shows, whole or cut, and one that has none in it comes out as
// it is.
func FuzzMaskHead(f *testing.F) {
	for _, tc := range maskedHeads {
		f.Add(strings.ReplaceAll(tc.in, "geheim", "x"), "X-Api-Key", 20)
	}
	f.Fuzz(func(t *testing.T, in, name string, cut int) {
		const value = "wHqZ7kXy"
		if strings.Contains(in+name, "Z7k") || strings.Contains(name, "\n") || !SecretField(name) || strings.ContainsAny(name, ": \t") {
			return
		}
		in += "\r\n" + name + ": " + value + "\r\n " + value + "\r\n\r\n"
		for _, part := range []string{in, in[:min(max(cut, 0), len(in))]} {
			var m headMasker
			if got := string(m.appendHead(nil, []byte(part), part != in)); strings.Contains(got, "Z7k") {
				t.Fatalf("%q comes out as %q", part, got)
			}
		}
	})
}
