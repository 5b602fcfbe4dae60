package http1

import "math/bits"

// Values are most of a head's bytes, and need only be found harmless: eight at a time.

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// load is the eight bytes of b from i on, the first one lowest. It compiles to one instruction.
func load[T string | []byte](b T, i int) uint64 {
	b = b[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// controls marks, in their highest bits, the bytes of w below SP and DEL. The lowest mark is always
// right: only such a byte borrows from the next one, so a mark above another may be wrong.
func controls(w uint64) uint64 {
	return ((w - ones*0x20) | (w&^highs + ones)) &^ w & highs
}

// valueEnd is where the first byte from i on stands that can't be in a value; len(b) if there is none.
func valueEnd[T string | []byte](b T, i int) int {
	for i >= 0 && i <= len(b)-8 { // written so that load needs no bounds check
		marks := controls(load(b, i))
		if marks == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(marks) / 8
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(b) && class[b[i]]&isValue != 0 {
		i++
	}
	return i
}

// onlyValue reports whether every byte of b may be in a value.
func onlyValue[T string | []byte](b T) bool { return valueEnd(b, 0) == len(b) }

// tokenEnd is where the first byte from i on stands that can't be in a token; len(b) if there is none.
// Names are so short, and a server's come so much in one order, that words gain nothing here: they make
// the next load wait for arithmetic where a branch is foreseen. The unsigned comparison saves a tenth.
func tokenEnd[T string | []byte](b T, i int) int {
	for uint(i) < uint(len(b)) && class[b[i]]&isToken != 0 {
		i++
	}
	return i
}
