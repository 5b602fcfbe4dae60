// Package servers runs troupe against servers that other people wrote: nginx,
// apache2, haproxy, squid, microsocks, lighttpd, caddy, go-httpbin, and any of them
// through toxiproxy. It is a module of its own, so that go-httpbin and toxiproxy are
// no dependencies of troupe. See README.md for how to run it and what is where.
package servers
