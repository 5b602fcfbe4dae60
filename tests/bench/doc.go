// Package bench measures troupe beside a bare socket loop, fasthttp and net/http.
//
// It is a module of its own, so that the peers are no dependencies of troupe. The
// origin, the clients and the load they are put under are in here; cmd/compare runs
// them in paired rounds and prints the tables, bench_test.go runs them as ordinary
// Go benchmarks.
package bench
