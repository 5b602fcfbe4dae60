package coding

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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

func newCompressor(c Coding, w io.Writer) compressor {
	var z compressor
	var err error
	switch c {
	case Gzip:
		z, err = gzip.NewWriterLevel(w, gzip.BestSpeed)
	case Deflate:
		z, err = zlib.NewWriterLevel(w, zlib.BestSpeed)
	case Brotli:
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
func applyCodings(c List, data string) []byte {
	b := []byte(data)
	for _, one := range c {
		b = compressed(func(w io.Writer) compressor { return newCompressor(one, w) }, string(b))
	}
	return b
}

// listed makes codings of a header.
func listed(tb testing.TB, header string) List {
	tb.Helper()
	c, ok := Parse([]byte(header))
	if !ok {
		tb.Fatalf("%q is not to be decoded", header)
	}
	return c
}

var gzipHello, brHello = mustEncode(Gzip, "hello"), mustEncode(Brotli, "hello")

func mustEncode(c Coding, data string) string {
	return string(applyCodings(List{c}, data))
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
			got, ok := Parse(values...)
			var names []string
			for _, one := range got {
				names = append(names, one.String())
			}
			if s := strings.Join(names, " "); s != c.want || ok != (c.want != "") {
				t.Errorf("got %q, %t; want %q", s, ok, c.want)
			}
		})
	}
	for name := range strings.SplitSeq(Accept, ", ") {
		if _, known := parseOne([]byte(name)); !known {
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
	d := new(Decoders)
	bodies := map[string]string{
		"nothing": "", "byte": "x", "line": "hello, world\n",
		"prose": prose(50_000), "noise": randomBytes(50_000), "zeros": strings.Repeat("\x00", 300_000),
	}
	for _, header := range allCodings() {
		c := listed(t, header)
		t.Run(header, func(t *testing.T) {
			for name, body := range bodies {
				coded := applyCodings(c, body)
				got, err := d.AppendAll(context.Background(), []byte("head"), coded, c, int64(len(body)))
				if err != nil || string(got) != "head"+body {
					t.Fatalf("%s: whole: %d bytes, %v; want %d", name, len(got)-4, err, len(body))
				}
				for how, src := range map[string]io.Reader{
					"streamed":     bytes.NewReader(coded),
					"by half":      iotest.HalfReader(bytes.NewReader(coded)),
					"with the end": iotest.DataErrReader(bytes.NewReader(coded)),
					"byte by byte": iotest.OneByteReader(bytes.NewReader(coded)),
				} {
					r := d.Reader(context.Background(), c, src)
					got, err := io.ReadAll(r)
					r.Close()
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
	d := new(Decoders)
	for _, header := range allCodings() {
		c := listed(t, header)
		if got, err := d.AppendAll(context.Background(), nil, nil, c, 10); err != nil || len(got) != 0 {
			t.Errorf("%s: got %q, %v; want nothing", header, got, err)
		}
		failed := errors.New("reset")
		if _, err := io.ReadAll(d.Reader(context.Background(), c, iotest.ErrReader(failed))); err != failed {
			t.Errorf("%s: got %v, want the source's error", header, err)
		}
	}
}

// The zlib format is what the coding is; raw data is told by its first two bytes.
func TestDecodeDeflate(t *testing.T) {
	d, c := new(Decoders), listed(t, "deflate")
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
				if got, err := d.AppendAll(context.Background(), nil, coded, c, 0); err != nil || string(got) != body {
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
		want, wantErr := new(Decoders).AppendAll(context.Background(), nil, []byte(c.coded), codings, 0)
		for _, before := range []string{prose(3000), randomBytes(100), strings.Repeat("01", 99)} {
			d := new(Decoders)
			if _, err := d.AppendAll(context.Background(), nil, compressed(c.z, before), codings, 0); err != nil {
				t.Fatal(err)
			}
			got, err := d.AppendAll(context.Background(), nil, []byte(c.coded), codings, 0)
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

func TestDecodersConcurrently(t *testing.T) {
	d := new(Decoders)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j, header := range allCodings() {
				c := listed(t, header)
				body := prose(100 + 1000*i + j)
				if got, err := d.AppendAll(context.Background(), nil, applyCodings(c, body), c, 0); err != nil || string(got) != body {
					t.Errorf("%s: %d bytes, %v", header, len(got), err)
				}
			}
		})
	}
	wg.Wait()
}
