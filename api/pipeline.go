package api

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seed53b03582/troupe/api/internal/uri"
)

// Pipeline sends several requests on a connection before the first of them is answered
// (RFC 9112 §9.3.2): many small answers then cost one write and one read. The answers
// come in the order of the requests, so that a slow one holds up those behind it.
//
// Calls are pipelined that can be repeated: GET, HEAD, OPTIONS, TRACE, PUT and DELETE
// without a body, whose answer is kept in memory, on no Connection or Lease of the
// caller's, and not sent again after a failure. They share connections that have
// answered in HTTP/1.1 before, and fill one before they take another. Where a shared
// connection ends early, the first call that was not answered fails or is retried as any
// (see Retry); those behind it are sent again at once, each alone, or fail with ErrCutOff.
// A redirect that comes on one is read whole, within MaxBodyBytes, before it is followed.
type Pipeline struct {
	// Depth bounds the calls on one connection that are not answered. Zero and 1 mean
	// that none are pipelined; at most 4096.
	Depth int
	// Origins are those it is for, as "http://host:port"; the default ports may be
	// left out. Empty means all. Choose servers that are known to take it: old ones
	// and some proxies do not.
	Origins []string
}

// maxDepth is far beyond what a round trip can hold of requests worth batching.
const maxDepth = 4096

// pipeline is a Pipeline's settings, read.
type pipeline struct {
	on      bool
	origins []uri.URL // none: all
}

// validate refuses what no settings can mean.
func (p *Pipeline) validate() error {
	if p.Depth < 0 || p.Depth > maxDepth {
		return &InputError{Field: "Config.Pipeline.Depth", Reason: fmt.Sprintf("%d is not within 0 to %d", p.Depth, maxDepth),
			Fix: "give how many calls may share a connection, or 0 for none"}
	}
	for i, origin := range p.Origins {
		if _, err := parseOrigin(origin); err != nil {
			return &InputError{Field: fmt.Sprintf("Config.Pipeline.Origins[%d]", i), Reason: reasonOf(err), Fix: "write it as http://host:port"}
		}
	}
	return nil
}

var errNoOrigin = errors.New("has more than a scheme, a host and a port")

func parseOrigin(raw string) (uri.URL, error) {
	u, err := uri.Parse(raw)
	if err == nil && !u.IsOrigin() {
		err = errNoOrigin
	}
	return u, err
}

// reasonOf is what is wrong with a URL, without its text.
func reasonOf(err error) string {
	var e *uri.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return err.Error()
}

func (p *Pipeline) settings() pipeline {
	q := pipeline{on: p.Depth > 1}
	for _, origin := range p.Origins {
		u, _ := parseOrigin(origin) // validated
		q.origins = append(q.origins, u)
	}
	return q
}

// pipelines tells whether the request may share a connection; the rest of it is for the
// scheduler to judge.
func (r *request) pipelines() bool {
	p := &r.session.pipeline
	if !p.on || !idempotentMethod(r.call.Method) {
		return false
	}
	return len(p.origins) == 0 || slices.ContainsFunc(p.origins, func(o uri.URL) bool {
		return o.Host == r.to.Host && o.Port == r.to.Port && o.Scheme == r.to.Scheme
	})
}
