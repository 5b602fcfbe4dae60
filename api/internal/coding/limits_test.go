package coding

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/seed53b03582/troupe/conn"
)

// A body cut short is an error, never a shorter body: at every byte.
func TestDecodeTruncated(t *testing.T) {
	d := new(Decoders)
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
		"flushed gzip": {"gzip", compressed(func(w io.Writer) compressor { return newCompressor(Gzip, w) },
			body[:1000], body[1000:2000], body[2000:])},
		"flushed zstd": {"zstd", compressed(func(w io.Writer) compressor { return newCompressor(Zstd, w) },
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
				got, err := d.AppendAll(context.Background(), nil, c.coded[:n], codings, 0)
				if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "Content-Encoding is ") {
					t.Fatalf("%d of %d bytes: got %v, want an unexpected EOF of a coding", n, len(c.coded), err)
				}
				if !strings.HasPrefix(body, string(got)) {
					t.Fatalf("%d of %d bytes: what was decoded is not how the body begins", n, len(c.coded))
				}
			}
			if got, err := d.AppendAll(context.Background(), nil, c.coded, codings, 0); err != nil || string(got) != body {
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
			d := new(Decoders)
			for range 2 { // the second time with the reader that failed
				_, err := d.AppendAll(context.Background(), nil, []byte(c.coded), listed(t, c.header), 0)
				if err == nil || !strings.Contains(err.Error(), "Content-Encoding is "+c.blamed+": ") || errors.Unwrap(err) == nil {
					t.Fatalf("got %v, want an error of %s that wraps its cause", err, c.blamed)
				}
			}
			if got, err := d.AppendAll(context.Background(), nil, applyCodings(listed(t, c.header), "hello"), listed(t, c.header), 0); err != nil || string(got) != "hello" {
				t.Errorf("after the error: %q, %v", got, err)
			}
		})
	}
}

// What follows the end of the data: more members, rubbish, or what began as a
// member and is none.
func TestDecodeTrailing(t *testing.T) {
	zlibHello, zstdHello := mustEncode(Deflate, "hello"), mustEncode(Zstd, "hello")
	rawHello := string(compressed(newRawDeflate, "hello"))
	gzipNothing := mustEncode(Gzip, "")
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
		"nested, empty inside":      {"gzip, br", mustEncode(Brotli, ""), "", nil},
		"nested, cut inside":        {"br, gzip", string(applyCodings(listed(t, "gzip"), brHello[:3])), "", io.ErrUnexpectedEOF},
		"nested, frames and cut it": {"gzip, zstd", string(applyCodings(listed(t, "zstd"), gzipHello)) + zstdHello[:3], "hello", io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			d := new(Decoders)
			for how, src := range map[string]io.Reader{
				"whole":        strings.NewReader(c.coded),
				"byte by byte": iotest.OneByteReader(strings.NewReader(c.coded)),
			} {
				r := d.Reader(context.Background(), listed(t, c.header), src)
				got, err := io.ReadAll(r)
				r.Close()
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

func TestDecodeLimit(t *testing.T) {
	d := new(Decoders)
	body := prose(5000)
	for _, header := range allCodings() {
		c := listed(t, header)
		coded := applyCodings(c, body)
		for limit, fits := range map[int64]bool{
			1: false, 4999: false, 5000: true, 5001: true, 0: true, -1: true, math.MaxInt64: true, math.MaxInt64 - 1: true,
		} {
			for _, dst := range [][]byte{nil, []byte("head"), make([]byte, 4, 10_000)} {
				got, err := d.AppendAll(context.Background(), dst, coded, c, limit)
				if fits && (err != nil || string(got[len(dst):]) != body) {
					t.Errorf("%s, limit %d: %v", header, limit, err)
				}
				if !fits && (!errors.Is(err, conn.ErrTooLarge) || string(got[len(dst):]) != body[:limit]) {
					t.Errorf("%s, limit %d: got %d bytes, %v; want %v", header, limit, len(got)-len(dst), err, conn.ErrTooLarge)
				}
			}
		}
	}
}

// A few bytes that decode to many are conn.ErrTooLarge, and take no more memory than
// the limit, some buffers and a window.
func TestDecodeBombs(t *testing.T) {
	const limit, bomb = 1 << 20, 10 << 20
	zeros := strings.Repeat("\x00", bomb)
	for _, header := range []string{"gzip", "deflate", "br", "zstd", "gzip, gzip", "br, zstd", "zstd, br", "gzip, gzip, gzip", "br, zstd, deflate"} {
		t.Run(header, func(t *testing.T) {
			c := listed(t, header)
			coded := applyCodings(c, zeros)
			d := new(Decoders)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, err := d.AppendAll(context.Background(), nil, coded, c, limit)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, conn.ErrTooLarge) || len(got) > limit {
				t.Errorf("%d bytes gave %d, %v; want %v", len(coded), len(got), err, conn.ErrTooLarge)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 4*limit+2*maxWindow {
				t.Errorf("it took %d KiB", took>>10)
			}
		})
	}
}

// The same for what decodes to nothing, which no limit of the content stops.
func TestDecodeHollow(t *testing.T) {
	members := strings.Repeat(mustEncode(Gzip, ""), 1<<18) // 4 MiB and more
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
			r := new(Decoders).Reader(context.Background(), both, bytes.NewReader(coded))
			defer r.Close()
			got, err := io.ReadAll(r)
			if !errors.Is(err, conn.ErrTooLarge) || len(got) > 5 {
				t.Errorf("%d bytes gave %q, %v; want %v", len(coded), got, err, conn.ErrTooLarge)
			}
		})
	}
	t.Run("not hollow", func(t *testing.T) { // flushed byte by byte, it is ten times its content
		var parts []string
		for range 200_000 {
			parts = append(parts, "x")
		}
		coded := compressed(func(w io.Writer) compressor { return newCompressor(Gzip, w) }, parts...)
		coded = applyCodings(listed(t, "br"), string(coded))
		if got, err := new(Decoders).AppendAll(context.Background(), nil, coded, listed(t, "gzip, br"), 0); err != nil || len(got) != len(parts) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
	})
}

// RFC 9659: no more than 8 MiB of window, but that much.
func TestDecodeZstdWindow(t *testing.T) {
	d, c := new(Decoders), listed(t, "zstd")
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
		got, err := d.AppendAll(context.Background(), nil, b.Bytes(), c, 0)
		if fits != (err == nil && string(got) == body) || !fits && (len(got) > 0 || !errors.Is(err, zstd.ErrWindowSizeExceeded)) {
			t.Errorf("window %d: %d bytes, %v", window, len(got), err)
		}
	}
	// A frame in one segment has the content for its window.
	single := "\x28\xb5\x2f\xfd\xe0" + "\x01\x00\x80\x00\x00\x00\x00\x00" + "\x01\x00\x00"
	if _, err := d.AppendAll(context.Background(), nil, []byte(single), c, 0); err == nil {
		t.Error("a single segment of 8 MiB and a byte was taken")
	}
}
