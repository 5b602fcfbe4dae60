package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// Target is an origin as its clients see it.
type Target struct {
	Addr    string // host:port
	TLSAddr string // host:port
	Roots   *x509.CertPool
}

// tlsConfig is what every client is given, in every cell.
func (t Target) tlsConfig() *tls.Config { return &tls.Config{RootCAs: t.Roots} }

// NewTarget takes the addresses and the certificate an origin has told.
func NewTarget(addr, tlsAddr string, certificate []byte) (Target, error) {
	cert, err := x509.ParseCertificate(certificate)
	if err != nil {
		return Target{}, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	if addr == "" || tlsAddr == "" {
		return Target{}, errors.New("an origin without an address")
	}
	return Target{Addr: addr, TLSAddr: tlsAddr, Roots: roots}, nil
}

// Reply is what a client hands to its caller: the whole body in one piece, in whatever
// memory the client has it, until Release. So nobody pays for a copy that its own users
// would not make.
type Reply struct {
	Status int
	Body   []byte
}

// Caller sends requests for one goroutine, one at a time.
type Caller interface {
	// Do sends the cell's request and fills r with the answer.
	Do(ctx context.Context, r *Reply) error
	// Release ends the use of the last answer. It is called after each Do that
	// returned no error.
	Release()
}

// Client is one way to send requests.
type Client interface {
	// Caller makes what one more goroutine sends through.
	Caller() (Caller, error)
	Close() error
}

// Contender names a client and makes it for a cell.
type Contender struct {
	Name string
	New  func(to Target, cell Cell) (Client, error)

	fits func(Cell) bool // nil: every cell that is not pipelined
}

// Fits tells whether the client makes sense in a cell.
func (c Contender) Fits(cell Cell) bool {
	if c.fits == nil {
		return !cell.Pipeline
	}
	return c.fits(cell)
}

// Names of those that the others are compared with.
const (
	Bare     = "bare"
	FastHTTP = "fasthttp"
	Pipeline = "fasthttp-pipeline"
	Batched  = "fasthttp-batched"
	NetHTTP  = "nethttp"
)

// Contenders are all clients.
func Contenders() []Contender {
	all := func(Cell) bool { return true }
	return []Contender{
		{Bare, newBare, all},
		{"troupe", newTroupe, all},
		{FastHTTP, newFastHTTP, nil},
		{"fasthttp-fresh", newFastHTTPFresh, func(c Cell) bool { return c.Keep && !c.Pipeline }},
		{Pipeline, newFastHTTPPipeline, func(c Cell) bool { return c.Pipeline }},
		{Batched, newFastHTTPBatched, func(c Cell) bool { return c.Pipeline }},
		{NetHTTP, newNetHTTP, nil},
		{"resty", newResty, nil},
	}
}
