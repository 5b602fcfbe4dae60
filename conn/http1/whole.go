package http1

// parseWhole reads the lines from h.line on that are whole and as they should be: each in one pass over
// its bytes, where parseLine takes four. It stops before the first line that is not all there, or folded,
// or faulty, and says nothing about it. fields is the limit.
func (h *Head) parseWhole(buf []byte, fields int) {
	if h.seen != h.line {
		return // it was looked at before and had no end: a second look at each piece would be quadratic
	}
	at := int(h.line)
	if at == 0 {
		if at = h.wholeStatus(buf); at == 0 {
			return
		}
	}
	at = h.wholeFields(buf, at, fields)
	if next := lineEnd(buf, at); next > 0 {
		h.noteLast(buf)
		h.end, at = uint32(next), next
	}
	h.line, h.seen = uint32(at), uint32(at)
}

// wholeStatus reads the usual "HTTP/1.1 SP 3DIGIT SP reason" and leaves every other to parseStatus.
func (h *Head) wholeStatus(buf []byte) (next int) {
	const from = len("HTTP/1.1 200 ")
	if len(buf) < from || string(buf[:9]) != "HTTP/1.1 " || buf[from-1] != ' ' {
		return 0
	}
	a, b, c := buf[9]-'0', buf[10]-'0', buf[11]-'0' // what is below '0' wraps around
	if a < 1 || a > 9 || b > 9 || c > 9 {
		return 0
	}
	to := valueEnd(buf, from)
	if next = lineEnd(buf, to); next > 0 {
		h.minor, h.status = 1, uint16(a)*100+uint16(b)*10+uint16(c)
		h.reasonFrom, h.reasonTo = uint32(from), uint32(to)
	}
	return next
}

// wholeFields reads field lines from buf[at] on and returns where the first line begins that is none.
func (h *Head) wholeFields(buf []byte, at, fields int) int {
	for int(h.count) < fields {
		colon := tokenEnd(buf, at)
		if colon == at || colon >= len(buf) || buf[colon] != ':' {
			break
		}
		value := colon + 1
		for value < len(buf) && isOWS(buf[value]) {
			value++
		}
		end := valueEnd(buf, value)
		next := lineEnd(buf, end)
		if next == 0 {
			break
		}
		for end > value && isOWS(buf[end-1]) {
			end--
		}
		if h.last != ordinary {
			h.noteLast(buf)
		}
		h.add(buf, span{uint32(at), uint32(colon), uint32(value), uint32(end)})
		at = next
	}
	return at
}

// lineEnd is where the next line begins if one ends at buf[i], else 0.
func lineEnd(buf []byte, i int) int {
	switch {
	case i+1 < len(buf) && buf[i] == '\r' && buf[i+1] == '\n':
		return i + 2
	case i < len(buf) && buf[i] == '\n':
		return i + 1
	}
	return 0
}
