package conn

import (
	"bytes"
	"strconv"
	"time"
)

// keepAliveMargin is how much earlier than the server's timeout a connection
// ends: a request needs time to get there.
const keepAliveMargin = time.Second

// KeepAlive reads how long a server keeps an idle connection, less a margin of a
// second or half the time, from the value of its Keep-Alive field: the timeout
// parameter, in seconds (RFC 9112 Appendix C.2.2 names the field, its syntax is
// that of the expired draft-thomson-hybi-http-timeout). 0 means that it does not
// say; a timeout of zero gives the shortest time there is.
func KeepAlive(value []byte) time.Duration {
	if len(value) == 0 { // most answers
		return 0
	}
	for part := range bytes.SplitSeq(value, []byte(",")) {
		name, arg, found := bytes.Cut(part, []byte("="))
		if !found || !bytes.EqualFold(bytes.TrimSpace(name), []byte("timeout")) {
			continue
		}
		secs, err := strconv.ParseUint(string(bytes.Trim(arg, " \t\"")), 10, 31)
		if err != nil {
			return 0
		}
		d := time.Duration(secs) * time.Second
		return max(d-min(keepAliveMargin, d/2), 1)
	}
	return 0
}
