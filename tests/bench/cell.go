package bench

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Cell is one load: so many callers, each of which sends its next request as soon as
// it has the answer to the last, over at most so many connections.
type Cell struct {
	Name           string
	Callers, Conns int

	Body     int  // bytes in an answer's body; 0 means those of Hello
	Fields   int  // header fields in an answer; 0 means the usual five
	Post     int  // bytes in a request's body; 0 means GET
	Deadline bool // each request has a context with a deadline of its own, cancelled after it
	Keep     bool // no answer is handed back for reuse: the caller keeps it
	TLS      bool
	Pipeline bool // requests are sent before the answers to those ahead of them

	Goal bool // the project has set itself figures for this one: measure it longer
}

// Cells are the named ones, in the order in which the tables have them.
func Cells() []Cell {
	at64 := func(name string, set func(*Cell)) Cell {
		c := Cell{Name: name, Callers: 64, Conns: 64}
		set(&c)
		return c
	}
	return []Cell{
		{Name: "1x1", Callers: 1, Conns: 1, Goal: true},
		{Name: "8x8", Callers: 8, Conns: 8},
		{Name: "64x64", Callers: 64, Conns: 64, Goal: true},
		{Name: "512x512", Callers: 512, Conns: 512},
		{Name: "64x8", Callers: 64, Conns: 8, Goal: true},
		{Name: "512x64", Callers: 512, Conns: 64, Goal: true},
		at64("keep", func(c *Cell) { c.Keep, c.Goal = true, true }),
		at64("context", func(c *Cell) { c.Deadline, c.Goal = true, true }),
		at64("4KiB", func(c *Cell) { c.Body = 4 << 10 }),
		at64("64KiB", func(c *Cell) { c.Body = 64 << 10 }),
		at64("1MiB", func(c *Cell) { c.Body, c.Goal = 1<<20, true }),
		at64("post-1KiB", func(c *Cell) { c.Post = 1 << 10 }),
		at64("post-64KiB", func(c *Cell) { c.Post = 64 << 10 }),
		at64("tls", func(c *Cell) { c.TLS = true }),
		at64("40-fields", func(c *Cell) { c.Fields = 40 }),
		{Name: "pipeline-64", Callers: 64, Conns: 1, Pipeline: true, Goal: true},
		{Name: "pipeline-512", Callers: 512, Conns: 1, Pipeline: true, Goal: true},
	}
}

// String is the name by which a cell is asked for.
func (c Cell) String() string { return c.Name }

// ParseCell finds a cell by its name. 16x4 are 16 callers over 4 connections, and
// need not be among the named ones.
func ParseCell(s string) (Cell, error) {
	for _, c := range Cells() {
		if c.Name == s {
			return c, nil
		}
	}
	callers, conns, _ := strings.Cut(s, "x")
	c := Cell{Name: s}
	var err1, err2 error
	c.Callers, err1 = strconv.Atoi(callers)
	c.Conns, err2 = strconv.Atoi(conns)
	if err1 != nil || err2 != nil || c.Callers < 1 || c.Conns < 1 {
		var names []string
		for _, c := range Cells() {
			names = append(names, c.Name)
		}
		return Cell{}, fmt.Errorf("there is no cell %q: write callers and connections as in 64x8, or one of %s",
			s, strings.Join(names, ", "))
	}
	return c, nil
}

// Hello is the body of an answer that is given no other size: 13 bytes.
const Hello = "Hello, world!"

// body is that of the cell's answers.
func (c Cell) body() []byte {
	if c.Body == 0 {
		return []byte(Hello)
	}
	return bytes.Repeat([]byte(Hello), c.Body/len(Hello)+1)[:c.Body]
}

// path asks the origin for the cell's answer.
func (c Cell) path() string { return fmt.Sprintf("/body/%d/fields/%d", c.Body, c.Fields) }

// url is where the cell's requests go.
func (c Cell) url(to Target) string {
	if c.TLS {
		return "https://" + to.TLSAddr + c.path()
	}
	return "http://" + to.Addr + c.path()
}

// answer is what the origin sends for each request: the fields that a small answer of
// a common server has, and more of ordinary length where the cell wants them.
func (c Cell) answer() []byte {
	body := c.body()
	head := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\n"+
		"Server: origin\r\n"+
		"Date: Mon, 06 Jul 2026 09:30:00 GMT\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\n"+
		"Content-Length: %d\r\n"+
		"Cache-Control: no-cache\r\n", len(body))
	for i := 5; i < c.Fields; i++ {
		head = fmt.Appendf(head, "X-Some-Field-%d: a value of ordinary length %d\r\n", i, i)
	}
	return append(append(head, "\r\n"...), body...)
}

// request is the cell's whole request, for who writes it as it is.
func (c Cell) request(to Target) []byte {
	host := to.Addr
	if c.TLS {
		host = to.TLSAddr
	}
	if c.Post == 0 {
		return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bare\r\nAccept: */*\r\n\r\n", c.path(), host)
	}
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bare\r\nAccept: */*\r\nContent-Length: %d\r\n\r\n",
		c.path(), host, c.Post)
	return append(head, c.payload()...)
}

// payload is the body of the cell's requests, nil where they have none.
func (c Cell) payload() []byte {
	if c.Post == 0 {
		return nil
	}
	return bytes.Repeat([]byte{'x'}, c.Post)
}
