// Package bench measures troupe beside a bare socket loop, fasthttp, net/http and resty.
//
// It is a module of its own, so that the peers are no dependencies of troupe. The
// origin, the clients and the load they are put under are in here; cmd/compare runs
// them in paired rounds and writes tables and plots, the tests' benchmarks run them, and
// parts of them, as ordinary Go benchmarks.
package bench
