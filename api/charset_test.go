package api

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

func TestText(t *testing.T) {
	for name, c := range map[string]struct {
		contentType, body, want string
	}{
		"nothing":              {"", "", ""},
		"no type":              {"", "grün", "grün"},
		"no charset":           {"text/html", "grün", "grün"},
		"json":                 {"application/json", `{"ü":1}`, `{"ü":1}`},
		"utf-8":                {"text/html; charset=utf-8", "grün €", "grün €"},
		"utf8":                 {"text/html; charset=utf8", "grün €", "grün €"},
		"utf-8, bad bytes":     {"text/html; charset=utf-8", "a\xffb\xc3", "a\xffb\xc3"},
		"no charset, bad":      {"", "a\xffb\xc3", "a\xffb\xc3"},
		"iso-8859-1":           {"text/html; charset=iso-8859-1", "gr\xfcn", "grün"},
		"iso-8859-1, C1":       {"text/html; charset=iso-8859-1", "\x80", "€"},
		"us-ascii":             {"text/plain; charset=US-ASCII", "a\xe9", "aé"},
		"windows-1252":         {"text/html; charset=windows-1252", "5 \x80 \x93x\x94", "5 € “x”"},
		"iso-8859-15":          {"text/html; charset=iso-8859-15", "5 \xa4", "5 €"},
		"koi8-r":               {"text/plain; charset=koi8-r", "\xf2\xd5\xd3\xcb\xc9\xca", "Руский"},
		"windows-1251":         {"text/plain; charset=cp1251", "\xcc\xe8\xf0", "Мир"},
		"shift_jis":            {"text/html; charset=Shift_JIS", "\x93\xfa\x96\x7b \xb1", "日本 ｱ"},
		"shift_jis, bad bytes": {"text/html; charset=Shift_JIS", "a\x93", "a\uFFFD"},
		"euc-jp":               {"text/html; charset=euc-jp", "\xc6\xfc\xcb\xdc", "日本"},
		"iso-2022-jp":          {"text/html; charset=iso-2022-jp", "\x1b$BF|K\\\x1b(B", "日本"},
		"gb18030":              {"text/html; charset=gb18030", "\xd6\xd0\xce\xc4 \x94\x39\xda\x33", "中文 💩"},
		"gb2312":               {"text/html; charset=gb2312", "\xd6\xd0", "中"},
		"gb18030, bad bytes":   {"text/html; charset=gb18030", "\xffa", "\uFFFDa"},
		"big5":                 {"text/html; charset=big5", "\xa4\xa4", "中"},
		"euc-kr":               {"text/html; charset=euc-kr", "\xc7\xd1", "한"},

		"utf-16, no mark":          {"text/plain; charset=utf-16", "h\x00\xfc\x00", "hü"},
		"utf-16, little":           {"text/plain; charset=utf-16", "\xff\xfeh\x00\xfc\x00", "hü"},
		"utf-16, big":              {"text/plain; charset=utf-16", "\xfe\xff\x00h\x00\xfc", "hü"},
		"utf-16le, no mark":        {"text/plain; charset=utf-16le", "h\x00", "h"},
		"utf-16le, mark":           {"text/plain; charset=utf-16le", "\xff\xfeh\x00", "h"},
		"utf-16le, the other mark": {"text/plain; charset=utf-16le", "\xfe\xff\x00h", "h"},
		"utf-16be, no mark":        {"text/plain; charset=utf-16be", "\x00h", "h"},
		"utf-16be, mark":           {"text/plain; charset=UTF-16BE", "\xfe\xff\x00h", "h"},
		"utf-16be, the other mark": {"text/plain; charset=utf-16be", "\xff\xfeh\x00", "h"},
		"utf-16, surrogates":       {"text/plain; charset=utf-16le", "\x3d\xd8\xa9\xdc", "💩"},
		"utf-16, half a pair":      {"text/plain; charset=utf-16le", "\x3d\xd8a\x00", "\uFFFDa"},
		"utf-16, odd length":       {"text/plain; charset=utf-16le", "a\x00b", "a\uFFFD"},
		"utf-16, two marks":        {"text/plain; charset=utf-16le", "\xff\xfe\xff\xfea\x00", "\uFEFFa"},

		"mark, utf-8":             {"", "\xef\xbb\xbfgrün", "grün"},
		"mark, utf-8, twice":      {"", "\xef\xbb\xbf\xef\xbb\xbfx", "\uFEFFx"},
		"mark, utf-8, in front":   {"text/plain; charset=utf-8", "\xef\xbb\xbfgrün", "grün"},
		"mark, utf-8, alone":      {"", "\xef\xbb\xbf", ""},
		"mark, utf-8, cut":        {"", "\xef\xbb", "\xef\xbb"},
		"mark, little":            {"text/plain", "\xff\xfeh\x00", "h"},
		"mark, big":               {"", "\xfe\xff\x00h", "h"},
		"header before mark":      {"text/plain; charset=iso-8859-1", "\xef\xbb\xbfx", "ï»¿x"},
		"header before mark, 16":  {"text/plain; charset=iso-8859-1", "\xff\xfex", "ÿþx"},
		"utf-8 before mark":       {"text/plain; charset=utf-8", "\xff\xfeh\x00", "\xff\xfeh\x00"},
		"unknown":                 {"text/plain; charset=klingon", "grün", "grün"},
		"unknown, mark":           {"text/plain; charset=klingon", "\xff\xfeh\x00", "h"},
		"refused by browsers":     {"text/plain; charset=hz-gb-2312", "plain", "plain"},
		"refused, then mark":      {"text/plain; charset=utf-7", "\xfe\xff\x00h", "h"},
		"the mark inside":         {"", "a\xef\xbb\xbfb", "a\uFEFFb"},
		"quoted":                  {`text/plain; charset="iso-8859-1"`, "\xfc", "ü"},
		"unreadable for mime":     {"text/plain; a=b; a=c; charset=iso-8859-1", "\xfc", "ü"},
		"no media type":           {"; charset=iso-8859-1", "\xfc", "ü"},
		"not text, but a charset": {"application/json; charset=iso-8859-1", "\xfc", "ü"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text([]byte(c.body), c.contentType); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCharsetParam(t *testing.T) {
	for in, want := range map[string]string{
		"":                                         "",
		"text/plain":                               "",
		"text/plain;":                              "",
		"text/plain; charset":                      "",
		"text/plain; charset=":                     "",
		`text/plain; charset=""`:                   "",
		"text/plain;charset=a":                     "a",
		"text/plain ; charset=a":                   "a",
		"text/plain;;; charset=a;":                 "a",
		"text/plain; CharSet=A":                    "A",
		"text/plain;\tcharset = a ":                "a",
		"text/plain;\r\n charset=a":                "a",
		`text/plain; charset="a"`:                  "a",
		`text/plain; charset= "a" ;x`:              "a",
		`text/plain; charset=" a "`:                "a",
		`text/plain; charset="a`:                   "a",
		`text/plain; charset="a\`:                  `a\`,
		`text/plain; charset="a"b; charset=c`:      "a",
		`text/plain; charset="\"; x="`:             `\"; x=`,
		`text/plain; charset='a'`:                  "a",
		`text/plain; x="; charset=b"; charset=a`:   "a",
		`text/plain; x="\"; charset=b"; charset=a`: "a",
		"text/plain; charset=a; charset=b":         "a",
		"text/plain; charset=; charset=b":          "b",
		"text/plain; charset; charset=b":           "b",
		"text/plain; xcharset=b; charset=a":        "a",
		"text/plain; charset*=utf-8''b; charset=a": "a",
		"text/plain; q=1; charset=a; boundary=x":   "a",
		"text/plain; q=@@; charset=a":              "a",
		"charset=a":                                "",
	} {
		if got := charsetParam(in); got != want {
			t.Errorf("charsetParam(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTextAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	body := []byte(strings.Repeat("grün ", 100))
	for _, contentType := range []string{"", "text/html", "application/json", "text/html; charset=utf-8", `text/html; charset="UTF-8"`} {
		var s string
		if got := testing.AllocsPerRun(100, func() { s = text(body, contentType) }); got > 1 || s != string(body) {
			t.Errorf("%q: %.0f allocations, the string alone wanted", contentType, got)
		}
	}
}

// Whatever the header and the body: no panic, and valid UTF-8 unless the body
// itself was taken for UTF-8; the fast way and the table agree on what that is.
func FuzzText(f *testing.F) {
	for _, label := range []string{"", "utf-8", "UTF8", "utf-16", "utf-16be", "gb18030", "big5", "euc-jp", "iso-2022-jp", "shift_jis", "euc-kr", "koi8-r", "x-user-defined", "hz-gb-2312", "?"} {
		f.Add("text/plain; charset="+label, []byte("\xff\xfea\x00\x1b$B\x93\xfa\x94\x39\xda\x33 \xef\xbb\xbf"))
	}
	f.Add(`a;b="\";charset=x";charset='koi8-r' ;c`, []byte("\xef\xbb\xbfx"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		got := text(body, contentType)
		_, name := charset.Lookup(charsetParam(contentType))
		if label := charsetParam(contentType); strings.ContainsAny(label, ";") && !strings.Contains(contentType, `"`) {
			t.Errorf("%q: the label %q holds a semicolon", contentType, label)
		}
		marked, size := byteOrderMark(body)
		asIs := name == "utf-8" || (name == "" || name == "replacement") && (marked == "" || marked == "utf-8")
		if !asIs {
			if !utf8.ValidString(got) {
				t.Errorf("%q: %q is not valid UTF-8", contentType, got)
			}
			return
		}
		if marked != "utf-8" {
			size = 0
		}
		if got != string(body[size:]) {
			t.Errorf("%q: got %q, want %q as it is", contentType, got, body)
		}
	})
}
