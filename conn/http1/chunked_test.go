package http1

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The table of chunked.go, each state with each byte.
func TestStep(t *testing.T) {
	const hex = "0123456789abcdefABCDEF"
	text := "\t" // what an extension may hold
	for c := 0x20; c < 0x100; c++ {
		if c != 0x7f {
			text += string([]byte{byte(c)})
		}
	}
	for from, rows := range map[state][]struct {
		bytes string
		next  state
	}{
		sizeFirst:    {{hex, size}},
		size:         {{hex, size}, {" \t", sizePad}, {";", ext}, {"\r", sizeLF}},
		sizePad:      {{" \t", sizePad}, {";", ext}},
		ext:          {{text, ext}, {"\r", sizeLF}},
		sizeLF:       {{"\n", inChunk}},
		dataCR:       {{"\r", dataLF}},
		dataLF:       {{"\n", sizeFirst}},
		trailerStart: {{"\r", endLF}},
		endLF:        {{"\n", done}},
	} {
		for c := range 256 {
			want := failed
			for _, row := range rows {
				if strings.IndexByte(row.bytes, byte(c)) >= 0 {
					want = row.next
				}
			}
			if from == trailerStart && want == failed {
				want = trailerLine // which judges the line when it is whole
			}
			b := Body{state: from, left: 1, digits: 1, framing: FramingChunked}
			n, err := b.frame([]byte{byte(c)})
			if b.state != want && !(want == trailerLine && c == '\n' && b.state == failed) {
				t.Errorf("state %d, byte %q: state %d, want %d", from, byte(c), b.state, want)
			}
			if (err != nil) != (b.state == failed) || err == nil && n != 1 {
				t.Errorf("state %d, byte %q: %d, %v", from, byte(c), n, err)
			}
		}
	}
	b := Body{state: sizeLF}
	if _, err := b.frame([]byte("\n")); err != nil || b.state != trailerStart {
		t.Error("a size of 0 is not the last chunk:", b.state, err)
	}
}

func TestChunkBounds(t *testing.T) {
	const head = ok + "Transfer-Encoding: chunked\r\n\r\n"
	chunk := func(size int, ext int) string {
		return fmt.Sprintf("%x%s\r\n%s\r\n", size, strings.Repeat(";", ext), strings.Repeat("x", size))
	}
	for _, tc := range []struct {
		name, body string
		want       error
	}{
		{"size-16-digits_9112_7.1", "0000000000000001\r\nx\r\n0\r\n\r\n", nil},
		{"size-17-digits_9112_7.1", "00000000000000001\r\nx\r\n0\r\n\r\n", errChunkLarge},
		{"size-2^63-1_9112_7.1", "7fffffffffffffff\r\nx", ErrTruncated},
		{"size-2^63_9112_7.1", "8000000000000000\r\nx", errChunkLarge},
		{"size-2^64_9112_7.1", "10000000000000000\r\nx", errChunkLarge},
		{"extension-longest_9112_7.1.1", chunk(1, maxExtLine) + "0\r\n\r\n", nil},
		{"extension-too-long_9112_7.1.1", chunk(1, maxExtLine+1) + "0\r\n\r\n", errExtLarge},
		{"extension-last-chunk_9112_7.1.1", "0" + strings.Repeat(";", maxExtLine+1) + "\r\n\r\n", errExtLarge},
		{"padding-too-long_9112_7.1.1", "1" + strings.Repeat(" ", maxExtLine+1) + ";\r\nx\r\n0\r\n\r\n", errExtLarge},
		{"extensions-without-payload_9112_7.1.1", strings.Repeat(chunk(1, 1000), 20) + "0\r\n\r\n", errExtLarge},
		{"extensions-paid-for_9112_7.1.1", strings.Repeat(chunk(1000, 1000), 100) + "0\r\n\r\n", nil},
		{"trailers-most_9112_7.1.2", "0\r\n" + strings.Repeat("A: b\r\n", maxTrailers) + "\r\n", nil},
		{"trailers-too-many_9112_7.1.2", "0\r\n" + strings.Repeat("A: b\r\n", maxTrailers+1) + "\r\n", errTrailLarge},
		{"trailers-longest_9112_7.1.2", "0\r\nA: " + strings.Repeat("b", maxTrailerBytes-5) + "\r\n\r\n", nil},
		{"trailers-too-long_9112_7.1.2", "0\r\nA: " + strings.Repeat("b", maxTrailerBytes-4) + "\r\n\r\n", errTrailLarge},
		{"trailers-folded-too-long_9112_7.1.2", "0\r\nA: b\r\n" + strings.Repeat(" \r\n", maxTrailerBytes/3), errTrailLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, cut := range []func() int{atOnce, func() int { return 997 }} {
				if got := read("GET", []byte(head+tc.body), Limits{}, cut, false); !errors.Is(got.err, tc.want) {
					t.Errorf("got %v, want %v", got.err, tc.want)
				}
			}
		})
	}
}

func TestTrailersMisplaced_9110_6_5_1(t *testing.T) {
	const in = ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n" +
		"Content-Length: 1\r\nTransfer-Encoding: x\r\nA: b\r\nconnection: close\r\nTRAILER: x\r\nHost: x\r\n" +
		"Content-Encoding: gzip\r\nContent-Type: x\r\nContent-Range: x\r\n folded\r\nC: d\r\n\r\n"
	got := read("GET", []byte(in), Limits{}, atOnce, false)
	if want := [][2]string{{"A", "b"}, {"C", "d"}}; fmt.Sprint(got.trailers) != fmt.Sprint(want) || !got.keep {
		t.Error(got)
	}
}
