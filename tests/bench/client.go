package bench

import (
	"fmt"
	"strconv"
	"strings"
)

// Cell is one load: so many callers, each of which sends its next request as soon as
// it has the answer to the last, over at most so many connections.
type Cell struct {
	Callers, Conns int
}

// String is how a cell is written: 64x8 are 64 callers over 8 connections.
func (c Cell) String() string { return fmt.Sprintf("%dx%d", c.Callers, c.Conns) }

// ParseCell reads what String writes.
func ParseCell(s string) (Cell, error) {
	callers, conns, _ := strings.Cut(s, "x")
	var c Cell
	var err1, err2 error
	c.Callers, err1 = strconv.Atoi(callers)
	c.Conns, err2 = strconv.Atoi(conns)
	if err1 != nil || err2 != nil || c.Callers < 1 || c.Conns < 1 {
		return Cell{}, fmt.Errorf("cell %q: write callers and connections as in 64x8", s)
	}
	return c, nil
}

// Reply is what a client hands to its caller. The memory of Body is the caller's and
// is used again, so that every client pays for one copy.
type Reply struct {
	Status int
	Body   []byte
}

// Caller sends requests for one goroutine.
type Caller interface {
	// Get sends one GET and fills r with the answer.
	Get(r *Reply) error
}

// Client is one way to send requests.
type Client interface {
	// Caller makes what one more goroutine sends through.
	Caller() (Caller, error)
	Close() error
}

// Contender names a client and makes it, for an origin at host:port.
type Contender struct {
	Name string
	New  func(addr string, cell Cell) (Client, error)
}

// Names of the two that the others are compared with.
const (
	Bare     = "bare"
	FastHTTP = "fasthttp"
)

// Contenders are all clients.
func Contenders() []Contender {
	return []Contender{
		{Bare, newBare},
		{"troupe", newTroupe},
		{FastHTTP, newFastHTTP},
		{"nethttp", newNetHTTP},
	}
}

const path = "/hello"
