package conn

import (
	"errors"

	"github.com/seed53b03582/troupe/conn/http1"
)

// hearGreeting takes what a server has sent on a connection before it was asked anything,
// and keeps what that says about it: servers of mail and shells begin so, and another
// connection would be no better. What may be HTTP (a 408) tells nothing.
func (c *Conn) hearGreeting() {
	if c.sock.alert != nil {
		return
	}
	greeting := c.sock.taken
	if !c.secure && c.sock.floor() == &c.sock { // the look has left it where it is
		greeting = make([]byte, greetingSize)
		n, _ := c.sock.Conn.Read(greeting)
		greeting = greeting[:n]
	}
	var h http1.Head
	var refused *http1.Error
	if _, err := h.Parse(greeting, c.reading(http1.Limits{})); len(greeting) > 0 && errors.As(err, &refused) {
		c.sock.alert = refused
	}
}

// greetingSize is how much of a greeting is read: more than an error shows.
const greetingSize = 512
