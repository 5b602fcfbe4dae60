package charset

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
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
		"utf-8, bad bytes":     {"text/html; charset=utf-8", "a\xffb\xc3", "a\uFFFDb\uFFFD"},
		"no charset, bad":      {"", "a\xffb\xc3", "a\uFFFDb\uFFFD"},
		"bad, cut short":       {"", "\xe2\x82", "\uFFFD"},
		"bad, surrogates":      {"", "\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},
		"bad, overlong":        {"", "\xc0\xafx", "\uFFFD\uFFFDx"},
		"bad, beyond Unicode":  {"", "\xf4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
		"bad behind a mark":    {"", "\xef\xbb\xbf\xff", "\uFFFD"},
		"unknown, bad":         {"text/plain; charset=klingon", "\xff\xfd", "\uFFFD\uFFFD"},
		"refused, bad":         {"text/plain; charset=utf-7", "a\xff", "a\uFFFD"},
		"utf-32 is no charset": {"text/plain; charset=utf-32", "\xff", "\uFFFD"},
		"binary":               {"application/octet-stream", "\x00\x01\x80", "\x00\x01\uFFFD"},
		"x-user-defined":       {"text/plain; charset=x-user-defined", "a\xff", "a\uF7FF"},
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
		"mark, utf-8, cut":        {"", "\xef\xbb", "\uFFFD"},
		"mark, little":            {"text/plain", "\xff\xfeh\x00", "h"},
		"mark, big":               {"", "\xfe\xff\x00h", "h"},
		"header before mark":      {"text/plain; charset=iso-8859-1", "\xef\xbb\xbfx", "ï»¿x"},
		"header before mark, 16":  {"text/plain; charset=iso-8859-1", "\xff\xfex", "ÿþx"},
		"utf-8 before mark":       {"text/plain; charset=utf-8", "\xff\xfeh\x00", "\uFFFD\uFFFDh\x00"},
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
			if got := Text([]byte(c.body), c.contentType); got != c.want {
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
		if got := param(in); got != want {
			t.Errorf("param(%q) = %q, want %q", in, got, want)
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
		if got := testing.AllocsPerRun(100, func() { s = Text(body, contentType) }); got > 1 || s != string(body) {
			t.Errorf("%q: %.0f allocations, the string alone wanted", contentType, got)
		}
	}
}

// Whatever the header and the body: no panic, and valid UTF-8; what is UTF-8 comes as it is.
func FuzzText(f *testing.F) {
	for _, label := range []string{"", "utf-8", "UTF8", "utf-16", "utf-16be", "gb18030", "big5", "euc-jp", "iso-2022-jp", "shift_jis", "euc-kr", "koi8-r", "x-user-defined", "hz-gb-2312", "?"} {
		f.Add("text/plain; charset="+label, []byte("\xff\xfea\x00\x1b$B\x93\xfa\x94\x39\xda\x33 \xef\xbb\xbf"))
	}
	f.Add(`a;b="\";charset=x";charset='koi8-r' ;c`, []byte("\xef\xbb\xbfx"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		got := Text(body, contentType)
		if !utf8.ValidString(got) {
			t.Errorf("%q: %q is not valid UTF-8", contentType, got)
		}
		_, name := charset.Lookup(param(contentType))
		if label := param(contentType); strings.ContainsAny(label, ";") && !strings.Contains(contentType, `"`) {
			t.Errorf("%q: the label %q holds a semicolon", contentType, label)
		}
		marked, size := byteOrderMark(body)
		asIs := name == "utf-8" || (name == "" || name == "replacement") && (marked == "" || marked == "utf-8")
		if marked != "utf-8" {
			size = 0
		}
		if asIs && utf8.Valid(body) && got != string(body[size:]) {
			t.Errorf("%q: got %q, want %q as it is", contentType, got, body)
		}
		JSON(body, contentType)
	})
}

// wide is s in UTF-16 or UTF-32.
func wide(t *testing.T, as encoding.Encoding, s string) string {
	t.Helper()
	out, err := as.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// JSON in each form of Unicode, marked or not, and in the charset that the header names, is
// the same value.
func TestJSONText(t *testing.T) {
	type form struct{ name, contentType, body string }
	const utf8Mark = "\xef\xbb\xbf"
	for _, want := range []string{`{"a":"grün 💩"}`, `"日"`, `"Ā"`, `[]`, `1`, `-1`, ` 0`} {
		forms := []form{
			{"utf-8", "", want},
			{"utf-8, mark", "application/json", utf8Mark + want},
			{"utf-8, mark, another charset", "application/json; charset=iso-8859-1", utf8Mark + want},
			{"utf-8, another charset", "application/json; charset=iso-8859-1", want},
		}
		for name, as := range map[string]encoding.Encoding{
			"utf-16le":       unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
			"utf-16be":       unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
			"utf-16le, mark": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
			"utf-16be, mark": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
			"utf-32le":       utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM),
			"utf-32be":       utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM),
			"utf-32le, mark": utf32.UTF32(utf32.LittleEndian, utf32.UseBOM),
			"utf-32be, mark": utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
		} {
			forms = append(forms, form{name, "application/json", wide(t, as, want)}, form{name, "application/json; charset=utf-8", wide(t, as, want)})
		}
		for _, f := range forms {
			if got := JSON([]byte(f.body), f.contentType); string(got) != want {
				t.Errorf("%s (%q): %q, want %q", f.name, f.contentType, got, want)
			}
		}
	}
	for name, c := range map[string]form{
		"nothing":            {"", "", ""},
		"a mark alone":       {"", "", utf8Mark},
		"the charset helps":  {`"é"`, "application/json; charset=iso-8859-1", "\"\xe9\""},
		"no charset, bad":    {"\"\xe9\"", "application/json", "\"\xe9\""},
		"unknown, bad":       {"\"\xe9\"", "application/json; charset=klingon", "\"\xe9\""},
		"one byte":           {"\x00", "", "\x00"},
		"two marks, one cut": {utf8Mark + "1", "", utf8Mark + utf8Mark + "1"},
	} {
		if got := JSON([]byte(c.body), c.contentType); string(got) != c.name {
			t.Errorf("%s: %q, want %q", name, got, c.name)
		}
	}
	body := []byte(`{"a":1}`)
	if got := JSON(body, "application/json"); &got[0] != &body[0] {
		t.Error("UTF-8 is copied")
	}
}
