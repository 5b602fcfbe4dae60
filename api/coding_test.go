package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// compressor is what the libraries' writers have in common.
type compressor interface {
	io.WriteCloser
	Flush() error
}

func newCompressor(c coding, w io.Writer) compressor {
	var z compressor
	var err error
	switch c {
	case codingGzip:
		z, err = gzip.NewWriterLevel(w, gzip.BestSpeed)
	case codingDeflate:
		z, err = zlib.NewWriterLevel(w, zlib.BestSpeed)
	case codingBrotli:
		z = brotli.NewWriterLevel(w, 2)
	default:
		z, err = zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	}
	if err != nil {
		panic(err)
	}
	return z
}

func newRawDeflate(w io.Writer) compressor {
	z, err := flate.NewWriter(w, -1)
	if err != nil {
		panic(err)
	}
	return z
}

// compressed writes parts with a flush between them.
func compressed(z func(io.Writer) compressor, parts ...string) []byte {
	var b bytes.Buffer
	w := z(&b)
	for i, part := range parts {
		if i > 0 {
			if err := w.Flush(); err != nil {
				panic(err)
			}
		}
		if _, err := io.WriteString(w, part); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// applyCodings applies the codings to data in their order.
func applyCodings(c codings, data string) []byte {
	b := []byte(data)
	for _, one := range c {
		b = compressed(func(w io.Writer) compressor { return newCompressor(one, w) }, string(b))
	}
	return b
}

// listed makes codings of a header.
func listed(tb testing.TB, header string) codings {
	tb.Helper()
	c, ok := parseCodings([]byte(header))
	if !ok {
		tb.Fatalf("%q is not to be decoded", header)
	}
	return c
}

var gzipHello, brHello = mustEncode(codingGzip, "hello"), mustEncode(codingBrotli, "hello")

func mustEncode(c coding, data string) string {
	return string(applyCodings(codings{c}, data))
}

// prose compresses like text; randomBytes does not.
func prose(n int) string {
	return strings.Repeat("It was a bright cold day in April, and the clocks were striking thirteen. ", n/70+1)[:n]
}

func randomBytes(n int) string {
	b := make([]byte, n)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < n; i++ {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func TestParseCodings(t *testing.T) {
	for name, c := range map[string]struct {
		values []string
		want   string // empty: handed over as it is
	}{
		"no field":          {nil, ""},
		"empty":             {[]string{""}, ""},
		"commas":            {[]string{" , ,"}, ""},
		"identity":          {[]string{"identity"}, ""},
		"gzip":              {[]string{"gzip"}, "gzip"},
		"upper case":        {[]string{"GZip"}, "gzip"},
		"x-gzip":            {[]string{"X-Gzip"}, "gzip"},
		"deflate":           {[]string{"deflate"}, "deflate"},
		"br":                {[]string{"br"}, "br"},
		"zstd":              {[]string{"zstd"}, "zstd"},
		"spaces":            {[]string{" \tgzip\t "}, "gzip"},
		"empty elements":    {[]string{",gzip,,br,"}, "gzip br"},
		"list":              {[]string{"gzip, br,zstd"}, "gzip br zstd"},
		"fields":            {[]string{"gzip", "br"}, "gzip br"},
		"fields and lists":  {[]string{"gzip, br", "deflate"}, "gzip br deflate"},
		"twice":             {[]string{"gzip, gzip"}, "gzip gzip"},
		"identity among":    {[]string{"identity, gzip, Identity"}, "gzip"},
		"x-compress":        {[]string{"x-compress"}, ""},
		"compress":          {[]string{"compress"}, ""},
		"unknown":           {[]string{"snappy"}, ""},
		"unknown, then one": {[]string{"snappy, gzip"}, ""},
		"one, then unknown": {[]string{"gzip", "snappy"}, ""},
		"a charset":         {[]string{"utf-8"}, ""},
		"parameter":         {[]string{"gzip;q=1"}, ""},
		"quoted":            {[]string{`"gzip"`}, ""},
		"longer name":       {[]string{"gzipped"}, ""},
		"three":             {[]string{"gzip, gzip, gzip"}, "gzip gzip gzip"},
		"four":              {[]string{"gzip, gzip, gzip, gzip"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var values [][]byte
			for _, v := range c.values {
				values = append(values, []byte(v))
			}
			got, ok := parseCodings(values...)
			var names []string
			for _, one := range got {
				names = append(names, one.String())
			}
			if s := strings.Join(names, " "); s != c.want || ok != (c.want != "") {
				t.Errorf("got %q, %t; want %q", s, ok, c.want)
			}
		})
	}
	for name := range strings.SplitSeq(acceptEncoding, ", ") {
		if _, known := parseCoding([]byte(name)); !known {
			t.Errorf("%s is asked for and not known", name)
		}
	}
}

// allCodings are each coding alone, two by two, and some three.
func allCodings() (all []string) {
	for c := range numCodings {
		all = append(all, c.String())
		for d := range numCodings {
			all = append(all, c.String()+", "+d.String())
		}
	}
	return append(all, "gzip, gzip, gzip", "br, zstd, deflate", "zstd, gzip, br")
}

func TestDecode(t *testing.T) {
	d := new(decoders)
	bodies := map[string]string{
		"nothing": "", "byte": "x", "line": "hello, world\n",
		"prose": prose(50_000), "noise": randomBytes(50_000), "zeros": strings.Repeat("\x00", 300_000),
	}
	for _, header := range allCodings() {
		c := listed(t, header)
		t.Run(header, func(t *testing.T) {
			for name, body := range bodies {
				coded := applyCodings(c, body)
				got, err := d.appendAll([]byte("head"), coded, c, int64(len(body)))
				if err != nil || string(got) != "head"+body {
					t.Fatalf("%s: whole: %d bytes, %v; want %d", name, len(got)-4, err, len(body))
				}
				for how, src := range map[string]io.Reader{
					"streamed":     bytes.NewReader(coded),
					"by half":      iotest.HalfReader(bytes.NewReader(coded)),
					"with the end": iotest.DataErrReader(bytes.NewReader(coded)),
					"byte by byte": iotest.OneByteReader(bytes.NewReader(coded)),
				} {
					r := d.reader(c, src)
					got, err := io.ReadAll(r)
					r.close()
					if err != nil || string(got) != body {
						t.Fatalf("%s: %s: %d bytes, %v; want %d", name, how, len(got), err, len(body))
					}
				}
			}
		})
	}
}

// Some servers announce a coding and then have nothing to send.
func TestDecodeEmptyBody(t *testing.T) {
	d := new(decoders)
	for _, header := range allCodings() {
		c := listed(t, header)
		if got, err := d.appendAll(nil, nil, c, 10); err != nil || len(got) != 0 {
			t.Errorf("%s: got %q, %v; want nothing", header, got, err)
		}
		failed := errors.New("reset")
		if _, err := io.ReadAll(d.reader(c, iotest.ErrReader(failed))); err != failed {
			t.Errorf("%s: got %v, want the source's error", header, err)
		}
	}
}

// A body cut short is an error, never a shorter body: at every byte.
func TestDecodeTruncated(t *testing.T) {
	d := new(decoders)
	body := prose(3000) + randomBytes(300)
	for name, c := range map[string]struct {
		header string
		coded  []byte
	}{
		"gzip":        {"gzip", applyCodings(listed(t, "gzip"), body)},
		"deflate":     {"deflate", applyCodings(listed(t, "deflate"), body)},
		"raw deflate": {"deflate", compressed(newRawDeflate, body)},
		"br":          {"br", applyCodings(listed(t, "br"), body)},
		"zstd":        {"zstd", applyCodings(listed(t, "zstd"), body)},
		"flushed gzip": {"gzip", compressed(func(w io.Writer) compressor { return newCompressor(codingGzip, w) },
			body[:1000], body[1000:2000], body[2000:])},
		"flushed zstd": {"zstd", compressed(func(w io.Writer) compressor { return newCompressor(codingZstd, w) },
			body[:1000], body[1000:2000], body[2000:])},
		"gzip, every header": {"gzip", compressed(func(w io.Writer) compressor {
			z := gzip.NewWriter(w)
			z.Extra, z.Name, z.Comment = []byte("extra"), "name", "comment"
			return z
		}, body)},
		"nested": {"br, gzip", applyCodings(listed(t, "br, gzip"), body)},
	} {
		t.Run(name, func(t *testing.T) {
			codings := listed(t, c.header)
			for n := 1; n < len(c.coded); n++ {
				got, err := d.appendAll(nil, c.coded[:n], codings, 0)
				if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "Content-Encoding is ") {
					t.Fatalf("%d of %d bytes: got %v, want an unexpected EOF of a coding", n, len(c.coded), err)
				}
				if !strings.HasPrefix(body, string(got)) {
					t.Fatalf("%d of %d bytes: what was decoded is not how the body begins", n, len(c.coded))
				}
			}
			if got, err := d.appendAll(nil, c.coded, codings, 0); err != nil || string(got) != body {
				t.Fatalf("the whole: %v", err)
			}
		})
	}
}

func TestDecodeCorrupt(t *testing.T) {
	last := func(b []byte, i int) string { // a changed byte, counted from the end
		b = bytes.Clone(b)
		b[len(b)-i] ^= 1
		return string(b)
	}
	hello := func(header string) []byte { return applyCodings(listed(t, header), "hello") }
	for name, c := range map[string]struct {
		header, coded, blamed string
	}{
		"gzip, not":            {"gzip", "<html>this is no gzip", "gzip"},
		"gzip, other":          {"gzip", string(hello("deflate")), "gzip"},
		"gzip, checksum":       {"gzip", last(hello("gzip"), 8), "gzip"},
		"gzip, length":         {"gzip", last(hello("gzip"), 1), "gzip"},
		"deflate, not":         {"deflate", "<html>this is no deflate", "deflate"},
		"deflate, gzip":        {"deflate", string(hello("gzip")), "deflate"},
		"deflate, checksum":    {"deflate", last(hello("deflate"), 1), "deflate"},
		"deflate, dictionary":  {"deflate", "\x78\xbb\x00\x00\x00\x02", "deflate"},
		"deflate, header":      {"deflate", "\x78\x9d" + string(hello("deflate")[2:]), "deflate"},
		"br, not":              {"br", "<html>this is no brotli", "br"},
		"br, large window":     {"br", "\x11\x19" + string(hello("br")[1:]), "br"},
		"zstd, not":            {"zstd", "<html>this is no zstd", "zstd"},
		"zstd, checksum":       {"zstd", last(hello("zstd"), 1), "zstd"},
		"zstd, dictionary":     {"zstd", "\x28\xb5\x2f\xfd\x01\x00\x07\x01\x00\x00", "zstd"},
		"nested, the outer":    {"zstd, gzip", last(hello("zstd, gzip"), 8), "gzip"},
		"nested, the inner":    {"gzip, zstd", string(applyCodings(listed(t, "zstd"), last(hello("gzip"), 8))), "gzip"},
		"nested, the other":    {"gzip, br", string(hello("br")), "gzip"},
		"nested, wrong order":  {"br, gzip", string(hello("gzip, br")), "gzip"},
		"nested, in the third": {"gzip, br, zstd", string(applyCodings(listed(t, "br, zstd"), "hello")), "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			d := new(decoders)
			for range 2 { // the second time with the reader that failed
				_, err := d.appendAll(nil, []byte(c.coded), listed(t, c.header), 0)
				if err == nil || !strings.Contains(err.Error(), "Content-Encoding is "+c.blamed+": ") || errors.Unwrap(err) == nil {
					t.Fatalf("got %v, want an error of %s that wraps its cause", err, c.blamed)
				}
			}
			if got, err := d.appendAll(nil, applyCodings(listed(t, c.header), "hello"), listed(t, c.header), 0); err != nil || string(got) != "hello" {
				t.Errorf("after the error: %q, %v", got, err)
			}
		})
	}
}

// What follows the end of the data: more members, rubbish, or what began as a
// member and is none.
func TestDecodeTrailing(t *testing.T) {
	zlibHello, zstdHello := mustEncode(codingDeflate, "hello"), mustEncode(codingZstd, "hello")
	rawHello := string(compressed(newRawDeflate, "hello"))
	gzipNothing := mustEncode(codingGzip, "")
	for name, c := range map[string]struct {
		header, coded, want string
		err                 error // errAnyCoding: whatever it is
	}{
		"gzip, members":             {"gzip", gzipHello + gzipHello + gzipHello, "hellohellohello", nil},
		"gzip, empty members":       {"gzip", gzipNothing + gzipNothing + gzipHello + gzipNothing, "hello", nil},
		"gzip, cut member":          {"gzip", gzipHello + gzipHello[:len(gzipHello)-1], "hellohello", io.ErrUnexpectedEOF},
		"gzip, cut header":          {"gzip", gzipHello + gzipHello[:5], "hello", io.ErrUnexpectedEOF},
		"gzip, cut name":            {"gzip", gzipHello + "\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\xffna", "hello", io.ErrUnexpectedEOF},
		"gzip, cut magic":           {"gzip", gzipHello + "\x1f", "hello", io.ErrUnexpectedEOF},
		"gzip, bad member":          {"gzip", gzipHello + "\x1f\x8b\x07 not deflate", "hello", errAnyCoding},
		"gzip, zeros":               {"gzip", gzipHello + strings.Repeat("\x00", 100_000), "hello", nil},
		"gzip, newline":             {"gzip", gzipHello + "\n", "hello", nil},
		"gzip, rubbish":             {"gzip", gzipHello + "<!-- served by us -->", "hello", nil},
		"gzip, half a magic":        {"gzip", gzipHello + "\x1fx", "hello", nil},
		"gzip, rubbish in the way":  {"gzip", gzipHello + "\n" + gzipHello, "hello", nil},
		"deflate, rubbish":          {"deflate", zlibHello + "\n", "hello", nil},
		"deflate, twice":            {"deflate", zlibHello + zlibHello, "hello", nil},
		"raw deflate, rubbish":      {"deflate", rawHello + "\n", "hello", errTrailing},
		"br, rubbish":               {"br", brHello + "\n", "hello", errAnyCoding},
		"br, twice":                 {"br", brHello + brHello, "hello", errAnyCoding},
		"zstd, frames":              {"zstd", zstdHello + zstdHello, "hellohello", nil},
		"zstd, skippable":           {"zstd", "\x50\x2a\x4d\x18\x03\x00\x00\x00abc" + zstdHello + "\x5f\x2a\x4d\x18\x00\x00\x00\x00", "hello", nil},
		"zstd, only skippable":      {"zstd", "\x50\x2a\x4d\x18\x03\x00\x00\x00abc", "", nil},
		"zstd, cut skippable":       {"zstd", zstdHello + "\x50\x2a\x4d\x18\x03\x00\x00\x00ab", "hello", io.ErrUnexpectedEOF},
		"zstd, cut magic":           {"zstd", zstdHello + zstdHello[:2], "hello", io.ErrUnexpectedEOF},
		"zstd, rubbish":             {"zstd", zstdHello + "rubbish", "hello", errAnyCoding},
		"nested, rubbish inside":    {"gzip, br", string(applyCodings(listed(t, "br"), gzipHello+"rubbish")), "hello", nil},
		"nested, empty inside":      {"gzip, br", mustEncode(codingBrotli, ""), "", nil},
		"nested, cut inside":        {"br, gzip", string(applyCodings(listed(t, "gzip"), brHello[:3])), "", io.ErrUnexpectedEOF},
		"nested, frames and cut it": {"gzip, zstd", string(applyCodings(listed(t, "zstd"), gzipHello)) + zstdHello[:3], "hello", io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			d := new(decoders)
			for how, src := range map[string]io.Reader{
				"whole":        strings.NewReader(c.coded),
				"byte by byte": iotest.OneByteReader(strings.NewReader(c.coded)),
			} {
				r := d.reader(listed(t, c.header), src)
				got, err := io.ReadAll(r)
				r.close()
				if c.err == errAnyCoding && err != nil {
					err = errAnyCoding
				}
				// How much comes before an error is the library's affair.
				if !errors.Is(err, c.err) || string(got) != c.want && (err == nil || !strings.HasPrefix(c.want, string(got))) {
					t.Errorf("%s: got %q, %v; want %q, %v", how, got, err, c.want, c.err)
				}
			}
		})
	}
}

var errAnyCoding = errors.New("any error")

// The zlib format is what the coding is; raw data is told by its first two bytes.
func TestDecodeDeflate(t *testing.T) {
	d, c := new(decoders), listed(t, "deflate")
	for level := flate.HuffmanOnly; level <= 9; level++ {
		for _, body := range []string{"", "x", prose(40_000), randomBytes(70_000)} {
			wrapped := compressed(func(w io.Writer) compressor {
				z, err := zlib.NewWriterLevel(w, level)
				if err != nil {
					t.Fatal(err)
				}
				return z
			}, body)
			raw := compressed(func(w io.Writer) compressor {
				z, err := flate.NewWriter(w, level)
				if err != nil {
					t.Fatal(err)
				}
				return z
			}, body)
			for name, coded := range map[string][]byte{"zlib": wrapped, "raw": raw} {
				if got, err := d.appendAll(nil, coded, c, 0); err != nil || string(got) != body {
					t.Errorf("%s, level %d, %d bytes: got %d, %v", name, level, len(body), len(got), err)
				}
			}
		}
	}
}

// A block without codes must not be read with the codes of the body before, as
// klauspost's flate does: what a body is depends on nothing but itself.
func TestDecodeIndependent(t *testing.T) {
	const codeless = "\x84\t\x00\x80" // a block that says it has no codes
	for name, c := range map[string]struct {
		header, coded string
		z             func(io.Writer) compressor
	}{
		"raw deflate": {"deflate", codeless, newRawDeflate},
		"zlib":        {"deflate", "\x78\x9c" + codeless, func(w io.Writer) compressor { return zlib.NewWriter(w) }},
		"gzip":        {"gzip", blankGzip[:10] + codeless, func(w io.Writer) compressor { return gzip.NewWriter(w) }},
	} {
		codings := listed(t, c.header)
		want, wantErr := new(decoders).appendAll(nil, []byte(c.coded), codings, 0)
		for _, before := range []string{prose(3000), randomBytes(100), strings.Repeat("01", 99)} {
			d := new(decoders)
			if _, err := d.appendAll(nil, compressed(c.z, before), codings, 0); err != nil {
				t.Fatal(err)
			}
			got, err := d.appendAll(nil, []byte(c.coded), codings, 0)
			if !bytes.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("%s after another: %q, %v; alone: %q, %v", name, got, err, want, wantErr)
			}
		}
	}
	for name, r := range map[string]func(io.Reader) (io.Reader, error){
		blank:     func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil },
		blankZlib: func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
		blankGzip: func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	} {
		z, err := r(strings.NewReader(name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || len(got) > 0 {
			t.Errorf("%q is not blank: %q, %v", name, got, err)
		}
		z, _ = r(strings.NewReader(name))
		if _, err := z.Read(nil); err != io.EOF {
			t.Errorf("%q: reading nothing does not reach the end: %v", name, err)
		}
	}
}

// A flushed part must be out before the source is asked for more.
func TestDecodeAsItComes(t *testing.T) {
	d := new(decoders)
	part := prose(1000)
	for name, c := range map[string]struct {
		header string
		z      func(io.Writer) compressor
	}{
		"gzip":    {"gzip", func(w io.Writer) compressor { return newCompressor(codingGzip, w) }},
		"deflate": {"deflate", func(w io.Writer) compressor { return newCompressor(codingDeflate, w) }},
		"raw":     {"deflate", newRawDeflate},
		"br":      {"br", func(w io.Writer) compressor { return newCompressor(codingBrotli, w) }},
		"zstd":    {"zstd", func(w io.Writer) compressor { return newCompressor(codingZstd, w) }},
		"nested": {"br, gzip", func(w io.Writer) compressor {
			outer := newCompressor(codingGzip, w)
			return flushThrough{newCompressor(codingBrotli, outer), outer}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var wire bytes.Buffer
			z := c.z(&wire)
			r := d.reader(listed(t, c.header), &wireReader{&wire, t})
			defer r.close()
			for range 3 {
				io.WriteString(z, part)
				if err := z.Flush(); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(part))
				if _, err := io.ReadFull(r, got); err != nil || string(got) != part {
					t.Fatalf("got %q, %v", got, err)
				}
			}
		})
	}
	t.Run("gzip member", func(t *testing.T) {
		r := d.reader(listed(t, "gzip"), &wireReader{bytes.NewBufferString(gzipHello), t})
		defer r.close()
		got := make([]byte, 5)
		if _, err := io.ReadFull(r, got); err != nil || string(got) != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

type flushThrough struct {
	compressor
	outer compressor
}

func (f flushThrough) Flush() error {
	if err := f.compressor.Flush(); err != nil {
		return err
	}
	return f.outer.Flush()
}

// wireReader fails the test where a connection would have to wait.
type wireReader struct {
	wire *bytes.Buffer
	t    *testing.T
}

func (w *wireReader) Read(p []byte) (int, error) {
	if w.wire.Len() == 0 {
		w.t.Fatal("it waits for more, with data in hand")
	}
	return w.wire.Read(p)
}

// What the source says comes through as it is, wherever it says it: also an
// unexpected EOF of its own, which zstd takes for a clean end between two frames.
func TestDecodeSourceErrors(t *testing.T) {
	d := new(decoders)
	for _, cause := range []error{
		io.ErrUnexpectedEOF,
		os.ErrDeadlineExceeded,
		&net.OpError{Op: "read", Err: errors.New("connection reset by peer")},
	} {
		for _, header := range allCodings() {
			c := listed(t, header)
			coded := applyCodings(c, "hello, hello, hello")
			for n := range len(coded) + 1 {
				r := d.reader(c, io.MultiReader(bytes.NewReader(coded[:n]), iotest.ErrReader(cause)))
				got, err := io.ReadAll(r)
				if err != cause || !strings.HasPrefix("hello, hello, hello", string(got)) {
					t.Fatalf("%s, %d of %d bytes: got %q, %v; want %v", header, n, len(coded), got, err, cause)
				}
				if _, again := r.Read(make([]byte, 1)); again != cause {
					t.Fatalf("%s: asked again: %v", header, again)
				}
				r.close()
			}
		}
	}
	t.Run("no progress", func(t *testing.T) {
		for c := range numCodings {
			r := d.reader(listed(t, c.String()), sourceFunc(func([]byte) (int, error) { return 0, nil }))
			if _, err := r.Read(make([]byte, 1)); err != io.ErrNoProgress {
				t.Errorf("%s: got %v, want %v", c, err, io.ErrNoProgress)
			}
		}
	})
}

type sourceFunc func([]byte) (int, error)

func (f sourceFunc) Read(p []byte) (int, error) { return f(p) }

func TestDecodeLimit(t *testing.T) {
	d := new(decoders)
	body := prose(5000)
	for _, header := range allCodings() {
		c := listed(t, header)
		coded := applyCodings(c, body)
		for limit, fits := range map[int64]bool{
			1: false, 4999: false, 5000: true, 5001: true, 0: true, -1: true, math.MaxInt64: true, math.MaxInt64 - 1: true,
		} {
			for _, dst := range [][]byte{nil, []byte("head"), make([]byte, 4, 10_000)} {
				got, err := d.appendAll(dst, coded, c, limit)
				if fits && (err != nil || string(got[len(dst):]) != body) {
					t.Errorf("%s, limit %d: %v", header, limit, err)
				}
				if !fits && (!errors.Is(err, ErrTooLarge) || string(got[len(dst):]) != body[:limit]) {
					t.Errorf("%s, limit %d: got %d bytes, %v; want %v", header, limit, len(got)-len(dst), err, ErrTooLarge)
				}
			}
		}
	}
}

// A few bytes that decode to many are ErrTooLarge, and take no more memory than
// the limit, some buffers and a window.
func TestDecodeBombs(t *testing.T) {
	const limit, bomb = 1 << 20, 10 << 20
	zeros := strings.Repeat("\x00", bomb)
	for _, header := range []string{"gzip", "deflate", "br", "zstd", "gzip, gzip", "br, zstd", "zstd, br", "gzip, gzip, gzip", "br, zstd, deflate"} {
		t.Run(header, func(t *testing.T) {
			c := listed(t, header)
			coded := applyCodings(c, zeros)
			d := new(decoders)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, err := d.appendAll(nil, coded, c, limit)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrTooLarge) || len(got) > limit {
				t.Errorf("%d bytes gave %d, %v; want %v", len(coded), len(got), err, ErrTooLarge)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 4*limit+2*maxWindow {
				t.Errorf("it took %d KiB", took>>10)
			}
		})
	}
}

// The same for what decodes to nothing, which no limit of the content stops.
func TestDecodeHollow(t *testing.T) {
	members := strings.Repeat(mustEncode(codingGzip, ""), 1<<18) // 4 MiB and more
	frames := strings.Repeat("\x50\x2a\x4d\x18\x00\x00\x00\x00", 1<<19)
	rubbish := gzipHello + strings.Repeat("\x00", 4<<20)
	for name, c := range map[string]struct{ header, inner string }{
		"gzip in br":      {"gzip, br", members},
		"gzip in zstd":    {"gzip, zstd", members},
		"zstd in gzip":    {"zstd, gzip", frames},
		"rubbish in zstd": {"gzip, zstd", rubbish},
	} {
		t.Run(name, func(t *testing.T) {
			both := listed(t, c.header)
			coded := applyCodings(both[1:], c.inner)
			r := new(decoders).reader(both, bytes.NewReader(coded))
			defer r.close()
			got, err := io.ReadAll(r)
			if !errors.Is(err, ErrTooLarge) || len(got) > 5 {
				t.Errorf("%d bytes gave %q, %v; want %v", len(coded), got, err, ErrTooLarge)
			}
		})
	}
	t.Run("not hollow", func(t *testing.T) { // flushed byte by byte, it is ten times its content
		var parts []string
		for range 200_000 {
			parts = append(parts, "x")
		}
		coded := compressed(func(w io.Writer) compressor { return newCompressor(codingGzip, w) }, parts...)
		coded = applyCodings(listed(t, "br"), string(coded))
		if got, err := new(decoders).appendAll(nil, coded, listed(t, "gzip, br"), 0); err != nil || len(got) != len(parts) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
	})
}

// RFC 9659: no more than 8 MiB of window, but that much.
func TestDecodeZstdWindow(t *testing.T) {
	d, c := new(decoders), listed(t, "zstd")
	body := prose(9 << 20)
	for window, fits := range map[int]bool{8 << 20: true, 16 << 20: false} {
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		z.Reset(&b)
		io.WriteString(z, body)
		z.Close()
		got, err := d.appendAll(nil, b.Bytes(), c, 0)
		if fits != (err == nil && string(got) == body) || !fits && (len(got) > 0 || !errors.Is(err, zstd.ErrWindowSizeExceeded)) {
			t.Errorf("window %d: %d bytes, %v", window, len(got), err)
		}
	}
	// A frame in one segment has the content for its window.
	single := "\x28\xb5\x2f\xfd\xe0" + "\x01\x00\x80\x00\x00\x00\x00\x00" + "\x01\x00\x00"
	if _, err := d.appendAll(nil, []byte(single), c, 0); err == nil {
		t.Error("a single segment of 8 MiB and a byte was taken")
	}
}

func TestDecoderClose(t *testing.T) {
	d := new(decoders)
	c := listed(t, "zstd, gzip")
	coded := applyCodings(c, "hello")
	r := d.reader(c, bytes.NewReader(coded))
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing: %d, %v", n, err)
	}
	r.close()
	other := d.reader(c, bytes.NewReader(coded)) // may have been lent what r gave back
	r.close()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != errDecoderClosed {
		t.Errorf("closed: %d, %v", n, err)
	}
	if got, err := io.ReadAll(other); err != nil || string(got) != "hello" {
		t.Errorf("the other: %q, %v", got, err)
	}
	other.close()
}

func TestDecodersConcurrently(t *testing.T) {
	d := new(decoders)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j, header := range allCodings() {
				c := listed(t, header)
				body := prose(100 + 1000*i + j)
				if got, err := d.appendAll(nil, applyCodings(c, body), c, 0); err != nil || string(got) != body {
					t.Errorf("%s: %d bytes, %v", header, len(got), err)
				}
			}
		})
	}
	wg.Wait()
}

func TestDecodeAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector sync.Pool drops what it is given, at random")
	}
	d := new(decoders)
	dst := make([]byte, 0, 64<<10)
	for c := range numCodings {
		one := listed(t, c.String())
		coded := applyCodings(one, prose(20_000))
		if got := testing.AllocsPerRun(100, func() { d.appendAll(dst, coded, one, 1<<20) }); got > maxDecodeAllocs[c] {
			t.Errorf("%s: %.1f allocations a body", c, got)
		} else {
			t.Logf("%s: %.1f allocations a body", c, got)
		}
	}
}

var maxDecodeAllocs = [numCodings]float64{2, 2, 6, 2} // beyond the library's, the decoder and its source

// For any bytes: no panic, never more than limit bytes, and the same whether whole
// or as a stream.
func FuzzDecode(f *testing.F) {
	for i, header := range allCodings() {
		f.Add(applyCodings(listed(f, header), "hello, hello, hello"), uint8(i), uint16(100))
	}
	f.Add(compressed(newRawDeflate, "hello", "hello"), uint8(5), uint16(9))
	f.Add([]byte(gzipHello+gzipHello+"rubbish"), uint8(0), uint16(9))
	all := allCodings()
	d := new(decoders) // the readers must come well out of anything
	f.Fuzz(func(t *testing.T, data []byte, which uint8, limit uint16) {
		c := listed(t, all[int(which)%len(all)])
		whole, wholeErr := d.appendAll(nil, data, c, 1<<20)
		if len(whole) > 1<<20 {
			t.Fatalf("%d bytes", len(whole))
		}
		bounded, err := d.appendAll(nil, data, c, int64(limit)+1)
		if len(bounded) > int(limit)+1 || !bytes.HasPrefix(whole, bounded) {
			t.Fatalf("limit %d: got %d bytes", int(limit)+1, len(bounded))
		}
		if wholeErr == nil && len(whole) > int(limit)+1 && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("limit %d: %v", int(limit)+1, err)
		}
		if !errors.Is(wholeErr, ErrTooLarge) {
			checkStreamed(t, d, c, data, whole, wholeErr)
		}
	})
}

func checkStreamed(t *testing.T, d *decoders, c codings, data, want []byte, wantErr error) {
	for how, src := range map[string]io.Reader{
		"whole":        bytes.NewReader(data),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(data)),
	} {
		r := d.reader(c, src)
		got, err := io.ReadAll(r)
		r.close()
		if (err == nil) != (wantErr == nil) || errors.Is(err, io.ErrUnexpectedEOF) != errors.Is(wantErr, io.ErrUnexpectedEOF) {
			t.Fatalf("%s: %v, appendAll: %v", how, err, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) || !bytes.HasPrefix(got, want) && !bytes.HasPrefix(want, got) {
			t.Fatalf("%s: %q, appendAll: %q", how, got, want)
		}
	}
}

// For any data: it comes back from each coding, and no prefix of its coded form
// passes for a whole.
func FuzzDecodeCoded(f *testing.F) {
	all := allCodings()
	for i := range all {
		f.Add([]byte("hello, hello, hello"), uint8(i), uint16(7*i))
	}
	d := new(decoders)
	f.Fuzz(func(t *testing.T, data []byte, which uint8, cut uint16) {
		c := listed(t, all[int(which)%len(all)])
		coded := applyCodings(c, string(data))
		got, err := d.appendAll(nil, coded, c, 0)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes came back as %d: %v", len(data), len(got), err)
		}
		n := int(cut) % len(coded)
		got, err = d.appendAll(nil, coded[:n], c, 0)
		if n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(data, got) {
			t.Fatalf("%d of %d bytes: got %q, %v", n, len(coded), got, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{1 << 10, 100 << 10} {
		body := prose(size/2) + randomBytes(size/8) + prose(size-size/2-size/8)
		for c := range numCodings {
			one := codings{c}
			coded := applyCodings(one, body)
			name := fmt.Sprintf("%s/%dKiB/", c, size>>10)
			b.Run(name+"whole", func(b *testing.B) { benchWhole(b, one, coded, size) })
			b.Run(name+"stream", func(b *testing.B) { benchStream(b, one, coded, size) })
			b.Run(name+"library", func(b *testing.B) { benchLibrary(b, c, coded, size) })
		}
	}
}

func benchWhole(b *testing.B, c codings, coded []byte, size int) {
	d, dst := new(decoders), make([]byte, 0, size+1)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.appendAll(dst, coded, c, 1<<30); err != nil {
			b.Fatal(err)
		}
	}
}

func benchStream(b *testing.B, c codings, coded []byte, size int) {
	d, src, p := new(decoders), bytes.NewReader(nil), make([]byte, 32<<10)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(coded)
		r := d.reader(c, src)
		drainDecoder(b, r, p)
		r.close()
	}
}

// benchLibrary is plain use of a library, its reader reset for each body.
func benchLibrary(b *testing.B, c coding, coded []byte, size int) {
	src, p := bytes.NewReader(coded), make([]byte, 32<<10)
	var r io.Reader
	var reset func() error
	switch c {
	case codingGzip:
		z := new(gzip.Reader)
		r, reset = z, func() error { return z.Reset(src) }
	case codingDeflate:
		z, err := zlib.NewReader(src)
		if err != nil {
			b.Fatal(err)
		}
		r, reset = z, func() error { return z.(zlib.Resetter).Reset(src, nil) }
	case codingBrotli:
		z := brotli.NewReader(src)
		r, reset = z, func() error { return z.Reset(src) }
	case codingZstd:
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			b.Fatal(err)
		}
		defer z.Close()
		r, reset = z, func() error { return z.Reset(src) }
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(coded)
		if err := reset(); err != nil {
			b.Fatal(err)
		}
		drainDecoder(b, r, p)
	}
}

func drainDecoder(b *testing.B, r io.Reader, p []byte) {
	for {
		if _, err := r.Read(p); err == io.EOF {
			return
		} else if err != nil {
			b.Fatal(err)
		}
	}
}
