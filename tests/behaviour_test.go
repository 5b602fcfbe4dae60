package tests

import (
	"fmt"
	"strings"
	"time"
)

// behaviour is what a server does to one request. It reports whether the
// connection is kept.
type behaviour func(x *exchange) (keep bool)

// answerOf is a 200 with a body, and headers where they are given.
func answerOf(body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n", len(body))
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return b.String()
}

// ok reads the request and answers it.
func ok(body string, headers ...string) behaviour {
	answer := answerOf(body, headers...)
	return func(x *exchange) bool { return x.take() && x.write(answer) }
}

func status(code int) behaviour {
	return func(x *exchange) bool {
		return x.take() && x.write(fmt.Sprintf("HTTP/1.1 %d \r\nContent-Length: 0\r\n\r\n", code))
	}
}

// count answers with the length of the request's body.
func count(x *exchange) bool { return x.take() && x.write(answerOf(fmt.Sprint(x.length))) }

// stall reads the request and answers when g is open.
func stall(g *gate) behaviour {
	return func(x *exchange) bool { return x.take() && x.hold(g.ch) && x.write(answerOf("ok")) }
}

// stallUnread leaves the request's body where it is until g is open.
func stallUnread(g *gate) behaviour {
	return func(x *exchange) bool { // while nothing is read, the client's end is not noticed
		return x.hold(g.ch) && count(x)
	}
}

// stallMidway sends the head and the first half of the body, and the rest when g
// is open.
func stallMidway(g *gate, body string) behaviour {
	answer := answerOf(body)
	half := len(answer) - len(body)/2
	return func(x *exchange) bool {
		return x.take() && x.write(answer[:half]) && x.hold(g.ch) && x.write(answer[half:])
	}
}

// reset reads the request and cuts the connection.
func reset(x *exchange) bool {
	x.take()
	abort(x.socket)
	return false
}

// hangUp reads the request and closes without an answer.
func hangUp(x *exchange) bool {
	x.take()
	return false
}

// truncate closes in the middle of the body.
func truncate(x *exchange) bool {
	x.take()
	x.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all of it")
	return false
}

// garbage answers with what is not HTTP.
func garbage(x *exchange) bool {
	x.take()
	x.write("\x00\x01\x02 220 smtp ready\r\n\r\n")
	return false
}

// drip sends the body byte by byte.
func drip(body string, every time.Duration) behaviour {
	answer := answerOf(body)
	return func(x *exchange) bool {
		head := len(answer) - len(body)
		if !x.take() || !x.write(answer[:head]) {
			return false
		}
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := range body {
			select {
			case <-tick.C:
			case <-x.gone:
				return false
			case <-x.ended:
				return false
			}
			if !x.write(body[i : i+1]) {
				return false
			}
		}
		return true
	}
}

// closeAfter answers, and announces with the nth answer of a connection that it
// will close it.
func closeAfter(n int) behaviour {
	return func(x *exchange) bool {
		if x.nth < n {
			return x.take() && x.write(answerOf("ok"))
		}
		x.take()
		x.write(answerOf("ok", "Connection: close"))
		return false
	}
}

// leaveWhen answers, and closes the idle connection when g is open.
func leaveWhen(g *gate) behaviour {
	return func(x *exchange) bool {
		if x.take() && x.write(answerOf("ok")) {
			x.wait(g.ch)
		}
		return false
	}
}

// unasked answers, and sends more when g is open.
func unasked(g *gate, more string) behaviour {
	return func(x *exchange) bool {
		return x.take() && x.write(answerOf("ok")) && x.wait(g.ch) && x.write(more)
	}
}

// raw answers with bytes, and closes.
func raw(bytes string) behaviour {
	return func(x *exchange) bool {
		x.take()
		x.write(bytes)
		return false
	}
}

// rawHeld answers with bytes, and waits for the client to close.
func rawHeld(bytes string) behaviour {
	return func(x *exchange) bool {
		x.take()
		if x.write(bytes) {
			x.wait(nil)
		}
		return false
	}
}

// endless answers with the same piece for as long as it is taken.
func endless(start, piece string) behaviour {
	return func(x *exchange) bool {
		x.take()
		more := []byte(piece)
		for good := x.write(start); good; {
			_, err := x.conn.Write(more)
			good = err == nil
		}
		return false
	}
}
